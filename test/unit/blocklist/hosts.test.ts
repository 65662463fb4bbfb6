// What DNS says of hosts, and what it does to their listings: members are only counted, and a new listing waits for the answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostFacts, HostQuestions } from '../../../src/classify/evidence.ts'
import { formatAddress } from '../../../src/ip/address.ts'
import {
  address,
  type Door,
  type DoorOptions,
  day,
  evidence,
  openDoor,
  start,
  testPolicy,
} from '../../support/door.ts'
import fc from '../../support/properties.ts'

const policy = testPolicy({ whitelists: ['wl.example', 'other.example'] })
const nobody: HostFacts = { name: null, pool: null, whitelist: null }
const pooled: HostFacts = { name: 'out1.pool.example', pool: 'Pool', whitelist: null }
const whitelisted: HostFacts = { ...nobody, whitelist: 'wl.example' }

type Ends = Parameters<typeof openDoor>[0]

function open(t: Ends, options: Partial<DoorOptions> = {}): Door {
  return openDoor(t, { policy, asksHosts: true, ...options })
}

/** Two messages, which list their client. */
function hit(door: Door, client = '20.0.0.1') {
  return door.blocklist.record([1, 2].map(() => evidence({ client, seenAt: door.now })))
}

function learn(door: Door, host: string, facts: HostFacts, asked: Partial<HostQuestions> = {}) {
  const { pools, whitelists } = policy
  return door.blocklist.learnHost({ host: address(host), pools, whitelists, ...asked }, facts)
}

function listing(door: Door, at = '20.0.0.1') {
  const { listings } = door.blocklist.explain(address(at))
  const { state, shadow } = listings[0] ?? {}
  return [state, shadow]
}

function due(door: Door, limit = 100): string[] {
  return door.blocklist.questionsDue(limit).map(({ host }) => formatAddress(host))
}

function audited(door: Door): string[] {
  return door.store.audit.page(100).map(({ actor, action }) => `${actor} ${action}`)
}

test('a member that is known is only counted from the start, and says why', async (t) => {
  const door = open(t)
  await learn(door, '20.0.0.1', whitelisted)
  await learn(door, '20.0.0.2', pooled)
  await learn(door, '20.0.0.3', nobody)
  for (const client of ['20.0.0.1', '20.0.0.2', '20.0.0.3']) await hit(door, client)
  assert.deepEqual(listing(door, '20.0.0.1'), ['shadow', 'whitelist wl.example'])
  assert.deepEqual(listing(door, '20.0.0.2'), ['shadow', 'pool Pool'])
  assert.deepEqual(listing(door, '20.0.0.3'), ['listed', null])
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.deepEqual(door.codes('20.0.0.3'), [2, 3])
  assert.equal(door.blocklist.explain(address('20.0.0.2')).verifiedName, 'out1.pool.example')
  await hit(door)
  assert.equal(door.blocklist.explain(address('20.0.0.1')).listings[0]?.hits, 4, 'it counts on')
})

test('a new listing is held until the answer is learnt', async (t) => {
  const door = open(t)
  await hit(door, '20.0.0.1')
  await hit(door, '20.0.0.2')
  assert.deepEqual(listing(door), ['held', null])
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(door.blocklist.find(address('20.0.0.1')).listed, false)
  await learn(door, '20.0.0.1', nobody)
  await learn(door, '20.0.0.2', pooled)
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
  assert.deepEqual(listing(door, '20.0.0.2'), ['shadow', 'pool Pool'])
  assert.equal(audited(door).filter((each) => each === 'dns publish').length, 2)
})

test('it is held for 60 seconds at most, since unknown protects nobody', async (t) => {
  const door = open(t)
  await hit(door)
  door.now = start + 59
  await door.blocklist.expire()
  assert.deepEqual(listing(door), ['held', null])
  door.now = start + 60
  await door.blocklist.expire()
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
  await learn(door, '20.0.0.1', pooled)
  assert.deepEqual(door.codes('20.0.0.1'), [], 'a late answer still counts')
})

test('held listings take turns while there are no answers', async (t) => {
  const door = open(t)
  for (const host of ['20.0.0.1', '20.0.0.2', '20.0.0.3']) await hit(door, host)
  const asked = [...due(door, 2), ...due(door, 1)]
  assert.deepEqual(asked.toSorted(), ['20.0.0.1', '20.0.0.2', '20.0.0.3'])
})

test('nothing waits if nobody asks DNS, or if nothing is to be asked', async (t) => {
  const silent = open(t, { asksHosts: false })
  const uninterested = open(t, { policy: testPolicy({ pools: false }) })
  for (const door of [silent, uninterested]) {
    assert.equal(door.blocklist.questionsBefore([evidence(), evidence()]), undefined)
    await hit(door)
    assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
    assert.deepEqual(due(door), [])
  }
})

test('a listing that holdFor holds is asked about shortly before it shows, and shows at its time', async (t) => {
  const door = open(t, { policy: { ...policy, holdForSeconds: 600 } })
  await hit(door)
  assert.deepEqual(due(door), [])
  door.now = start + 600 - 61
  assert.deepEqual(due(door), [])
  door.now = start + 600 - 60
  assert.deepEqual(due(door), ['20.0.0.1'])
  await learn(door, '20.0.0.1', nobody)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  door.now = start + 600
  await door.blocklist.expire()
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
})

test('before a message is recorded, only the one that lists its host leads to a question', async (t) => {
  const door = open(t)
  const first = evidence()
  const second = evidence({ returned: 'another' })
  assert.equal(door.blocklist.questionsBefore([first]), undefined)
  await door.blocklist.record([first])
  const asked = door.blocklist.questionsBefore([second])
  assert.deepEqual(asked, {
    ...{ host: address('20.0.0.1'), pools: true, whitelists: ['wl.example', 'other.example'] },
  })
  assert.equal(door.blocklist.explain(address('20.0.0.1')).evidence.length, 1, 'not recorded')
  assert.equal(door.blocklist.questionsBefore([evidence({ kind: null })]), undefined)
  assert.equal(door.blocklist.questionsBefore([{ ...second, genuine: 'ours' }]), undefined)
  assert.equal(door.blocklist.questionsBefore([{ ...second, client: null }]), undefined)
  await learn(door, '20.0.0.1', nobody)
  assert.equal(door.blocklist.questionsBefore([second]), undefined, 'it is known for a day')
  await door.blocklist.record([second])
  door.now = start + 2 * day
  assert.equal(door.blocklist.questionsBefore([evidence()]), undefined, 'it is listed already')
})

test('kinds that are not published lead to no question', async (t) => {
  const door = open(t, { policy: { ...policy, publish: ['callout'] } })
  await door.blocklist.record([evidence()])
  assert.equal(door.blocklist.questionsBefore([evidence()]), undefined)
  await door.blocklist.record([evidence()])
  assert.deepEqual(listing(door), ['shadow', 'kind'])
  assert.deepEqual(due(door), [])
})

test('once a day DNS is asked again about the hosts of listings, in turn', async (t) => {
  const door = open(t)
  const hosts = Array.from({ length: 5 }, (_, index) => `20.0.0.${index + 1}`)
  for (const host of hosts) {
    await hit(door, host)
    await learn(door, host, host === '20.0.0.2' ? pooled : nobody)
  }
  assert.deepEqual(due(door), [])
  door.now = start + day
  assert.deepEqual(due(door, 2), hosts.slice(0, 2))
  assert.deepEqual(due(door, 2), hosts.slice(2, 4))
  assert.deepEqual(due(door, 2), hosts.slice(4))
  assert.deepEqual(due(door, 2), hosts.slice(0, 2), 'round and round while there are no answers')
  for (const host of hosts) await learn(door, host, host === '20.0.0.1' ? pooled : nobody)
  assert.deepEqual(due(door), [])
  assert.deepEqual(listing(door, '20.0.0.1'), ['shadow', 'pool Pool'])
  assert.deepEqual(listing(door, '20.0.0.2'), ['listed', null])
})

test('a new configuration asks again about what is listed, and counts memberships by its own policy', async (t) => {
  const door = open(t)
  for (const [host, facts] of [
    ['20.0.0.1', whitelisted],
    ['20.0.0.2', pooled],
    ['20.0.0.3', nobody],
  ] as const) {
    await learn(door, host, facts)
    await hit(door, host)
  }
  door.now = start + 10
  await door.blocklist.reconfigure(testPolicy({ whitelists: ['other.example'], pools: false }))
  assert.deepEqual(due(door).toSorted(), ['20.0.0.1', '20.0.0.2', '20.0.0.3'])
  assert.deepEqual(listing(door, '20.0.0.1'), ['held', null], 'it may be in the other whitelist')
  await door.blocklist.reconfigure(policy)
  assert.deepEqual(listing(door, '20.0.0.1'), ['shadow', 'whitelist wl.example'])
  assert.deepEqual(listing(door, '20.0.0.2'), ['shadow', 'pool Pool'])
  assert.deepEqual(listing(door, '20.0.0.3'), ['listed', null])
  assert.equal(audited(door).filter((each) => each === 'config publish').length, 4)
  await learn(door, '20.0.0.3', pooled)
  assert.deepEqual(due(door), ['20.0.0.1', '20.0.0.2'])
})

test('the answers outlive a restart, and go with old evidence', async (t) => {
  const door = open(t)
  await learn(door, '20.0.0.1', pooled)
  door.reopen()
  await hit(door)
  assert.deepEqual(listing(door), ['shadow', 'pool Pool'])
  door.now = start + policy.evidenceKeepSeconds
  await door.blocklist.purgeEvidence()
  assert.ok(door.store.hosts.get(address('20.0.0.1')))
  door.now += 1
  await door.blocklist.purgeEvidence()
  assert.equal(door.store.hosts.get(address('20.0.0.1')), undefined)
})

test('of an IPv6 network DNS is asked about one host, the one that listed it', async (t) => {
  const door = open(t)
  const message = (client: string) => evidence({ client, seenAt: door.now })
  await door.blocklist.record([message('2a00::1')])
  const last = message('2a00::2')
  const asked = door.blocklist.questionsBefore([last])
  assert.equal(asked && formatAddress(asked.host), '2a00::2')
  await door.blocklist.record([last])
  assert.deepEqual(listing(door, '2a00::1'), ['held', null])
  door.now += 1
  await door.blocklist.record([message('2a00::3')])
  assert.deepEqual(due(door), ['2a00::2'], 'neither who came before nor who comes later')
  await learn(door, '2a00::2', nobody)
  assert.deepEqual(door.codes('2a00::1'), [2, 3])
  assert.deepEqual(due(door), [])
})

test('one known member makes its whole IPv6 network shadow', async (t) => {
  const door = open(t)
  await learn(door, '2a00::1', pooled)
  await learn(door, '2a00::ffff:ffff:ffff:ffff', nobody)
  await hit(door, '2a00::2')
  await hit(door, '2a00:0:0:1::2')
  assert.deepEqual(listing(door, '2a00::9'), ['shadow', 'pool Pool'])
  assert.deepEqual(listing(door, '2a00:0:0:1::2'), ['held', null], 'the next network')
})

test('a listing by hand of the same address shows whatever DNS says', async (t) => {
  const door = open(t)
  await learn(door, '20.0.0.1', pooled)
  await hit(door)
  const { w0, w1, w2, w3 } = address('20.0.0.1')
  const prefix = { family: 4, w0, w1, w2, w3, length: 32 } as const
  await door.blocklist.list([{ prefix, kinds: ['dsn'] }], { name: 'cli' })
  await learn(door, '20.0.0.1', nobody)
  await learn(door, '20.0.0.1', pooled)
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
})

test('whatever happens, no known member is answered and nothing is held for longer than 60 seconds', async () => {
  const hosts = ['20.0.0.1', '20.0.0.2', '2a00::1', '2a00::2']
  const host = fc.constantFrom(...hosts)
  const step = fc.oneof(
    fc.record({ hit: host }),
    fc.record({ learn: host, facts: fc.constantFrom(nobody, pooled, whitelisted) }),
    fc.record({ pass: fc.constantFrom(1, 30, 60, 3600, day) }),
    fc.record({ pools: fc.boolean(), whitelists: fc.subarray(['wl.example', 'other.example']) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const ends: (() => void)[] = []
      const door = open({ after: (end) => void ends.push(end as () => void) })
      let present = policy
      const known = new Map<string, HostFacts>()
      try {
        for (const each of steps) {
          if ('hit' in each) await hit(door, each.hit)
          else if ('learn' in each) {
            known.set(each.learn, each.facts)
            await learn(door, each.learn, each.facts, present)
          } else if ('pass' in each) {
            door.now += each.pass
            await door.blocklist.expire()
          } else {
            present = { ...policy, ...each }
            await door.blocklist.reconfigure(present)
          }
          for (const [member, { pool, whitelist }] of known) {
            const counts =
              (pool !== null && present.pools) ||
              (whitelist !== null && present.whitelists.includes(whitelist))
            if (counts) assert.deepEqual(door.codes(member), [], member)
          }
          for (const at of hosts) {
            for (const { id } of door.blocklist.explain(address(at)).listings) {
              const row = door.store.listings.byId(Number(id))
              const until = row?.state === 'held' ? row.heldUntil : door.now
              assert.ok(until !== null && until !== undefined && until <= door.now + 60)
            }
          }
        }
      } finally {
        for (const end of ends.toReversed()) end()
      }
    }),
    { numRuns: 40 },
  )
})
