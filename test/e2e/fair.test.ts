// The rules of a fair list, through DNS and over SMTP: thresholds, certain and likely messages, terms that double and decay,
// networks of IPv6, listings that are held back, and purges. Removals, whitelists and pools have tests of their own.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { call } from '../support/kill-load.ts'
import { readSample } from '../support/samples.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

const certain = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
const likely = readSample('dsn/bounce-of-mail-on-a-parcel.eml').toString('latin1')
const sender = '198.51.100.10'
const both = ['127.0.0.2', '127.0.0.3']

interface World {
  readonly site: Site
  readonly server: Server
}

/** A server with these lines in [policy]. */
async function open(t: TestContext, policy: string, more = ''): Promise<World> {
  const site = new Site(t)
  const text = site
    .configuration(`[admin]\nlisten = "127.0.0.1:0"\n${more}`)
    .replace('threshold.dsn = { messages = 1 }\n', `${policy}\n`)
  writeFileSync(site.configFile, text)
  return { site, server: await site.start() }
}

let messages = 0
/** Another message each time, which returns another message. */
async function deliver(
  { server }: World,
  text = certain,
  client = sender,
  to = 'orders@trap.example.org',
): Promise<void> {
  const nth = ++messages
  const message = text
    .replaceAll(/[\w-]+@trap\.example(\.org)?/g, to)
    .replaceAll('1795523030072.42@', `${nth}@`)
    .replace('26492AF89A8', `${nth}`)
    .replace('From: ', `X-Nth: ${nth}\r\nFrom: `)
  assert.match(await submit({ server: server.smtp, from: '', to: [to], client, message }), /^250 /)
}

async function answers({ server }: World, expected: string[], host = sender) {
  const { a } = await until(
    () => ask(server.dns, reversed(host, origin)),
    (answer) => `${answer.a.sort()}` === `${expected}`,
    60_000,
  )
  assert.deepEqual(a.sort(), expected)
}

interface ShownListing {
  readonly state: string
  readonly expiresAt: string
  readonly lastHitAt: string
  readonly hits: number
}

interface Shown {
  readonly state: string | null
  readonly listings: readonly ShownListing[]
  readonly history: readonly ShownListing[]
}

async function show({ site }: World, host = sender): Promise<Shown> {
  // Not by a command: its process takes a good part of a listing's term to begin.
  return JSON.parse((await call(site, 'GET', `/v1/lookup/${host}`)).text)
}

async function assertTerm(world: World, seconds: number, why = 'the term'): Promise<void> {
  const found = await until(
    () => term(world),
    (each) => each === seconds,
    60_000,
  )
  assert.equal(found, seconds, why)
}

/** The term of the newest listing in seconds, which may be over already. */
async function term(world: World): Promise<number> {
  const { listings, history } = await show(world)
  const [listing] = [...listings, ...history].toSorted(
    (a, b) => Date.parse(b.lastHitAt) - Date.parse(a.lastHitAt),
  )
  return listing ? (Date.parse(listing.expiresAt) - Date.parse(listing.lastHitAt)) / 1000 : 0
}

test('two certain bounces list; one does not, nor do any number of likely ones', async (t) => {
  const world = await open(t, '')
  for (let nth = 0; nth < 5; nth++) await deliver(world, likely)
  assert.equal((await show(world)).state, null)
  await answers(world, [])
  await deliver(world, certain, '198.51.100.11')
  await answers(world, [], '198.51.100.11')
  await deliver(world, certain, '198.51.100.11')
  await answers(world, both, '198.51.100.11')
  // With the likely ones one certain bounce is enough.
  await deliver(world)
  await answers(world, both)
  assert.equal((await show(world)).listings[0]?.hits, 6)
})

test('the term doubles with each listing, and quiet takes steps back', async (t) => {
  const terms = 'threshold.dsn = { messages = 1 }\nfirstListing = "6s"\n'
  const world = await open(t, `${terms}longestListing = "1h"`)
  const { site } = world
  // The first message waits for the thread that reads it, perhaps for longer than a term.
  await deliver(world, certain, '198.51.100.12')
  await deliver(world)
  await assertTerm(world, 6)
  await answers(world, [])
  await deliver(world)
  await assertTerm(world, 12)
  await answers(world, [])
  // From now on a quiet of 12 s takes a step back. Before, it would have been an hour, which no slow machine takes.
  const configuration = readFileSync(site.configFile, 'utf8')
  writeFileSync(site.configFile, configuration.replace('"1h"', '"12s"'))
  assert.equal((await site.run('reload')).code, 0)
  // Twice as long, and a little more.
  await setTimeout(24_500)
  await deliver(world)
  await assertTerm(world, 6, 'the third episode, less two')
})

test('a host of IPv6 is listed with its /64', async (t) => {
  const world = await open(t, '')
  const host = (last: string) => `2001:0db8:0001:0002:0000:0000:0000:${last}`
  await deliver(world, certain, '2001:db8:1:2::1')
  await deliver(world, certain, '2001:db8:1:2::ffff')
  await answers(world, both, host('0001'))
  await answers(world, both, host('1234'))
  await answers(world, [], '2001:0db8:0001:0003:0000:0000:0000:0001')
})

test('a listing that is held back shows after a while, and ends at a whole multiple of it', async (t) => {
  const held = await open(t, 'holdFor = "1h"\nthreshold.dsn = { messages = 1 }')
  await deliver(held)
  const { state, listings } = await show(held)
  assert.deepEqual([state, listings[0]?.state], ['held', 'held'])
  assert.equal((Date.parse(listings[0]?.expiresAt ?? '') / 1000) % 3600, 0)
  await answers(held, [])
  const released = await open(t, 'holdFor = "1s"\nthreshold.dsn = { messages = 1 }')
  await deliver(released)
  await answers(released, both)
})

test('a purge takes back what a poisoned trap has listed, and the public is told', async (t) => {
  const world = await open(t, '', '[[trap]]\naddress = "lost@poisoned.example"\n')
  const poisoned = 'lost@poisoned.example'
  for (let nth = 0; nth < 2; nth++) {
    await deliver(world, certain, '198.51.100.20', poisoned)
    await deliver(world, certain, '198.51.100.21')
    await deliver(world, certain, '198.51.100.21', poisoned)
  }
  await answers(world, both, '198.51.100.20')
  await answers(world, both, '198.51.100.21')
  const made = await world.site.run('key', 'create', '--name', 'a', '--scope', 'admin', '--json')
  const purge = async (query: string) => {
    const reply = await fetch(`http://${world.server.admin}/v1/purges${query}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${JSON.parse(made.stdout).key}`,
      },
      body: JSON.stringify({ trap: poisoned }),
    })
    return { status: reply.status, body: JSON.parse(await reply.text()) }
  }
  const dry = await purge('?dryRun=true')
  assert.deepEqual([dry.status, dry.body.dryRun, dry.body.ended], [200, true, 1])
  await answers(world, both, '198.51.100.20')
  const done = await purge('')
  assert.deepEqual([done.status, done.body.messages, done.body.ended], [200, 4, 1])
  await answers(world, [], '198.51.100.20')
  await answers(world, both, '198.51.100.21')
  const notices = await (await fetch(`http://${world.server.admin}/v1/notices`)).text()
  assert.match(notices, /1 listing ended/)
  assert.doesNotMatch(notices, /lost|poisoned/)
})
