// Requests to be removed from the list, which anyone may send, and the operator's decisions on those that wait. Only a
// listing by trap that DNS answers can be removed by request. Each function runs inside a transaction.
import { type Address, addressBits, formatPrefix, type Prefix } from '../ip/address.ts'
import { formatDuration, formatTimestamp } from '../quantity.ts'
import type { CurrentListing } from '../store/listings.ts'
import type { RemovalRow } from '../store/removals.ts'
import { audit, type Context } from './context.ts'
import { removeRow, standingAt } from './listings.ts'
import type { PolicyOptions } from './policy.ts'
import { quietSince } from './public-evidence.ts'
import { judgedPrefix } from './record.ts'
import type { Actor, Refusal, Removal, RemovalAnswer, RemovalDelay, RemovalRule } from './types.ts'
import { answerAt } from './zone-entry.ts'

/** The actor of removals that the policy allows. */
const policyActor = { name: 'policy' }

export const notListed: Refusal = { refused: 'not-listed', why: 'is not listed' }
const operatorOnly: Refusal = {
  refused: 'operator-only',
  why: 'is listed, but not for mail to a spam trap: ask the operator of the list',
}

/** The prefix that is listed for an address. An IPv6 network stands for itself. Undefined if no network of its length is listed. */
export function removablePrefix(asked: Prefix, policy: PolicyOptions): Prefix | undefined {
  if (asked.length === addressBits(asked.family)) return judgedPrefix(asked, policy)
  return asked.family === 6 && asked.length === policy.ipv6Prefix ? asked : undefined
}

/**
 * Removes the listing by trap of this prefix at once if the policy allows it, else queues the request. Other listings stay.
 * Refuses with 'not-listed' if DNS does not answer `asked`, an address in the prefix; with 'operator-only' if it does because
 * of other listings; and with 'conflict' if the operator has refused to remove this listing.
 */
export function requestRemoval(
  context: Context,
  asked: Address,
  prefix: Prefix,
): RemovalAnswer | Refusal {
  const { store, publisher, now } = context
  const isAnswered = (): boolean => answerAt(store, publisher.rules(now), asked) !== undefined
  const row = standingAt(context, prefix).find(({ origin }) => origin === 'trap')
  if (!isAnswered()) return notListed
  if (row?.state !== 'listed') return operatorOnly
  const told = { prefix: formatPrefix(prefix) }
  const request = { listingId: row.id, requestedAt: now }
  const delay = delayOf(context, row)
  if (delay === undefined) {
    const why = 'the rules of the list allow it'
    const decided = { decidedAt: now, decidedBy: policyActor.name }
    store.removals.put({ ...request, state: 'removed', why, ...decided })
    removeRow(context, policyActor, row)
    return { ...told, state: 'removed', why, unmet: [], askAgainAt: null, listed: isAnswered() }
  }
  if (store.removals.ofListing(row.id)?.state === 'refused') return refusedBefore(delay.askAgainAt)
  const { why } = delay
  store.removals.put({ ...request, state: 'queued', why, decidedAt: null, decidedBy: null })
  return { ...told, state: 'queued', ...delay, listed: true }
}

/** Why the policy does not allow the removal now, and when it will; null: never. Undefined if it allows it. */
export function delayOf(context: Context, row: CurrentListing): RemovalDelay | undefined {
  const { store, policy, now } = context
  const { quietSeconds, times, periodSeconds } = policy.removal
  if (times === 0)
    return { why: 'the operator decides on every removal', unmet: [], askAgainAt: null }
  const delays: { rule: RemovalRule; why: string; until: number }[] = []
  const quietAt = quietSince(context, row) + quietSeconds
  if (quietSeconds > 0 && quietAt > now) {
    const why = `it has to be quiet for ${formatDuration(quietSeconds)} first`
    delays.push({ rule: 'quiet', why, until: quietAt })
  }
  const removedAt = store.removals.removedAt(row.prefix, now - periodSeconds)
  /** Once this removal is older than the period, there are fewer than `times` in it. */
  const counted = removedAt.at(-times)
  if (counted !== undefined) {
    const often = removedAt.length === 1 ? 'once' : `${removedAt.length} times`
    const why = `it was removed ${often} within ${formatDuration(periodSeconds)}`
    delays.push({ rule: 'times', why, until: counted + periodSeconds })
  }
  if (delays.length === 0) return undefined
  return {
    why: delays.map((each) => each.why).join(', and '),
    unmet: delays.map(({ rule }) => rule),
    askAgainAt: Math.max(...delays.map(({ until }) => until)),
  }
}

function refusedBefore(askAgainAt: number | null): Refusal {
  const again = askAgainAt === null ? '' : `; ask again at ${formatTimestamp(askAgainAt)}`
  return {
    refused: 'conflict',
    why: `stays listed: the operator refused to remove it${again}`,
    askAgainAt,
  }
}

/**
 * Carries out the operator's decision on a queued request. `why` is kept with it. Refuses with 'conflict' if the request does
 * not wait any more. Returns undefined if there is none with this id.
 */
export function decideRemoval(
  context: Context,
  id: number,
  state: 'removed' | 'refused',
  why: string | undefined,
  actor: Actor,
): Removal | Refusal | undefined {
  const { store, now } = context
  const known = store.removals.byId(id)
  if (known === undefined) return undefined
  const row = standingAt(context, known.prefix).find((each) => each.id === known.listingId)
  const before = removalAt(context, id)
  if (row === undefined || before.state !== 'queued') {
    return { refused: 'conflict', why: `is ${before.state} already` }
  }
  store.removals.put({
    ...known,
    state,
    why: why || `${state} by the operator`,
    decidedAt: now,
    decidedBy: actor.name,
  })
  if (state === 'removed') removeRow(context, actor, row)
  const after = removalAt(context, id)
  audit(context, actor, state === 'removed' ? 'approve' : 'refuse', after.prefix, before, after)
  return after
}

function removalAt({ store }: Context, id: number): Removal {
  const row = store.removals.byId(id)
  if (row === undefined) throw new Error(`request ${id} is gone`)
  return removalOf(row)
}

/** The request as the operator sees it. */
export function removalOf({ listingId: _, prefix, ...row }: RemovalRow): Removal {
  return { ...row, prefix: formatPrefix(prefix) }
}
