// What time alone changes: listings that end, and held ones that come due. Called by the door every second, inside
// a transaction, so many at a time that nobody waits long.
import { type Context, standingAt } from './context.ts'
import { initialState } from './policy.ts'

/** Rows that one transaction turns over; beside them, entries of one row of a list. */
const expiryBatch = 500

/** Ends and lists what is due, some of it: says how many listings changed, 0 when none was due. */
export function expireSome(context: Context): number {
  const { store, publisher, policy, now } = context
  const { listings } = store
  const expired = listings.expired(now, expiryBatch)
  for (const row of expired) standingAt(context, row.prefix)
  const due = listings.due(now, expiryBatch - expired.length)
  for (const row of due) {
    const state = initialState(row.kinds, publisher.publishedKinds, {
      ...policy,
      holdForSeconds: 0,
    })
    listings.change(row, { ...row, state, heldUntil: null })
  }
  const rows = expired.length + due.length
  return rows > 0 ? rows : store.lists.expireSome(now)
}
