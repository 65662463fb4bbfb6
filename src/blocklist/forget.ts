// Deletes evidence, and answers of DNS, that are older than `evidence.keep`. What the evidence has come to is kept as the base of
// the next fold, until the network has no evidence left. Runs inside a transaction.
import type { Prefix } from '../ip/address.ts'
import type { Context } from './context.ts'
import { fold } from './fold.ts'
import { historyOf } from './judge.ts'
import { byNetwork } from './record.ts'

/** One transaction deletes at most this many rows of each table, so that it takes only milliseconds. */
const batch = 500

/** Deletes one batch. `deleted`: rows of evidence. `isDone`: nothing old is left. */
export function forgetSome(context: Context): { deleted: number; isDone: boolean } {
  const { store, policy, now } = context
  const before = now - policy.evidenceKeepSeconds
  const old = store.evidence.oldest(before, batch)
  const networks = [...byNetwork(old, policy)]
  for (const { prefix, rows } of networks) {
    saveBase(context, prefix, Math.max(...rows.map(({ seenAt }) => seenAt)))
  }
  store.evidence.delete(old)
  for (const { prefix } of networks) forgetOffender(context, prefix)
  const counters = [store.evidenceCounters, store.forgeries, store.hosts].map((table) =>
    table.purge(before, batch),
  )
  return { deleted: old.length, isDone: Math.max(old.length, ...counters) < batch }
}

/** `until`: when the newest of the network's old rows was seen. */
function saveBase(context: Context, prefix: Prefix, until: number): void {
  const { base, hits, sums, removals } = historyOf(context, prefix)
  const isOld = ({ seenAt }: { readonly seenAt: number }) => seenAt <= until
  const old = {
    base,
    hits: hits.filter(isOld),
    sums: sums.filter(isOld),
    removals: removals.filter(({ at }) => at <= until),
  }
  context.store.offenders.saveBase(prefix, fold(old, context.policy))
}

/** A network is forgotten with its last evidence, unless it is listed. */
function forgetOffender({ store, now }: Context, prefix: Prefix): void {
  const known = store.offenders.at(prefix)
  if (!known || known.offender.endsAt > now || store.evidence.history(prefix).length > 0) return
  store.offenders.delete(prefix)
}
