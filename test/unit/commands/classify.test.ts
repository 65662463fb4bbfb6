// `classify` over message files, mailboxes and standard input, as a process of its own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readSample } from '../../support/samples.ts'
import { main, runCommand } from '../../support/server.ts'

const bounce = readSample('dsn/pf-unknown-user.eml')
const vacation = readSample('auto-reply/ex-vacation.eml')
const letter = Buffer.from('From: a@b.example\nSubject: \x1b[31mhi\n\nFrom here to there\n')

const folder = mkdtempSync(join(tmpdir(), 'backscatterd-classify-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, ...content: (Uint8Array | string)[]): string {
  writeFileSync(join(folder, name), Buffer.concat(content.map((each) => Buffer.from(each))))
  return join(folder, name)
}

async function verdicts(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout } = await runCommand(['classify', '--json', ...args], folder)
  assert.equal(code, 0)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const brief = ({ index, kind, notBackscatter, client }: Record<string, unknown>): unknown[] => [
  index,
  kind,
  notBackscatter,
  client,
]

const separator = 'From MAILER-DAEMON Tue Nov 24 12:23:51 2026\n'

test('a message file: one object on one line, with every field', async () => {
  const [verdict, ...others] = await verdicts(file('bounce.eml', bounce))
  assert.deepEqual(others, [])
  assert.deepEqual(Object.keys(verdict ?? {}), [
    ...['file', 'index', 'backscatter', 'kind', 'certainty', 'notBackscatter', 'rule', 'facts'],
    ...['client', 'generator', 'dsn', 'returned', 'viaList'],
  ])
  assert.equal(verdict?.['file'], join(folder, 'bounce.eml'))
  assert.deepEqual(brief(verdict ?? {}), [0, 'dsn', null, '198.51.100.10'])
})

test('an mbox: each message with its index, a quoted From line as it was', async () => {
  const quoted = Buffer.from(letter.toString().replace('\nFrom here', '\n>From here'))
  const path = file('box', separator, bounce, '\n', separator, quoted, '\n', separator, vacation)
  assert.deepEqual((await verdicts(path)).map(brief), [
    [0, 'dsn', null, '198.51.100.10'],
    [1, null, 'other', null],
    [2, 'auto-reply', null, '198.51.100.20'],
  ])
})

test('an mbox of more than one read', async () => {
  const filler = `${'x'.repeat(76)}\n`.repeat(30_000)
  const path = file(
    'large',
    ...[0, 1, 2].flatMap(() => [separator, bounce, filler, '\n']),
    ...[separator, vacation],
  )
  const kinds = (await verdicts(path)).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['dsn', 'dsn', 'dsn', 'auto-reply'])
})

test('a From line in a message is no separator where it is no date, nor in an .eml file', async () => {
  const text = `From: a@b.example\n\nx\n\nFrom me to you\n\n${separator}To: c@d.example\n\ny\n`
  assert.equal((await verdicts(file('one', separator, letter, '\nFrom me\n'))).length, 1)
  assert.equal((await verdicts(file('one.eml', separator, text))).length, 1)
})

test('a Maildir: cur and new, nothing moved', async () => {
  const maildir = join(folder, 'maildir')
  for (const name of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, name), { recursive: true })
  writeFileSync(join(maildir, 'cur', '1.a:2,S'), vacation)
  writeFileSync(join(maildir, 'new', '2.a'), bounce)
  writeFileSync(join(maildir, 'tmp', '3.a'), bounce)
  const kinds = (await verdicts(maildir)).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['auto-reply', 'dsn'])
  assert.deepEqual(readFileSync(join(maildir, 'new', '2.a')), bounce)
})

test('standard input, and relays of ours by name and address', async () => {
  const child = spawn(process.execPath, [
    main,
    ...['classify', '--json', '--trusted-relay', 'mx.trap.example'],
    ...['--trusted-relay', '198.51.100.10', '-'],
  ])
  child.stdin.end(bounce)
  let stdout = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  assert.deepEqual(await once(child, 'close'), [0, null])
  const verdict = JSON.parse(stdout)
  assert.deepEqual([verdict.file, verdict.client], ['-', null])
})

test('words for people: no control characters of the message’s', async () => {
  const { code, stdout } = await runCommand(['classify', file('letter.eml', letter)], folder)
  assert.equal(code, 0)
  assert.match(stdout, /letter\.eml: not backscatter \(other\)\n {2}rule +not-recognised\n/)
  assert.match(stdout, /subject +.*hi\n$/)
  assert.equal(stdout.includes('\x1b'), false)
})

test('words for people tell how certain it is and, when asked to, the facts', async () => {
  const complaint = file('arf.eml', readSample('not-backscatter/complaint.eml'))
  const { stdout } = await runCommand(['classify', '--explain', complaint], folder)
  const [{ facts } = { facts: [] }] = await verdicts(complaint)
  assert.ok(Array.isArray(facts) && facts.length > 0)
  const told = stdout.slice(stdout.indexOf('facts'), stdout.indexOf('sent by'))
  assert.deepEqual(told.trim().split(/\s+/), ['facts', ...facts])
  const { stdout: plain } = await runCommand(['classify', complaint], folder)
  assert.doesNotMatch(plain, /facts/)
  const path = file('bounce.eml', bounce)
  const [{ certainty } = { certainty: null }] = await verdicts(path)
  const { stdout: said } = await runCommand(['classify', path], folder)
  assert.ok(said.startsWith(`${path}: backscatter (dsn), ${certainty}\n`), said)
})

test('a file that is not there is said in one line after what came before it', async () => {
  const path = file('bounce.eml', bounce)
  const { code, stdout, stderr } = await runCommand(
    ['classify', '--json', path, join(folder, 'none')],
    folder,
  )
  assert.equal(code, 1)
  assert.equal(JSON.parse(stdout).kind, 'dsn')
  assert.match(stderr, /^backscatterd: cannot read \S+none: there is no such file \(ENOENT\)\n$/)
})

const relayed = [
  'Received: from mx2.ours (mx2.ours [198.51.100.2]) by mx.ours (Postfix) with ESMTP id 1',
  'Received: from mail.far (mail.far [192.0.2.1]) by mx2.ours (Postfix) with ESMTP id 2',
  'From: a@b.example\n\nx\n',
].join('\n')

async function clients(cwd: string, ...args: string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await runCommand([...args, '--json'], cwd)
  assert.equal(code, 0, stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).client)
}

test('trace.trustedRelays is heeded, of a configuration that is named or found; --trusted-relay goes before it', async () => {
  const place = join(folder, 'configured')
  mkdirSync(place)
  const message = file('relayed.eml', relayed)
  const config = join(place, 'backscatterd.toml')
  const zone =
    '[zone]\norigin = "bl.example"\nnameservers = ["ns.example"]\nhostmaster = "dns.example"\n'
  writeFileSync(config, `${zone}[trace]\ntrustedRelays = ["mx.ours", "198.51.100.2"]\n`)
  assert.deepEqual(await clients(folder, 'classify', message), ['198.51.100.2'])
  assert.deepEqual(await clients(folder, '--config', config, 'classify', message), ['192.0.2.1'])
  assert.deepEqual(await clients(place, 'classify', message), ['192.0.2.1'])
  const other = ['classify', '--trusted-relay', 'mx.ours', message]
  assert.deepEqual(await clients(place, ...other), ['198.51.100.2'])
})

test('a configuration with faults stops it, named or found: it would have named the relays', async () => {
  const place = join(folder, 'faulty')
  mkdirSync(place)
  const message = file('plain.eml', relayed)
  writeFileSync(join(place, 'backscatterd.toml'), '[trace]\ntrustedRelays = 7\n')
  for (const args of [[], ['--config', 'backscatterd.toml']]) {
    const { code, stdout, stderr } = await runCommand([...args, 'classify', message], place)
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /trace\.trustedRelays/)
  }
})
