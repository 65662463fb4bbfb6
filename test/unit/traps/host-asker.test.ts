// Asking about hosts: shared, limited, and not longer than a message may wait. The resolver is one that the test answers.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { HostFacts, HostList, HostQuestions } from '../../../src/classify/evidence.ts'
import { formatAddress } from '../../../src/ip/address.ts'
import type { Resolved } from '../../../src/resolver/resolver.ts'
import { HostAsker, type HostAskerOptions } from '../../../src/traps/host-asker.ts'
import { address, evidence, silentLog } from '../../support/door.ts'

interface Site {
  readonly asker: HostAsker
  /** The names that wait for an answer. */
  readonly waiting: Map<string, (records: Resolved) => void>
  readonly learnt: [host: string, facts: HostFacts][]
  due: HostQuestions[]
}

function site(t: TestContext, options: Partial<HostAskerOptions> = {}): Site {
  const waiting: Site['waiting'] = new Map()
  const learnt: Site['learnt'] = []
  const questions = (host: string): HostQuestions => ({
    ...{ host: address(host), pools: false, whitelists: ['wl.example'] },
  })
  const list: HostList = {
    questionsBefore: ([first]) =>
      first?.client ? questions(formatAddress(first.client)) : undefined,
    questionsDue: (limit) => made.due.splice(0, limit),
    learnHost: async ({ host }, facts) => {
      learnt.push([formatAddress(host), facts])
    },
  }
  const resolver = {
    resolve: (name: string) => new Promise<Resolved>((resolve) => waiting.set(name, resolve)),
  }
  const asker = new HostAsker({ list, resolver, log: silentLog, deadlineMs: 1e6, ...options })
  t.after(() => {
    asker.close()
    for (const answer of waiting.values()) answer([])
  })
  const made: Site = { asker, waiting, learnt, due: [] }
  return made
}

const member = { name: null, pool: null, whitelist: 'wl.example' }

function before({ asker }: Site, client: string): { isOver: boolean; over: Promise<void> } {
  const asking = { isOver: false, over: asker.askBefore([evidence({ client })]) }
  asking.over = asking.over.then(() => {
    asking.isOver = true
  })
  return asking
}

test('a message waits until the answers are learnt', async (t) => {
  const at = site(t)
  const asking = before(at, '20.0.0.1')
  await setImmediate()
  assert.equal(asking.isOver, false)
  at.waiting.get('1.0.0.20.wl.example')?.(['127.0.0.2'])
  await asking.over
  assert.deepEqual(at.learnt, [['20.0.0.1', member]])
})

test('messages of one host share its questions', async (t) => {
  const at = site(t)
  const askings = [before(at, '20.0.0.1'), before(at, '20.0.0.1')]
  at.waiting.get('1.0.0.20.wl.example')?.(['127.0.0.2'])
  await Promise.all(askings.map(({ over }) => over))
  assert.equal(at.learnt.length, 1)
})

test('no message waits longer than the deadline, and a later answer is learnt all the same', async (t) => {
  const at = site(t, { deadlineMs: 1 })
  await before(at, '20.0.0.1').over
  assert.deepEqual(at.learnt, [])
  at.waiting.get('1.0.0.20.wl.example')?.(['127.0.0.2'])
  await setImmediate()
  assert.deepEqual(at.learnt, [['20.0.0.1', member]])
})

test('beyond the limit nothing is asked and nobody waits, and later there is room again', async (t) => {
  const at = site(t, { maxHosts: 2 })
  const first = before(at, '20.0.0.1')
  before(at, '20.0.0.2')
  await before(at, '20.0.0.3').over
  assert.deepEqual([...at.waiting.keys()], ['1.0.0.20.wl.example', '2.0.0.20.wl.example'])
  at.waiting.get('1.0.0.20.wl.example')?.([])
  await first.over
  before(at, '20.0.0.3')
  assert.ok(at.waiting.has('3.0.0.20.wl.example'))
})

test('hosts that are due are asked about in the background, twenty at once, and each answer leads on', async (t) => {
  const at = site(t)
  at.due = Array.from({ length: 50 }, (_, index) => ({
    ...{ host: address(`20.0.1.${index}`), pools: false, whitelists: ['wl.example'] },
  }))
  at.asker.askDue()
  at.asker.askDue()
  assert.equal(at.waiting.size, 20)
  for (const answer of at.waiting.values()) answer([])
  await setImmediate()
  assert.equal(at.learnt.length, 20)
  assert.equal(at.waiting.size, 40)
})

test('hosts without an answer do not lead on: they would be asked about without a pause', async (t) => {
  const at = site(t)
  at.due = Array.from({ length: 50 }, (_, index) => ({
    ...{ host: address(`20.0.1.${index}`), pools: false, whitelists: ['wl.example'] },
  }))
  at.asker.askDue()
  for (const answer of at.waiting.values()) answer(['127.255.255.254'])
  await setImmediate()
  assert.deepEqual([at.learnt.length, at.waiting.size], [0, 20])
})

test('after the close nothing is asked and nothing is learnt', async (t) => {
  const at = site(t)
  const asking = before(at, '20.0.0.1')
  at.asker.close()
  at.waiting.get('1.0.0.20.wl.example')?.(['127.0.0.2'])
  await asking.over
  await before(at, '20.0.0.2').over
  assert.deepEqual(at.learnt, [])
  assert.equal(at.waiting.size, 1)
})

test('a host without an answer is asked about again ever more seldom, and one with an answer is not put off', async (t) => {
  let now = 1000
  const at = site(t, { nowMs: () => now })
  const isAsked = async (): Promise<boolean> => {
    const { over } = before(at, '20.0.0.9')
    await setImmediate()
    const answer = at.waiting.get('9.0.0.20.wl.example')
    at.waiting.delete('9.0.0.20.wl.example')
    // A value by which a list refuses to answer.
    answer?.(['127.255.255.254'])
    await over
    return answer !== undefined
  }
  assert.equal(await isAsked(), true)
  for (const seconds of [10, 20, 40, 80]) {
    now += seconds * 1000 - 1
    assert.equal(await isAsked(), false, `${seconds}`)
    now += 1
    assert.equal(await isAsked(), true, `${seconds}`)
  }
  now += 160_000
  const { over } = before(at, '20.0.0.9')
  await setImmediate()
  at.waiting.get('9.0.0.20.wl.example')?.(['127.0.0.2'])
  await over
  assert.deepEqual(at.learnt, [['20.0.0.9', member]])
  at.waiting.clear()
  const again = before(at, '20.0.0.9')
  await setImmediate()
  assert.equal(at.waiting.size, 1)
  at.waiting.get('9.0.0.20.wl.example')?.([])
  await again.over
})
