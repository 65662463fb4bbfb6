// Deletes evidence, and answers of DNS, that are older than `evidence.keep`. What the evidence has come to is kept as the base of
// the next fold, until the network has no evidence left. Runs inside a transaction.
import type { Prefix } from '../ip/address.ts'
import { transactionMs } from './commit-queue.ts'
import type { Context } from './context.ts'
import { fold } from './fold.ts'
import { historyOf } from './judge.ts'
import { byNetwork } from './record.ts'

/** One transaction looks at this many of the oldest rows of each table. */
const batch = 500

/**
 * Deletes the old evidence of some networks, and old rows of other tables. It takes no further network after `transactionMs`: a
 * network may have a long history. `deleted`: rows of evidence. `isDone`: nothing old is left.
 */
export function forgetSome(context: Context): { deleted: number; isDone: boolean } {
  const { store, policy, now } = context
  const startedMs = performance.now()
  const before = now - policy.evidenceKeepSeconds
  const old = store.evidence.oldest(before, batch)
  const ofNobody = old.filter(({ family }) => family === 0)
  store.evidence.delete(ofNobody)
  let deleted = ofNobody.length
  for (const { prefix } of byNetwork(old, policy)) {
    deleted += forgetNetwork(context, prefix, before)
    if (performance.now() - startedMs >= transactionMs) return { deleted, isDone: false }
  }
  const counters = [store.evidenceCounters, store.forgeries, store.hosts].map((table) =>
    table.purge(before, batch),
  )
  return { deleted, isDone: Math.max(old.length, ...counters) < batch }
}

/** Deletes all evidence of the network that was recorded before this time. Returns the number of rows. */
function forgetNetwork(context: Context, prefix: Prefix, before: number): number {
  const { store, policy, now } = context
  const rows = store.evidence.recordedBefore(prefix, before)
  const until = rows.reduce((newest, { seenAt }) => Math.max(newest, seenAt), 0)
  const { base, hits, sums, removals } = historyOf(context, prefix)
  const isOld = ({ seenAt }: { readonly seenAt: number }) => seenAt <= until
  const old = {
    base,
    hits: hits.filter(isOld),
    sums: sums.filter(isOld),
    removals: removals.filter(({ at }) => at <= until),
  }
  store.offenders.saveBase(prefix, fold(old, policy))
  store.evidence.delete(rows)
  const deleted = new Set(rows.map(({ id }) => id))
  const isForgotten = hits.every(({ id }) => deleted.has(id))
  // A network is forgotten with its last evidence, unless it is listed.
  if (isForgotten && (store.offenders.at(prefix)?.offender.endsAt ?? 0) <= now) {
    store.offenders.delete(prefix)
  }
  return rows.length
}
