// What time alone changes: listings that end, and held ones that come due. Called by the door every second, inside
// a transaction, so many at a time that nobody waits long.
import { type Ground, standingAt } from './ground.ts'
import { initialState } from './policy.ts'

/** Rows that one transaction turns over: about 20 ms. */
export const expiryBatch = 500

/** Ends and lists what is due, at most `expiryBatch` rows; says how many they were. */
export function expireSome(ground: Ground): number {
  const { store, publisher, policy, now } = ground
  const { listings } = store
  const expired = listings.expired(now, expiryBatch)
  for (const row of expired) {
    publisher.touch(row.prefix)
    standingAt(ground, row.prefix)
  }
  const due = listings.due(now, expiryBatch - expired.length)
  for (const row of due) {
    publisher.touch(row.prefix)
    const state = initialState(row.kinds, publisher.publishedKinds, {
      ...policy,
      holdForSeconds: 0,
    })
    listings.change(row.id, { ...row, state, heldUntil: null })
  }
  return expired.length + due.length
}
