// A list that surely fits the shared tree is taken, and one that may not is refused before anything of it is written, in
// words that say so.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ImportItem } from '../../../src/blocklist/types.ts'
import type { OperationalError } from '../../../src/errors.ts'
import type { Prefix } from '../../../src/ip/address.ts'
import { cli, type Door, openDoor, request } from '../../support/door.ts'
import { seeded } from '../../support/seeded.ts'

const attributes = { kinds: 0, reason: null, expiresAt: null }

type Shape = (next: () => number, index: number) => Prefix

const unicast6 = (next: () => number): number => 0x2600_0000 + (next() >>> 8)
const shapes: Readonly<Record<string, Shape>> = {
  'IPv4 addresses': (next) => ({
    ...{ family: 4, w0: 0x1400_0000 + (next() >>> 6), w1: 0, w2: 0, w3: 0, length: 32 },
  }),
  'IPv6 networks': (next) => ({
    ...{ family: 6, w0: unicast6(next), w1: next(), w2: 0, w3: 0, length: 64 },
  }),
  'a host in each IPv6 network': (next, index) => {
    const own = seeded(index - (index % 2) + 1)
    own()
    const network = { family: 6, w0: unicast6(own), w1: own() } as const
    return index % 2 === 0
      ? { ...network, w2: 0, w3: 0, length: 64 }
      : { ...network, w2: next(), w3: next(), length: 128 }
  },
}

async function importMany(door: Door, list: string, count: number, shape: Shape, seed = 1) {
  const next = seeded(seed)
  async function* items() {
    for (let index = 0; index < count; ) {
      const batch: ImportItem[] = []
      while (batch.length < 1000 && index < count) {
        batch.push({ line: index + 1, text: '', prefix: shape(next, index), attributes })
        index += 1
      }
      yield batch
    }
  }
  return await door.blocklist.import({
    list,
    items: items(),
    isStrict: true,
    isForced: true,
    actor: cli,
  })
}

for (const [name, shape] of Object.entries(shapes)) {
  test(`${name}: what is not refused fits, in place of another list too`, async (t) => {
    const door = openDoor(t, { capacityBytes: 256 * 1024 })
    await door.blocklist.list([request('20.0.0.1')], cli)
    let taken = 0
    let refusal: OperationalError | undefined
    for (let count = 3000; refusal === undefined; count = Math.ceil(count * 1.2)) {
      const { serial } = door.blocklist.status()
      try {
        // Each time another list of the kind, in place of the last one.
        const outcome = await importMany(door, 'a', count, shape, count)
        assert.ok('added' in outcome)
        taken = count
      } catch (error) {
        refusal = error as OperationalError
        assert.equal(door.blocklist.status().serial, serial)
      }
    }
    assert.ok(taken >= 3000, `${taken} entries`)
    assert.equal(refusal.code, 'capacity-reached')
    assert.match(
      refusal.told ?? '',
      /^no room for \d+ more entries in the shared tree of 256 KiB: raise dns\.capacity$/,
    )
    assert.equal(refusal.message, refusal.told)
  })
}

test('what the tree holds already takes no more room', async (t) => {
  const door = openDoor(t, { capacityBytes: 512 * 1024 })
  const addresses = shapes['IPv4 addresses'] as Shape
  await importMany(door, 'a', 12_000, addresses, 5)
  await assert.rejects(importMany(door, 'b', 15_000, addresses, 7), { code: 'capacity-reached' })
  assert.equal(door.store.lists.named('b'), undefined)
  const outcome = await importMany(door, 'b', 12_000, addresses, 5)
  assert.ok('added' in outcome && outcome.added > 11_000)
})
