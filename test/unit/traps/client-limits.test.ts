// No client can keep others out, and the log shows who tries: the counts by a clock of the test's own, and what a client
// meets at the listener over real sockets.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parseAddress } from '../../../src/ip/address.ts'
import { ClientLimits, countedClient, type MinuteLimits } from '../../../src/traps/client-limits.ts'
import type { SmtpClient } from './smtp-client.ts'
import { type SmtpSiteOptions, smtpSite } from './smtp-site.ts'

const bounce = readFileSync('test/bounces/dsn/pf-unknown-user.eml', 'latin1').replace(/^\./gm, '..')
const noLimits: MinuteLimits = { connections: 0, messages: 0, recipients: 0, errors: 0 }

function limitsOf(perMinute: Partial<MinuteLimits>, maxConnections = 50) {
  const clock = { ms: 0 }
  const log: object[] = []
  const write = (level: string) => (fields: object) => log.push({ level, ...fields })
  const limits = new ClientLimits({
    ...{ maxConnections, perMinute: { ...noLimits, ...perMinute }, now: () => clock.ms },
    log: { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') },
  })
  return { limits, clock, log }
}

test('IPv4 addresses and IPv6 /64 networks are counted, loopback and the unknown are not', () => {
  const counted = (text: string) => {
    const parsed = parseAddress(text)
    return countedClient('value' in parsed ? parsed.value : null)
  }
  assert.equal(counted('192.0.2.1'), '192.0.2.1')
  assert.equal(counted('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.deepEqual(['127.0.0.1', '127.255.0.9', '::1', 'nobody'].map(counted), Array(4).fill(null))
  assert.equal(counted('::2'), '::/64')
})

for (const [what, command] of [
  ['messages', 'MAIL'],
  ['recipients', 'RCPT'],
] as const) {
  test(`${what} beyond the limit are refused until the minute is over`, () => {
    const { limits, clock } = limitsOf({ [what]: 2 })
    for (let times = 0; times < 2; times++) limits.command('a', command)
    assert.equal(limits.refusal('a'), null)
    limits.command('a', command)
    assert.match(limits.refusal('a') ?? '', new RegExp(`Too many ${what}`))
    assert.match(limits.enter('a') ?? '', new RegExp(`Too many ${what}`))
    assert.equal(limits.enter('b'), null)
    clock.ms = 60_000
    assert.equal(limits.enter('a'), null)
  })
}

test('connections are limited at once and in a minute, and a refused one is not open', () => {
  const { limits, clock } = limitsOf({ connections: 5 }, 2)
  assert.deepEqual([limits.enter('a'), limits.enter('a')], [null, null])
  assert.match(limits.enter('a') ?? '', /^4\.7\.0 Too many connections/)
  limits.leave('a')
  assert.equal(limits.enter('a'), null)
  limits.leave('a')
  assert.equal(limits.enter('a'), null)
  limits.leave('a')
  assert.match(limits.enter('a') ?? '', /^4\.7\.0 Too many connections/)
  clock.ms = 60_000
  assert.equal(limits.enter('a'), null)
})

test('pauses grow from half of the errors allowed on, and then the client is refused', () => {
  const { limits } = limitsOf({ errors: 20 })
  const pauses = Array.from({ length: 20 }, () => {
    limits.error('a')
    return limits.pauseMs('a')
  })
  assert.deepEqual(pauses.slice(0, 10), Array(10).fill(0))
  assert.ok(pauses.slice(10).every((pause, index) => pause > (pauses[9 + index] ?? 0)))
  assert.equal(limits.refusal('a'), null)
  limits.error('a')
  assert.match(limits.refusal('a') ?? '', /Too many errors/)
})

test('commands without mail become errors, and a message sets them off', () => {
  const { limits } = limitsOf({ errors: 1 })
  for (const _ of Array(3)) {
    for (const name of Array(50).fill(['NOOP', 'RSET']).flat()) limits.command('a', name)
    assert.equal(limits.refusal('a'), null)
    limits.command('a', 'DATA')
  }
  for (const name of Array(102).fill('EHLO')) limits.command('a', name)
  assert.match(limits.refusal('a') ?? '', /Too many errors/)
})

test('a blocked client is refused for so long, its other limits aside', () => {
  const { limits, clock } = limitsOf({})
  limits.block('a', 3_600_000)
  limits.block(null, 3_600_000)
  clock.ms = 3_599_999
  assert.match(limits.enter('a') ?? '', /^4\.7\.0 /)
  assert.match(limits.refusal('a') ?? '', /^4\.7\.0 /)
  assert.equal(limits.refusal(null), null)
  assert.equal(limits.enter('b'), null)
  clock.ms = 3_600_000
  assert.equal(limits.enter('a'), null)
})

test('refusals are logged once a minute for each client, with their numbers', () => {
  const { limits, clock, log } = limitsOf({ errors: 2 })
  for (const client of ['a', 'b', 'c', null]) limits.enter(client)
  for (let times = 0; times < 30; times++) {
    limits.error('a')
    limits.refusal('a')
  }
  limits.error('b')
  limits.sweep()
  assert.deepEqual(log, [])
  clock.ms = 60_000
  limits.sweep()
  limits.sweep()
  const counts = { connections: 1, messages: 0, recipients: 0 }
  assert.deepEqual(log, [
    { level: 'warn', client: 'a', ...counts, errors: 30, refused: 28 },
    { level: 'info', client: 'b', ...counts, errors: 1, refused: 0 },
  ])
  limits.error('a')
  limits.close()
  assert.equal(log.length, 3)
})

test('clients without number do not fill the memory', () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const { limits, log } = limitsOf({ errors: 20 })
  collect()
  const heldBefore = process.memoryUsage().heapUsed
  for (let word = 0; word < 400_000; word++) {
    limits.enter(`client ${word}`)
    limits.leave(`client ${word}`)
    limits.block(`client ${word}`, 3_600_000)
  }
  collect()
  assert.ok(process.memoryUsage().heapUsed - heldBefore < 20_000_000)
  assert.deepEqual(log, [])
})

/** A listener behind a balancer on loopback, which names the client of each connection. */
async function balancedSite(t: TestContext, options: SmtpSiteOptions = {}) {
  const site = await smtpSite(t, { proxyProtocol: ['127.0.0.1'], ...options })
  const from = (address: string): SmtpClient => {
    const client = site.connect()
    const family = address.includes(':') ? 'TCP6' : 'TCP4'
    client.send(`PROXY ${family} ${address} ${address} 1 25\r\n`)
    return client
  }
  return { ...site, from }
}

const greeting = async (client: SmtpClient): Promise<string> => (await client.hear(1))[0] ?? ''

test('RCPT trials end with 421 for their client alone, and the log names it', async (t) => {
  const { from, traps, log } = await balancedSite(t, { perMinute: { errors: 3 } })
  const prober = from('192.0.2.1')
  await prober.hear(1)
  const second = from('192.0.2.1')
  await second.hear(1)
  await second.say('EHLO h.example', 'MAIL FROM:<>')
  await prober.say('EHLO h.example', 'MAIL FROM:<>')
  for (let index = 0; index < 6; index++) prober.send(`RCPT TO:<u${index}@x.example>\r\n`)
  await prober.ended
  assert.deepEqual(
    prober
      .replies()
      .slice(3)
      .map((reply) => reply.slice(0, 3)),
    ['550', '550', '550', '421'],
  )
  assert.match(prober.said, /421 4\.7\.0 mx\.trap\.example Too many errors from your address/)
  assert.match((await second.say('RCPT TO:<a@trap.example>'))[0] ?? '', /^421 4\.7\.0 /)
  assert.match(await greeting(from('192.0.2.1')), /^421 4\.7\.0 /)
  assert.match(await greeting(from('192.0.2.2')), /^220 /)
  await traps.close()
  const lines = log.filter((line) => line.includes('192.0.2.1'))
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /"errors":4,"refused":\d/)
  assert.doesNotMatch(log.join(), /x\.example|trap\.example/)
})

test('an error past half of the limit makes the next command wait, and a shutdown does not wait for it', async (t) => {
  const { from, traps } = await balancedSite(t, { perMinute: { errors: 2 } })
  const client = from('192.0.2.1')
  await client.hear(1)
  await client.say('EHLO h.example', 'MAIL FROM:<>', 'RCPT TO:<u@x.example>')
  const [paused, noop] = await client.say('RCPT TO:<v@x.example>', 'NOOP')
  assert.deepEqual([paused?.slice(0, 3), noop?.slice(0, 3)], ['550', '250'])
  const other = from('192.0.2.1')
  await other.hear(1)
  await other.say('EHLO h.example', 'FOO')
  await other.ended
  assert.match(other.said, /421 4\.7\.0 [^\n]*Too many errors/)
  await traps.close()
})

test('a half-closed client gets its replies in spite of a pause', async (t) => {
  const { from } = await balancedSite(t, { perMinute: { errors: 2 } })
  const client = from('192.0.2.1')
  await client.hear(1)
  const wrong = 'RCPT TO:<u@x.example>\r\n'
  client.socket.end(`EHLO h.example\r\nMAIL FROM:<>\r\n${wrong}${wrong}QUIT\r\n`)
  await client.ended
  assert.match(client.said, /\r\n221 [^\n]*\n$/)
})

test('150 bounces from one client in one burst pass, over 20 connections and over 50', async (t) => {
  const { from, recorded } = await balancedSite(t)
  for (const connections of [20, 50]) {
    recorded.length = 0
    const share = Array.from({ length: 150 }, (_, index) => index)
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const client = from('192.0.2.1')
        assert.match(await greeting(client), /^220 /)
        await client.say('EHLO h.example')
        while (share.pop() !== undefined) {
          await client.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
          assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
          await client.say('RSET')
        }
        await client.say('QUIT')
      }),
    )
    assert.equal(recorded.length, 150)
  }
})

test('one client cannot take every connection', async (t) => {
  const { from } = await balancedSite(t)
  const greedy = await Promise.all(
    Array.from({ length: 60 }, async () => await greeting(from('2001:db8::1'))),
  )
  assert.equal(greedy.filter((line) => line.startsWith('220 ')).length, 50)
  assert.equal(greedy.filter((line) => /^421 4\.7\.0 .*from your address/.test(line)).length, 10)
  assert.match(await greeting(from('2001:db8::2')), /^421 4\.7\.0 /)
  assert.match(await greeting(from('2001:db8:0:1::1')), /^220 /)
})

test('that all connections are taken is logged once', async (t) => {
  const { connect, log } = await smtpSite(t, { maxConnections: 1 })
  await connect().hear(1)
  for (let times = 0; times < 3; times++) {
    const refused = connect()
    await refused.ended
    assert.match(refused.said, /^421 4\.3\.2 /)
  }
  assert.equal(log.filter((line) => line.includes('SMTP connections refused')).length, 1)
})

test('the client that XCLIENT names is counted, its proxy and loopback are free', async (t) => {
  const { connect } = await smtpSite(t, {
    ...{ proxies: ['127.0.0.1'], maxClientConnections: 1, perMinute: { errors: 1 } },
  })
  const proxies = Array.from({ length: 3 }, () => connect())
  for (const proxy of proxies) {
    await proxy.hear(1)
    await proxy.say('EHLO proxy.ours', 'FOO', 'FOO', 'FOO', 'MAIL FROM:<>', 'RCPT TO:<u@x.example>')
    assert.match((await proxy.say('RSET'))[0] ?? '', /^250 /)
  }
  const named = async (index: number, address: string): Promise<string> =>
    (await proxies[index]?.say(`XCLIENT ADDR=${address}`))?.[0] ?? ''
  assert.match(await named(0, '192.0.2.1'), /^220 /)
  assert.match(await named(1, '192.0.2.1'), /^421 4\.7\.0 .*Too many connections/)
  assert.match(await named(2, '192.0.2.2'), /^220 /)
  assert.match(
    (await proxies[2]?.say('FOO', 'FOO'))?.at(-1) ?? '',
    /^421 4\.7\.0 .*Too many errors/,
  )
  assert.match((await proxies[0]?.say('EHLO far.example'))?.[0] ?? '', /^250 /)
  const free = await smtpSite(t, { maxClientConnections: 1, perMinute: { errors: 1 } })
  for (let times = 0; times < 3; times++) {
    const local = free.connect()
    await local.hear(1)
    assert.match((await local.say('FOO', 'FOO', 'NOOP')).at(-1) ?? '', /^250 /)
  }
})

test('an LMTP front that names clients by XFORWARD is free', async (t) => {
  const { connect } = await smtpSite(t, {
    ...{ lmtp: true, proxies: ['127.0.0.1'], perMinute: { errors: 1, messages: 1 } },
  })
  const front = connect()
  await front.hear(1)
  await front.say('LHLO mx.ours.example')
  for (let times = 0; times < 4; times++) {
    await front.say('XFORWARD ADDR=192.0.2.1', 'MAIL FROM:<>', 'RCPT TO:<u@x.example>')
    assert.match((await front.say('RSET'))[0] ?? '', /^250 /)
  }
})

test('a recipient that is named over and over is kept once, and becomes errors', async (t) => {
  const { from, recorded } = await balancedSite(t, { perMinute: { errors: 1 } })
  const client = from('192.0.2.1')
  await client.hear(1)
  await client.say('EHLO h.example', 'MAIL FROM:<>')
  const cases = ['a', 'A'].map((name) => `RCPT TO:<${name}@trap.example>`)
  await client.say(...Array(40).fill(cases).flat(), 'DATA')
  await client.finish(`${bounce}.\r\n`)
  assert.deepEqual(
    recorded.map(({ recipient }) => recipient),
    ['a@trap.example'],
  )
  await client.say('MAIL FROM:<>')
  client.send(`${cases.join('\r\n')}\r\n`.repeat(60))
  await client.ended
  assert.match(client.said, /421 4\.7\.0 [^\n]*Too many errors/)
})
