// Random changes through the door, after each of which DNS, look-ups, exports and a naive list must agree on everything;
// then a restart, which must change nothing, and the journal, which must lead to what the tree has. More of it:
// ORACLE_RUNS=10000 ORACLE_SEED=1.
import { test } from 'node:test'
import { address, openDoor, prefix, start } from '../../support/door.ts'
import fc from '../../support/properties.ts'
import { agree, agreeMeanwhile, journalLeads } from './agreement.ts'
import { NaiveList } from './naive-list.ts'
import {
  allPrefixes,
  anyChange,
  anyOfOneHost,
  apply,
  probes,
  randomPolicy,
  type World,
} from './random-changes.ts'

const lists = ['a', 'b', 'c-1.x']
const everything = { prefixes: allPrefixes, probes, lookups: probes, lists }
const { ORACLE_RUNS: runs = '12', ORACLE_SEED: seed } = process.env

test('DNS, look-ups and exports agree with a naive list under random changes', async (t) => {
  const anyHold = fc.constantFrom(0, 7200)
  const property = async (holdForSeconds: number, changes: Parameters<typeof apply>[1][]) => {
    const cleanups: (() => void)[] = []
    const policy = randomPolicy(holdForSeconds)
    const door = openDoor(
      { after: (cleanup) => cleanups.unshift(cleanup as () => void) },
      { policy, capacityBytes: 1 << 20 },
    )
    try {
      door.now = start
      const naive = new NaiveList(policy, start)
      naive.configure(policy)
      const world: World = { door, naive, policy, files: new Map() }
      let looks = 0
      const some = () => {
        looks += 1
        return {
          ...everything,
          lookups: probes.filter((_, index) => index % 5 === looks % 5),
          lists: looks % 7 === 0 ? lists : [],
        }
      }
      for (const each of changes) {
        await apply(world, each, () => agreeMeanwhile(door, naive, some()))
        agree(door, naive, some())
      }
      await door.blocklist.expire()
      naive.expire()
      agree(door, naive, everything)
      door.reopen({ policy: world.policy })
      agree(door, naive, everything)
      journalLeads(door)
    } finally {
      for (const cleanup of cleanups) cleanup()
    }
  }
  await fc.assert(
    fc.asyncProperty(
      anyHold,
      fc.array(anyChange, { minLength: 1, maxLength: 40, size: 'max' }),
      property,
    ),
    { numRuns: Number(runs), ...(seed !== undefined && { seed: Number(seed) }) },
  )
  t.diagnostic(`${runs} runs of up to 40 changes`)
})

test('one host that sends again and again is listed as the naive list says', async (t) => {
  const host = address('20.0.0.0')
  const places = {
    ...{ prefixes: [prefix('20.0.0.0/32')], probes: [host], lookups: [host] },
    lists: [],
  }
  const property = async (changes: Parameters<typeof apply>[1][]) => {
    const cleanups: (() => void)[] = []
    const policy = { ...randomPolicy(0), firstListingSeconds: 3600 }
    const door = openDoor(
      { after: (cleanup) => cleanups.unshift(cleanup as () => void) },
      { policy, capacityBytes: 1 << 16 },
    )
    try {
      const naive = new NaiveList(policy, start)
      naive.configure(policy)
      const world: World = { door, naive, policy, files: new Map() }
      for (const each of changes) {
        await apply(world, each, () => {})
        agree(door, naive, places)
      }
    } finally {
      for (const cleanup of cleanups) cleanup()
    }
  }
  const hostRuns = 4 * Number(runs)
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyOfOneHost, { minLength: 20, maxLength: 60, size: 'max' }),
      property,
    ),
    { numRuns: hostRuns, ...(seed !== undefined && { seed: Number(seed) }) },
  )
  t.diagnostic(`${hostRuns} runs of up to 60 changes`)
})
