// A mirror is a copy of its primary: the same answers after the first transfer, after each change, without the primary, and
// after its own death.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type Answer, ask } from '../support/ask.ts'
import { buildQuery, rcodes, types } from '../support/dns-query.ts'
import { caughtUp, mirrorPair, mirrorZone } from '../support/mirror-pair.ts'
import { origin, type Server } from '../support/server.ts'

const questions = ['0', '1', '6', '7', '8', '63', '64', '127', '128', '255']
  .flatMap((last) => [`${last}.2.0.192`, `${last}.100.51.198`, `${last}.0.0.127`])
  .concat(`${'0.'.repeat(20)}7.0.0.0.8.b.d.0.1.0.0.2`, 'ns1', '_status')
  .map((name) => `${name}.${origin}`)

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
  for (let tries = 0; tries < 200 && !server.stderr().includes('no zone from'); tries++)
    await setTimeout(50)
  assert.match(server.stderr(), /no zone from the primary/)
  const { rcode } = await ask(server.dns, `2.0.0.127.${origin}`)
  assert.equal(rcode, rcodes.SERVFAIL)
})

test('NOTIFY from others than the primary with its key is refused', async (t) => {
  const { mirror } = await mirrorPair(t)
  const server = await mirror.start()
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const [host = '', port = ''] = server.dns.split(':')
  socket.send(buildQuery(origin, types.SOA, { opcode: 4 }), Number(port), host)
  const [answer] = await once(socket, 'message')
  assert.equal(answer[3] & 15, rcodes.REFUSED)
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
  for (const word of ['status', 'reload']) {
    const { code, stderr } = await mirror.run(word)
    assert.equal(code, 1, word)
    assert.match(stderr, /a mirror has no control socket: .*_status\.bl\.test\.example TXT/)
  }
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
