// `ingest` as a process of its own, on a database without a server and through one: what is recorded, what a dry run
// tells, what two policies make of the same mail, and that nothing is counted twice or changed unasked.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { readSample } from '../support/samples.ts'
import { main, Site } from '../support/server.ts'

const bounce = readSample('dsn/pf-unknown-user.eml').toString('latin1').replaceAll('\r\n', '\n')

/** The bounce as another host's, to a trap, at another time. */
function bounceFrom(client: string, number: number, time = new Date()): string {
  return bounce
    .replaceAll('198.51.100.10', client)
    .replaceAll('pf-unknown-user@trap.example', `user${number}@trap.example.org`)
    .replace(/Tue, 24 Nov 2026 \S+/, time.toUTCString().replace('GMT', '+0000').slice(0, 25))
    .replaceAll(/Message-Id: <\S+>/gi, `Message-Id: <${number}.${client}@pf.example>`)
}

function mboxOf(...messages: string[]): string {
  return messages
    .map((each) => `From MAILER-DAEMON Tue Nov 24 12:23:51 2026\n${each.trimEnd()}\n\n`)
    .join('')
}

async function lines(site: Site, ...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await site.run('ingest', '--json', ...args)
  assert.deepEqual([code, stderr], [0, ''])
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

async function isListed(site: Site, address: string): Promise<boolean> {
  const { code, stdout, stderr } = await site.run('show', address, '--json')
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout).listed
}

function write(site: Site, name: string, content: string | Uint8Array): string {
  const path = join(site.folder, name)
  writeFileSync(path, content)
  return path
}

test('an mbox is recorded once, message by message, and a second run counts nothing again', async (t) => {
  const site = new Site(t)
  const mbox = write(
    site,
    'mail.mbox',
    mboxOf(
      bounceFrom('198.51.100.11', 1),
      bounceFrom('198.51.100.12', 2),
      'Subject: for nobody\nTo: a@b.example\n\nhello\n',
    ),
  )
  const first = await lines(site, mbox)
  assert.deepEqual(
    first.map(({ file, index, client, recipient, decision }) => [
      ...[file, index, client, recipient, decision],
    ]),
    [
      [mbox, 0, '198.51.100.11', 'user1@trap.example.org', 'listed'],
      [mbox, 1, '198.51.100.12', 'user2@trap.example.org', 'listed'],
      [mbox, 2, null, null, 'ignored'],
    ],
  )
  assert.deepEqual([first[0]?.['kind'], first[0]?.['rule']], ['dsn', 'rfc3464-report'])
  const again = await lines(site, mbox)
  assert.deepEqual(
    again.map(({ decision, why }) => [decision, why]),
    [
      ['ignored', 'this message was recorded before'],
      ['ignored', 'this message was recorded before'],
      ['ignored', 'none of its recipients is a trap'],
    ],
  )
  assert.equal(await isListed(site, '198.51.100.11'), true)
})

test('through a running server; a gzipped mbox, a Maildir and a folder of files alike', async (t) => {
  const site = new Site(t)
  await site.start()
  const zipped = write(site, 'old.gz', gzipSync(mboxOf(bounceFrom('198.51.100.21', 1))))
  for (const each of ['old', 'old/cur', 'old/new', 'loose']) mkdirSync(join(site.folder, each))
  write(site, 'old/cur/1.a.host:2,S', bounceFrom('198.51.100.22', 2))
  write(site, 'old/new/2.a.host', bounceFrom('198.51.100.23', 3))
  write(site, 'loose/one', bounceFrom('198.51.100.24', 4))
  const folders = ['old', 'loose'].map((name) => join(site.folder, name))
  const { code, stdout, stderr } = await site.run('ingest', zipped, ...folders)
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^198\.51\.100\.21\/32 is listed: dsn: 1 of 1 message.*\(.*old\.gz\)$/m)
  assert.match(stdout, /^4 messages listed a host\.$/m)
  for (const last of [21, 22, 23, 24]) {
    assert.equal(await isListed(site, `198.51.100.${last}`), true)
  }
  assert.deepEqual(readdirSync(join(site.folder, 'old/new')), ['2.a.host'])
})

test('a dry run tells what would be listed and why, on top of what is known, and changes nothing', async (t) => {
  const site = new Site(t)
  // Its own, so that no other run leaves anything in it.
  const temporary = join(site.folder, 'tmp')
  mkdirSync(temporary)
  const { TMPDIR } = process.env
  Object.assign(process.env, { TMPDIR: temporary })
  t.after(() => {
    delete process.env['TMPDIR']
    Object.assign(process.env, TMPDIR !== undefined && { TMPDIR })
  })
  writeFileSync(
    site.configFile,
    site.configuration().replace('threshold.dsn = { messages = 1 }', ''),
  )
  const one = write(site, 'one.eml', bounceFrom('198.51.100.31', 1))
  const two = write(
    site,
    'two.eml',
    bounceFrom('198.51.100.31', 2).replaceAll(/Message-ID: <\d+/g, 'Message-ID: <2'),
  )
  const dry = await site.run('ingest', '--dry-run', one, two)
  assert.match(dry.stdout, /^198\.51\.100\.31\/32 would be listed: dsn: 2 of 2 messages/m)
  assert.match(dry.stdout, /^1 message would list a host, 1 only counts\.$/m)
  assert.equal((await lines(site, '--dry-run', two))[0]?.['decision'], 'counted')
  assert.equal((await lines(site, one))[0]?.['decision'], 'counted')
  const beside = readdirSync(site.folder)
  assert.equal((await lines(site, '--dry-run', two))[0]?.['decision'], 'listed')
  assert.deepEqual(
    readdirSync(temporary).filter((name) => name.includes('dry-run')),
    [],
  )
  assert.deepEqual(readdirSync(site.folder), beside)
  assert.equal(await isListed(site, '198.51.100.31'), false)
  const server = await site.start()
  assert.equal((await lines(site, '--dry-run', two))[0]?.['decision'], 'listed')
  assert.equal(await isListed(site, '198.51.100.31'), false)
  assert.equal((await server.kill('SIGTERM')).code, 0)
})

test('two policies over the same mail, each message as of its time, years ago', async (t) => {
  const site = new Site(t)
  const other = write(
    site,
    'strict.toml',
    site.configuration().replace('threshold.dsn = { messages = 1 }', 'firstListing = "1d"'),
  )
  const old = new Date(Date.UTC(2020, 5, 1))
  const later = new Date(Date.UTC(2020, 5, 2))
  const mbox = write(
    site,
    'old.mbox',
    mboxOf(
      bounceFrom('198.51.100.42', 3, later).replaceAll(/Message-ID: <\d+/g, 'Message-ID: <3'),
      bounceFrom('198.51.100.41', 1, old),
      bounceFrom('198.51.100.42', 2, old),
    ),
  )
  const compared = await lines(site, '--dry-run', '--policy', other, mbox)
  assert.deepEqual(
    compared.toSorted((a, b) => (String(a['prefix']) < String(b['prefix']) ? -1 : 1)),
    [
      {
        prefix: '198.51.100.41/32',
        present: {
          ...{ listings: 1, firstAt: '2020-06-01T00:00:00Z', until: '2020-06-08T00:00:00Z' },
        },
        other: null,
        same: false,
      },
      {
        prefix: '198.51.100.42/32',
        present: {
          ...{ listings: 1, firstAt: '2020-06-01T00:00:00Z', until: '2020-06-16T00:00:00Z' },
        },
        other: { listings: 1, firstAt: '2020-06-02T00:00:00Z', until: '2020-06-03T00:00:00Z' },
        same: false,
      },
    ],
  )
  // The table alone says the same as the whole configuration that has it.
  const special = '["192.0.2.0/24", "198.51.100.0/24"]'
  const alone = `[policy]\nallowSpecial = ${special}\nfirstListing = "1d"\n`
  const table = write(site, 'policy.toml', `${alone}threshold.auto-reply = { messages = 1 }\n`)
  assert.deepEqual(await lines(site, '--dry-run', '--policy', table, mbox), compared)
  const wrong = write(site, 'wrong.toml', '[polcy]\nfirstListing = "1d"\n')
  const refused = await site.run('ingest', '--dry-run', '--policy', wrong, mbox)
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /wrong\.toml: polcy: unknown key; did you mean policy\?/)
  const words = await site.run('ingest', '--dry-run', '--policy', other, mbox)
  assert.match(
    words.stdout,
    /Listed under .*strict\.toml only: 0; under the present policy only: 1;/,
  )
  assert.match(words.stdout, /^198\.51\.100\.41\/32 .* not listed$/m)
  assert.equal((await lines(site, mbox))[0]?.['why'], 'history: older than 28d')
})

test('two policies know the traps that were added by hand as well', async (t) => {
  const site = new Site(t)
  assert.equal((await site.run('trap', 'add', '@hand.example.org')).code, 0)
  const message = bounceFrom('198.51.100.43', 1).replaceAll(
    '@trap.example.org',
    '@hand.example.org',
  )
  const mbox = write(site, 'hand.mbox', mboxOf(message))
  const other = write(site, 'same.toml', site.configuration())
  const [row] = await lines(site, '--dry-run', '--policy', other, mbox)
  assert.deepEqual([row?.['prefix'], row?.['same']], ['198.51.100.43/32', true])
})

test('no Received field that tells: the file’s time, and nobody listed', async (t) => {
  const site = new Site(t)
  const file = write(site, 'bare.eml', bounce.slice(bounce.indexOf('Date:')))
  utimesSync(file, 1_700_000_000, 1_700_000_000)
  const [line] = await lines(site, '--all-traps', file)
  assert.deepEqual(
    [line?.['client'], line?.['decision'], line?.['why']],
    [null, 'ignored', 'no client address is known'],
  )
  const shown = await site.run('ingest', '--all-traps', '--mailbox', 'eml', file)
  assert.equal(shown.stdout, '1 message was recorded before.\n')
})

test('wrong use is 2, an unreadable file 1 with what came before it recorded', async (t) => {
  const site = new Site(t)
  const file = write(site, 'one.eml', bounceFrom('198.51.100.51', 1))
  for (const [args, why] of [
    [['--policy', site.configFile, file], /--policy needs --dry-run/],
    [['--mailbox', 'pst', file], /expected one of maildir, mbox, eml/],
    [[], /missing required argument/],
  ] as const) {
    const { code, stdout, stderr } = await site.run('ingest', ...args)
    assert.equal(code, 2, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, why)
  }
  const missing = await site.run('ingest', file, join(site.folder, 'gone'))
  assert.deepEqual([missing.code, missing.stdout], [1, ''])
  assert.match(
    missing.stderr,
    /^backscatterd: cannot read .*gone: there is no such file \(ENOENT\)\n$/,
  )
  const broken = write(
    site,
    'broken.gz',
    gzipSync(mboxOf(bounceFrom('198.51.100.52', 2))).subarray(0, -9),
  )
  const { code, stderr } = await site.run('ingest', file, broken)
  assert.equal(code, 1)
  assert.match(stderr, /^backscatterd: cannot read .*broken\.gz: unexpected end of file\n$/)
  assert.equal(await isListed(site, '198.51.100.51'), true)
})

test('a mailbox that another program keeps locked is an error; who waits for it can be interrupted', async (t) => {
  const site = new Site(t)
  const mbox = write(site, 'inbox', mboxOf(bounceFrom('198.51.100.61', 1)))
  const lock = write(site, 'inbox.lock', '4711\n')
  const interrupted = spawn(process.execPath, [
    ...[main, '--config', site.configFile, 'ingest', '--dry-run', mbox],
  ])
  const ended = once(interrupted, 'exit')
  await setTimeout(4000)
  interrupted.kill('SIGINT')
  assert.deepEqual(await ended, [null, 'SIGINT'])
  const { code, stderr } = await site.run('ingest', mbox)
  assert.equal(code, 1)
  assert.match(stderr, /cannot read .*inbox: another program holds .*inbox\.lock/)
  assert.equal(readFileSync(lock, 'utf8'), '4711\n')
  unlinkSync(lock)
  assert.equal((await site.run('ingest', mbox)).code, 0)
  assert.equal(existsSync(lock), false)
})
