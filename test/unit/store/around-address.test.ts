// What a look-up reads around an address, and what is answered from the prefixes remembered, against the rows themselves.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Address, contains, networkOf, type Prefix } from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import { address, evidence, prefix, temporaryDirectory } from '../../support/door.ts'
import fc from '../../support/properties.ts'

const bases = [address('20.0.0.0'), address('2a00::')]
const somewhere = fc
  .record({ base: fc.constantFrom(...bases), last: fc.nat(7) })
  .map(({ base, last }): Address => {
    return base.family === 4 ? { ...base, w0: base.w0 + last } : { ...base, w3: last }
  })
const around = fc
  .record({ at: somewhere, missing: fc.constantFrom(0, 0, 1, 2, 3) })
  .map(({ at, missing }) => networkOf(at, (at.family === 4 ? 32 : 128) - missing))
const change = fc.oneof(
  fc.record({ does: fc.constant('list' as const), at: around, ends: fc.boolean() }),
  fc.record({
    does: fc.constantFrom('exempt' as const, 'exclude' as const, 'take back' as const),
    at: around,
    isUndone: fc.boolean(),
  }),
)

function open(t: TestContext): Store {
  const store = openStore(join(temporaryDirectory(t), 'a.db'))
  t.after(() => store.close())
  return store
}

/** A row, unless both origins have one that holds. */
function add(store: Store, at: Prefix, ends: boolean): void {
  const taken = store.listings.currentAt(at).map(({ origin }) => origin)
  const origin = (['manual', 'trap'] as const).find((each) => !taken.includes(each))
  if (origin === undefined) return
  const id = store.listings.insert({
    ...{ prefix: at, kinds: 3, state: 'shadow', origin },
    ...{ reason: 'why', createdAt: 1, lastHitAt: 2, expiresAt: 3, heldUntil: 4 },
    ...{ hits: 5, episode: 6, termSeconds: 7, shadow: null, basis: null },
  })
  if (ends) store.listings.end({ id, prefix: at }, 'removed', 9, 0)
}

test('random rows: what is looked up is that of every prefix around, exceptions the longest', (t) => {
  const runs = fc.property(fc.array(change, { maxLength: 30 }), somewhere, (changes, asked) => {
    const store = open(t)
    for (const each of changes) {
      if (each.does === 'list') {
        add(store, each.at, each.ends)
        continue
      }
      const table = each.does === 'exclude' ? store.exclusions : store.exemptions
      const [row] = table.at(each.at)
      store.begin()
      if (each.does === 'take back') {
        if (row) table.delete(row)
      } else if (!row) table.insert({ prefix: each.at, source: 'manual', note: null, createdAt: 1 })
      if (each.isUndone) store.rollback()
      else store.commit()
    }
    const naive = [...store.listingWalks.page({}, 1000)]
      .flat()
      .filter((row) => contains(row.prefix, asked))
      .sort((a, b) => b.prefix.length - a.prefix.length || a.id - b.id)
    assert.deepEqual(store.listings.around(asked), naive)
    for (const table of [store.exemptions, store.exclusions]) {
      const longest = table
        .bySource('manual')
        .filter((row) => contains(row.prefix, asked))
        .sort((a, b) => b.prefix.length - a.prefix.length)[0]
      assert.deepEqual(table.covering(asked), longest)
    }
  })
  fc.assert(runs, { numRuns: 40 })
})

test('evidence is seen from inside its network alone', (t) => {
  const store = open(t)
  const verdict = { decision: 'counted', why: 'one of two' } as const
  store.evidence.insert(evidence({ client: '20.0.0.1' }), 1, verdict)
  store.evidence.insert(evidence({ client: '2a00:0:0:5::1' }), 1, verdict)
  const seen = (network: string): boolean => store.evidence.newest(prefix(network), 1).length > 0
  assert.ok(seen('20.0.0.1'))
  assert.ok(!seen('20.0.0.2'))
  assert.ok(seen('2a00:0:0:5::/64'))
  assert.ok(!seen('2a00:0:0:4::/64'))
  assert.ok(seen('2a00::/48'))
  assert.ok(!seen('2a01::/48'))
})
