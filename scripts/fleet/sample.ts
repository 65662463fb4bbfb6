// The list that is measured: as many entries as asked, as close together as those of the whole list would be, so that trees, names
// and transfers share as much as they would there. Seeded.
import type { Prefix } from '../../src/ip/address.ts'
import { specialPurposeRange } from '../../src/ip/special-purpose.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { seeded } from '../../test/support/seeded.ts'
import { assumptions } from './assumptions.ts'

/** The time of everything that is measured in this process. */
export const now = Math.floor(Date.now() / 1000)

const daySeconds = 86_400
/** Where the addresses begin. */
const firstIPv4 = 0x0b000000
const firstIPv6 = 0x26000000
/** Second words of IPv6 networks in use: the networks of a whole list lie in a /12. */
const ipv6Spread = 2 ** 20

/** `entries` prefixes, spread like a list of `whole` entries over all addresses. */
export function samplePrefixes(entries: number, whole: number): Prefix[] {
  const random = seeded(1)
  const share = Math.min(1, entries / whole)
  const ipv6 = Math.round(entries * assumptions.ipv6Share)
  const found = new Map<string, Prefix>()
  const add = (prefix: Prefix): void => {
    // A start ends what lies in a special-purpose range.
    if (!specialPurposeRange(prefix)) found.set(`${prefix.w0} ${prefix.w1}`, prefix)
  }
  while (found.size < entries - ipv6) {
    const w0 = (firstIPv4 + Math.floor((random() / 2 ** 32) * share * 2 ** 32)) % 2 ** 32
    add({ family: 4, w0, w1: 0, w2: 0, w3: 0, length: 32 })
  }
  while (found.size < entries) {
    const w0 = firstIPv6 + (random() % Math.ceil(ipv6Spread * share))
    add({ family: 6, w0, w1: random(), w2: 0, w3: 0, length: 64 })
  }
  return [...found.values()]
}

/** A database in which the prefixes are listings that traps made. */
export function fillRows(path: string, prefixes: readonly Prefix[]): void {
  inStore(path, (store) => {
    for (const [index, prefix] of prefixes.entries()) {
      store.listings.insert({
        prefix,
        kinds: 1,
        state: 'listed',
        origin: 'trap',
        reason: null,
        createdAt: now - daySeconds,
        lastHitAt: now - daySeconds,
        expiresAt: now + 7 * daySeconds + index,
        heldUntil: null,
        hits: 2,
        episode: 1,
        termSeconds: 7 * daySeconds,
        shadow: null,
        basis: null,
      })
    }
  })
}

/** Runs `work` in one transaction on the database, and closes it. */
export function inStore(path: string, work: (store: Store) => void): void {
  const store = openStore(path)
  store.begin()
  work(store)
  store.commit()
  store.close()
}
