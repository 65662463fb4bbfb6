// From a bounce in a trap to an answer in DNS and back, with the server and each command as a process of its own.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
const sender = '198.51.100.10'

function deliver(
  server: Server,
  more: { client?: string; to?: string; message?: string } = {},
): Promise<string> {
  const { client = sender, to = 'orders@trap.example.org', message = bounce } = more
  return submit({ server: server.smtp, from: '', to: [to], client, message })
}

const soonMs = 60_000

/** Asks until the A set is the expected one; fails after the time. */
async function answers(
  server: Server,
  address: string,
  expected: string[],
  withinMs = soonMs,
): Promise<void> {
  const name = reversed(address, origin)
  const { a } = await until(
    () => ask(server.dns, name),
    ({ a }) => `${a.sort()}` === `${expected}`,
    withinMs,
  )
  assert.deepEqual(a.sort(), expected, `${address} within ${withinMs} ms`)
}

test('a bounce by SMTP is in DNS after its 250, explained by show, and gone after remove', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  await answers(server, sender, [], 0)

  assert.match(await deliver(server), /^250 /)
  await answers(server, sender, ['127.0.0.2', '127.0.0.3'])
  const { txt } = await ask(server.dns, reversed(sender, origin), 'TXT')
  assert.deepEqual(txt, [`Backscatter source: ${sender}`])

  const show = await site.run('show', sender)
  assert.equal(show.code, 0, show.stderr)
  assert.match(show.stdout, /is listed/)
  assert.match(show.stdout, /dsn/)
  const shown = JSON.parse((await site.run('show', sender, '--json')).stdout)
  assert.equal(shown.listed, true)
  assert.deepEqual(shown.kinds, ['dsn'])
  assert.deepEqual(shown.codes, ['127.0.0.2', '127.0.0.3'])
  assert.equal(shown.evidence.length, 1)

  assert.equal((await site.run('lookup', sender, '--server', server.dns, '--zone', origin)).code, 3)
  const remove = await site.run('remove', sender)
  assert.equal(remove.code, 0, remove.stderr)
  await answers(server, sender, [])
  assert.equal((await site.run('lookup', sender, '--server', server.dns, '--zone', origin)).code, 0)
  assert.match((await site.run('show', sender)).stdout, /is not listed/)
})

test('everybody but the traps is refused during SMTP', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  await assert.rejects(deliver(server, { to: 'someone@example.net' }), /^Error: 550 /)
  await answers(server, sender, [], 0)
})

test('an entry with a term is gone in time, before a restart and after one', async (t) => {
  const site = new Site(t)
  let server = await site.start()
  const short = '203.0.113.5'
  const long = '203.0.113.6'
  assert.equal((await site.run('add', long, '--for', '1h')).code, 0)
  // Longer than the command's own end takes.
  assert.equal((await site.run('add', short, '--for', '20s', '--kind', 'dsn')).code, 0)
  await answers(server, short, ['127.0.0.2', '127.0.0.3'])
  await answers(server, short, [])
  await answers(server, long, ['127.0.0.2'], 0)

  // Longer than a restart takes.
  assert.equal((await site.run('add', short, '--for', '30s')).code, 0)
  assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null })
  server = await site.start()
  await answers(server, short, ['127.0.0.2'], 0)
  await answers(server, short, [])
  await answers(server, long, ['127.0.0.2'], 0)
})

test('SIGKILL right after the 250 loses nothing, and the same message again doubles nothing', async (t) => {
  const site = new Site(t)
  for (let round = 0; round < 3; round++) {
    const server = await site.start()
    const client = `198.51.100.${20 + round}`
    await deliver(server, { client })
    await server.kill('SIGKILL')
    const again = await site.start()
    await answers(again, client, ['127.0.0.2', '127.0.0.3'], 0)
    await deliver(again, { client })
    const shown = JSON.parse((await site.run('show', client, '--json')).stdout)
    assert.equal(shown.evidence.length, 1)
    await again.kill('SIGKILL')
  }
})

test('serials grow over changes and restarts', async (t) => {
  const site = new Site(t)
  const serials: number[] = []
  for (let round = 0; round < 2; round++) {
    const server = await site.start()
    for (const address of ['203.0.113.7', '203.0.113.8', '203.0.113.9']) {
      await site.run(round === 0 ? 'add' : 'remove', address)
      serials.push((await ask(server.dns, origin, 'SOA')).serial ?? 0)
    }
    await server.kill('SIGTERM')
  }
  assert.deepEqual(
    serials,
    [...new Set(serials)].sort((a, b) => a - b),
  )
})

test('trap addresses do not stand in the log', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  await deliver(server, { to: 'secret-trap@trap.example.org' })
  await assert.rejects(deliver(server, { to: 'probe@elsewhere.example' }))
  await server.kill('SIGTERM')
  assert.doesNotMatch(server.stderr(), /secret-trap|@trap\.example\.org/)
})

for (const [file, client, kind, code] of [
  ['exim-bounce', '198.51.100.20', 'dsn', '127.0.0.3'],
  ['sendmail-bounce', '198.51.100.30', 'dsn', '127.0.0.3'],
  ['exim-auto-reply', '198.51.100.21', 'auto-reply', '127.0.0.4'],
] as const) {
  test(`data/samples/${file}.eml lists its sender as ${kind}`, async (t: TestContext) => {
    const site = new Site(t)
    const server = await site.start()
    await deliver(server, { client, message: readFileSync(`data/samples/${file}.eml`, 'latin1') })
    await answers(server, client, ['127.0.0.2', code])
  })
}
