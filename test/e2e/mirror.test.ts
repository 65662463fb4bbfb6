// A mirror is a copy of its primary: the same answers after the first transfer, after each change, without the primary, and
// after its own death.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Finding } from '../../src/commands/doctor/installation.ts'
import { signRequest } from '../../src/transfer/tsig.ts'
import { type Answer, ask } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import {
  buildQuery,
  optionCodes,
  rcodes,
  readOptions,
  types,
  wireName,
} from '../support/dns-query.ts'
import { caughtUp, mirrorPair, mirrorZone } from '../support/mirror-pair.ts'
import { origin, type Server, type Site, until } from '../support/server.ts'
import { mountSmallDisk } from '../support/small-disk.ts'

const questions = ['0', '1', '6', '7', '8', '63', '64', '127', '128', '255']
  .flatMap((last) => [`${last}.2.0.192`, `${last}.100.51.198`, `${last}.0.0.127`])
  .concat(`${'0.'.repeat(20)}7.0.0.0.8.b.d.0.1.0.0.2`, 'ns1', '_status')
  .map((name) => `${name}.${origin}`)

/** Waits until the server has logged it. */
async function logs(server: Server, line: RegExp): Promise<void> {
  const log = await until(
    async () => server.stderr(),
    (text) => line.test(text),
    120_000,
  )
  assert.match(log, line)
}

async function answersOf(server: Server): Promise<(readonly [string, Answer])[]> {
  const found: (readonly [string, Answer])[] = []
  for (const name of questions) {
    for (const type of ['A', 'TXT'] as const) {
      found.push([`${type} ${name}`, await ask(server.dns, name, type)])
    }
  }
  return found
}

test('a mirror answers as its primary: at first, after each change, and alone after its own death', async (t) => {
  const { primary: primarySite, mirror: mirrorSite } = await mirrorPair(t)
  const primary = await primarySite.start()
  const first = await mirrorSite.start()
  await caughtUp(primary, first)
  const changes = [
    ['add', '192.0.2.0/25', '198.51.100.7', '2001:db8:7::/64', '--kind', 'dsn'],
    ['exclude', '192.0.2.7'],
    ['exempt', '192.0.2.64/28'],
    ['add', '192.0.2.6/31', '--kind', 'callout'],
    ['remove', '198.51.100.7'],
  ]
  for (const change of changes) {
    const done = await primarySite.run(...change)
    assert.equal(done.code, 0, done.stderr)
    await caughtUp(primary, first)
    assert.deepEqual(await answersOf(first), await answersOf(primary), change.join(' '))
  }
  const expected = await answersOf(primary)
  assert.ok(expected.some(([, { txt }]) => txt.includes('Listed: 192.0.2.0')))
  await primary.kill('SIGKILL')
  await first.kill('SIGKILL')
  const second = await mirrorSite.start()
  assert.deepEqual(await answersOf(second), expected)
  const again = await primarySite.start()
  await primarySite.run('add', '198.51.100.8')
  await caughtUp(again, second)
  assert.deepEqual(await answersOf(second), await answersOf(again))
})

test('a mirror whose key is wrong stays without a zone, and says so', async (t) => {
  const other = `${randomBytes(32).toString('base64')}\n`
  const { primary, mirror } = await mirrorPair(t, { mirrorSecret: other })
  await primary.start()
  const server = await mirror.start()
  await logs(server, /no zone from the primary/)
  const { rcode } = await ask(server.dns, `2.0.0.127.${origin}`)
  assert.equal(rcode, rcodes.SERVFAIL)
  assert.match((await mirror.run('status')).stdout, /^wrong {2}no zone has come yet/)
  const { code, broken } = await diagnose(mirror)
  assert.equal(code, 1)
  assert.match(
    broken.join('\n'),
    /^primary: 127\.0\.0\.1:\d+ does not send the zone: .*not signed/m,
  )
  assert.match(broken.join('\n'), /^zone: the mirror has no zone yet/m)
})

test('a mirror whose zone.text has changed with its primary says so and fetches the zone anew', async (t) => {
  const { primary, mirror } = await mirrorPair(t)
  const first = [await primary.start(), await mirror.start()] as const
  await caughtUp(...first)
  for (const server of first) await server.kill('SIGTERM')
  for (const { configFile } of [primary, mirror]) {
    writeFileSync(configFile, readFileSync(configFile, 'utf8').replace('Listed: {ip}', 'See {ip}'))
  }
  const { broken, warnings } = await diagnose(mirror)
  assert.doesNotMatch(broken.join('\n'), /damaged/)
  assert.match(
    warnings.join('\n'),
    /^zone file: .*: it was kept under other settings: .*zone\.text/m,
  )
  const source = await primary.start()
  const second = await mirror.start()
  assert.match(second.stderr(), /the zone on disk was kept under other settings/)
  assert.doesNotMatch(second.stderr(), /damaged/)
  await caughtUp(source, second)
  assert.deepEqual((await ask(second.dns, `2.0.0.127.${origin}`, 'TXT')).txt, ['See 127.0.0.2'])
  assert.doesNotMatch((await diagnose(mirror)).warnings.join('\n'), /^zone file/m)
})

test('doctor says that the disk has no room for the next zone of a mirror', async (t) => {
  const disk = mountSmallDisk(t)
  if (disk === undefined) return
  const { mirror } = await mirrorPair(t)
  const configuration = readFileSync(mirror.configFile, 'utf8')
  writeFileSync(mirror.configFile, configuration.replace('"list.db"', `"${disk.folder}/list.db"`))
  const told = /^disk: the disk of .* has 0 MiB free; the next zone may need 1 MiB$/m
  assert.doesNotMatch((await diagnose(mirror)).broken.join('\n'), told)
  disk.fill()
  assert.match((await diagnose(mirror)).broken.join('\n'), told)
})

test('a mirror with another zone.text than its primary is told the text that came', async (t) => {
  const { primary, mirror } = await mirrorPair(t)
  await primary.start()
  const configuration = readFileSync(mirror.configFile, 'utf8')
  writeFileSync(mirror.configFile, configuration.replace('Listed: {ip}', 'See {ip}'))
  const server = await mirror.start()
  const told = /such as \\*"Listed: 127\.0\.0\.2\\*": set zone\.text as on the primary/
  await logs(server, told)
  const { broken } = await diagnose(mirror)
  assert.match(broken.join('\n'), /^primary: the zone of 127\.0\.0\.1:\d+ cannot be used: /m)
  assert.match(broken.join('\n'), told)
})

/** What doctor finds: CHECK: WHAT. */
async function diagnose(
  site: Site,
): Promise<{ code: number | null; broken: string[]; warnings: string[] }> {
  // On a slow machine the primary may need longer than doctor waits.
  const { code, stdout, stderr } = await until(
    () => site.run('doctor', '--json'),
    (done) => !done.stdout.includes('no answer within'),
    120_000,
  )
  assert.equal(stderr, '')
  const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] }
  const told = (wanted: Finding['level']) =>
    findings.filter(({ level }) => level === wanted).map(({ check, what }) => `${check}: ${what}`)
  return { code, broken: told('broken'), warnings: told('warning') }
}

test('doctor and status call a sound mirror sound, and a broken one broken', async (t) => {
  const { primary, mirror } = await mirrorPair(t)
  const source = await primary.start()
  const first = await mirror.start()
  await caughtUp(source, first)
  const { code: sound, broken: none } = await diagnose(mirror)
  assert.deepEqual([sound, none], [0, []])
  const status = await mirror.run('status')
  assert.equal(status.code, 0, status.stderr)
  assert.match(status.stdout, /^zone .*\n.*\nmirror of +127\.0\.0\.1:\d+\n/)
  const shown = JSON.parse((await mirror.run('status', '--json')).stdout)
  assert.equal(shown.state, 'fresh')
  assert.equal(shown.serial, (await ask(source.dns, origin, 'SOA')).serial)
  for (const time of [shown.generatedAt, shown.validUntil]) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  }

  await source.kill('SIGKILL')
  const alone = await diagnose(mirror)
  assert.equal(alone.code, 1)
  assert.match(
    alone.broken.join('\n'),
    /^primary: .* does not send the zone: .*ECONNREFUSED[^\n]*$/,
  )

  await first.kill('SIGKILL')
  const { code, stderr } = await mirror.run('status')
  assert.deepEqual([code, /no server is running/.test(stderr)], [1, true])
  const file = join(mirror.folder, 'list.db-zone')
  const octets = readFileSync(file)
  octets[octets.length - 40] = (octets[octets.length - 40] ?? 0) ^ 1
  writeFileSync(file, octets)
  assert.match((await diagnose(mirror)).broken.join('\n'), /^zone file: .*: it is damaged$/m)
})

test('a zone that has expired is told, and with staleServfail withheld, until the primary is back', {
  skip: needs('faketime', 'faketime').skip,
}, async (t) => {
  const { primary, mirror } = await mirrorPair(t)
  const configuration = readFileSync(mirror.configFile, 'utf8')
  const source = await primary.start()
  const first = await mirror.start()
  await caughtUp(source, first)
  await source.kill('SIGKILL')
  await first.kill('SIGKILL')
  // The SOA's expire time is 7 days.
  const later = clockSet('+8d')
  const open = await mirror.start(later)
  await logs(open, /the zone has expired: the primary is not heard of/)
  const listed = await ask(open.dns, `2.0.0.127.${origin}`)
  assert.deepEqual(listed.a, ['127.0.0.2'])
  assert.match((await mirror.run('status')).stdout, /valid +until/)
  await open.kill('SIGKILL')

  writeFileSync(mirror.configFile, configuration.replace('[dns]', 'staleServfail = true\n[dns]'))
  const closed = await mirror.start(later)
  assert.equal(await extendedErrorOf(closed), 24)
  await closed.kill('SIGKILL')
  const last = await mirror.start()
  await caughtUp(await primary.start(), last)
  assert.deepEqual((await ask(last.dns, `2.0.0.127.${origin}`)).a, ['127.0.0.2'])
})

/** The environment that the program faketime makes. The program itself would stand between the test and the server. */
function clockSet(offset: string): NodeJS.ProcessEnv {
  const lines = execFileSync('faketime', ['-f', offset, 'env'], { encoding: 'utf8' })
  const preload = /^LD_PRELOAD=(.*)$/m.exec(lines)?.[1]
  return { LD_PRELOAD: preload, FAKETIME: offset }
}

/** The info code (RFC 8914 §2) of the answer about the test entry; undefined if it has none. */
async function extendedErrorOf(server: Server): Promise<number | undefined> {
  const query = buildQuery(`2.0.0.127.${origin}`, types.A, { edns: { payload: 1232 } })
  const socket = createSocket('udp4')
  try {
    const [host = '', port = ''] = server.dns.split(':')
    socket.send(query, Number(port), host)
    const [answer] = await once(socket, 'message')
    return readOptions(answer).get(optionCodes.extendedError)?.readUInt16BE(0)
  } finally {
    socket.close()
  }
}

test('NOTIFY from others than the primary with its key is refused', async (t) => {
  const { mirror } = await mirrorPair(t)
  const server = await mirror.start()
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const [host = '', port = ''] = server.dns.split(':')
  const notify = buildQuery(origin, types.SOA, { opcode: 4 })
  const other = {
    name: wireName('mirror1'),
    algorithm: 'hmac-sha256',
    secret: randomBytes(32),
  } as const
  const forged = signRequest(notify, other, Math.floor(Date.now() / 1000)).message
  for (const [query, rcode] of [
    [notify, rcodes.REFUSED],
    [forged, rcodes.NOTAUTH],
  ] as const) {
    socket.send(query, Number(port), host)
    const [answer] = await once(socket, 'message')
    assert.equal(answer[3] & 15, rcode)
  }
})

test('commands that need a list say that this is a mirror', async (t) => {
  const { mirror } = await mirrorPair(t)
  for (const words of [
    ['add', '192.0.2.1'],
    ['list'],
    ['trap', 'list'],
    ['migrate'],
    ['backup', 'x'],
  ]) {
    const { code, stderr } = await mirror.run(...words)
    assert.equal(code, 1, words.join(' '))
    assert.match(stderr, /this is a mirror and has no list of its own.*127\.0\.0\.1/)
  }
  const { code, stderr } = await mirror.run('reload')
  assert.equal(code, 1)
  assert.match(stderr, /a mirror has no control socket: .*_status\.bl\.test\.example TXT/)
})

test('a mirror whose file is damaged says so and fetches the zone anew', async (t) => {
  const { primary, mirror } = await mirrorPair(t)
  const source = await primary.start()
  const first = await mirror.start()
  await caughtUp(source, first)
  await first.kill('SIGKILL')
  const file = join(mirror.folder, 'list.db-zone')
  const octets = readFileSync(file)
  octets[Math.floor(octets.length / 2)] = (octets[Math.floor(octets.length / 2)] ?? 0) ^ 0xff
  writeFileSync(file, octets.subarray(0, octets.length - 9))
  const second = await mirror.start()
  assert.match(second.stderr(), /the zone on disk is damaged; it is fetched anew/)
  await caughtUp(source, second)
})

test('the configurations of the guide are right', async (t) => {
  const { primary, mirror } = await mirrorPair(t)
  const page = readFileSync('data/guide/mirror.md', 'utf8')
  const block = (name: string): string =>
    new RegExp(`^\`\`\`toml ${name}\\n(.*?)^\`\`\``, 'ms').exec(page)?.[1] ?? ''
  writeFileSync(primary.configFile, `${mirrorZone}${block('primary')}`)
  // The addresses of the page are not of this machine.
  writeFileSync(mirror.configFile, block('mirror').replace('192.0.2.54:53', '127.0.0.1:0'))
  for (const site of [primary, mirror]) {
    const { code, stderr } = await site.run('check-config')
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
  }
})

test('a mirror has no traps and no HTTP interface', async (t) => {
  const { mirror } = await mirrorPair(t)
  writeFileSync(
    mirror.configFile,
    `[admin]\n[[trap]]\naddress = "@trap.example.org"\n${mirrorZone}primary = "192.0.2.53"\n`,
  )
  const { code, stderr } = await mirror.run('check-config')
  assert.equal(code, 2)
  for (const key of ['admin', 'trap']) assert.match(stderr, new RegExp(`: ${key}: a mirror`))
})
