// Listings that DNS whitelists and verified names of large providers keep from showing: from a bounce to the answer of our
// server, with a real resolver over a real authoritative server.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { call } from '../support/kill-load.ts'
import { startResolverLab } from '../support/resolver-lab.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
const { skip } = needs('unbound', 'unbound')
const patienceMs = 120_000
const lab = { skip: skip || needs('nsd', 'nsd').skip }

const records = [
  '10.100.51.198.wl.lab. A 127.0.4.2',
  '20.100.51.198.in-addr.arpa. PTR mail-a1.google.com.',
  'mail-a1.google.com. A 198.51.100.20',
  '30.100.51.198.in-addr.arpa. PTR mail-b2.google.com.',
  'mail-b2.google.com. A 198.51.100.31',
  '40.100.51.198.in-addr.arpa. PTR mx.host.lab.',
  'mx.host.lab. A 198.51.100.40',
  '50.100.51.198.wl.lab. A 127.0.0.255',
  `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa. PTR mail-c3.google.com.`,
  'mail-c3.google.com. AAAA 2001:db8::1',
]

function siteWith(t: TestContext, resolver: string, policy = 'whitelists = ["wl.lab"]'): Site {
  const site = new Site(t)
  const configuration = site.configuration(`[resolver]\nservers = ["${resolver}"]\n`)
  writeFileSync(site.configFile, configuration.replace('[policy]', `[policy]\n${policy}`))
  return site
}

async function deliver(server: Server, client: string): Promise<void> {
  const to = ['orders@trap.example.org']
  assert.match(
    await submit({ server: server.smtp, from: '', to, client, message: bounce }),
    /^250 /,
  )
}

interface Shown {
  readonly state: string | null
  readonly shadow: string | null
  readonly name: string | null
  readonly codes: readonly string[]
}

/** What `show` says of the address, and what DNS answers. */
async function shown(site: Site, server: Server, address: string): Promise<Shown> {
  const { stdout, stderr } = await site.run('show', address, '--json')
  assert.equal(stderr, '')
  const { state, verifiedName, listings } = JSON.parse(stdout)
  const { a, rcode } = await ask(server.dns, reversed(address, origin))
  assert.equal(rcode, a.length > 0 ? 0 : 3)
  return { state, shadow: listings[0]?.shadow ?? null, name: verifiedName, codes: a.toSorted() }
}

/** As `shown`, once the resolver has said what the host is. If it is slow, the listing is held until it is asked again. */
async function decided(site: Site, server: Server, address: string): Promise<Shown> {
  return await until(
    () => shown(site, server, address),
    ({ state }) => state !== 'held',
    patienceMs,
  )
}

const listed = { state: 'listed', shadow: null, codes: ['127.0.0.2', '127.0.0.3'] }
const hidden = { state: 'shadow', codes: [] }

test(
  'members of a whitelist and of a pool are counted and never answered; a false name helps nobody',
  lab,
  async (t) => {
    const resolver = await startResolverLab(t, records)
    const site = siteWith(t, resolver.address)
    const server = await site.start()
    const expected: [string, Shown][] = [
      ['198.51.100.10', { ...hidden, shadow: 'whitelist wl.lab', name: null }],
      ['198.51.100.20', { ...hidden, shadow: 'pool Google', name: 'mail-a1.google.com' }],
      ['2001:db8::1', { ...hidden, shadow: 'pool Google', name: 'mail-c3.google.com' }],
      ['198.51.100.30', { ...listed, name: null }],
      ['198.51.100.40', { ...listed, name: 'mx.host.lab' }],
      ['198.51.100.60', { ...listed, name: null }],
      ['198.51.100.50', { state: 'held', shadow: null, name: null, codes: [] }],
    ]
    for (const [address, expectation] of expected) {
      await deliver(server, address)
      const find = expectation.state === 'held' ? shown : decided
      assert.deepEqual(await find(site, server, address), expectation, address)
    }
    const { stdout } = await site.run('show', '198.51.100.20')
    assert.match(stdout, /^198\.51\.100\.20 is not listed: its listing is only counted, since/)
    assert.match(stdout, /a shared outbound server of Google \(policy\.pools\)/)
    assert.match(stdout, /Its verified name in DNS: mail-a1\.google\.com\./)
  },
)

test(
  'who becomes a member leaves DNS at the next SIGHUP, and who is none any more is back',
  lab,
  async (t) => {
    const resolver = await startResolverLab(t, records)
    const site = siteWith(t, resolver.address)
    const server = await site.start()
    const [joins, leaves] = ['198.51.100.40', '198.51.100.10']
    for (const address of [joins, leaves]) await deliver(server, address)
    assert.equal((await decided(site, server, joins)).state, 'listed')
    assert.equal((await decided(site, server, leaves)).state, 'shadow')
    const published = async (): Promise<number> => {
      const { text } = await call(site, 'GET', '/v1/audit?actor=dns&action=publish')
      return JSON.parse(text).items.length
    }
    const before = await published()
    await resolver.publish(['40.100.51.198.wl.lab. A 127.0.0.2'])
    process.kill(server.pid, 'SIGHUP')
    const codes = async (address: string) => (await ask(server.dns, reversed(address, origin))).a
    await until(
      () => codes(joins),
      (a) => a.length === 0,
      patienceMs,
    )
    await until(
      () => codes(leaves),
      (a) => a.length > 0,
      patienceMs,
    )
    const { state, shadow } = await shown(site, server, joins)
    assert.deepEqual([state, shadow], ['shadow', 'whitelist wl.lab'])
    assert.equal((await shown(site, server, leaves)).state, 'listed')
    assert.equal((await published()) - before, 2)
  },
)

test(
  'while the resolver is silent a new listing is held; as soon as it speaks, the listing shows',
  lab,
  async (t) => {
    const resolver = await startResolverLab(t, records)
    const mute = await Mute.start(resolver.address)
    const site = siteWith(t, mute.address)
    const server = await site.start()
    await deliver(server, '198.51.100.20')
    await deliver(server, '198.51.100.40')
    for (const address of ['198.51.100.20', '198.51.100.40']) {
      const { state, codes } = await shown(site, server, address)
      assert.deepEqual([state, codes], ['held', []], address)
    }
    mute.speaks = true
    const pool = await decided(site, server, '198.51.100.20')
    assert.deepEqual([pool.state, pool.shadow], ['shadow', 'pool Google'])
    const own = await decided(site, server, '198.51.100.40')
    assert.deepEqual([own.state, own.codes], ['listed', listed.codes])
  },
)

/** Stands before a resolver, and passes nothing on until it `speaks`. UDP only. It keeps no test alive. */
class Mute {
  speaks = false
  readonly #front: Socket

  static async start(resolver: string): Promise<Mute> {
    const front = createSocket('udp4').unref().bind(0, '127.0.0.1')
    await once(front, 'listening')
    return new Mute(front, Number(resolver.split(':')[1]))
  }

  private constructor(front: Socket, port: number) {
    this.#front = front
    front.on('message', (query, from) => {
      if (!this.speaks) return
      const back = createSocket('udp4').unref()
      back.once('message', (response) => {
        back.close()
        front.send(response, from.port, from.address)
      })
      back.send(query, port, '127.0.0.1')
    })
  }

  get address(): string {
    return `127.0.0.1:${this.#front.address().port}`
  }
}
