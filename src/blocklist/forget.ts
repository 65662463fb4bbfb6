// Deletes evidence, and answers of DNS, that are older than `evidence.keep`. What the evidence has come to is kept as the base of
// the next fold, until the network has no evidence left. Runs inside a transaction.
import { formatPrefix, type Prefix } from '../ip/address.ts'
import type { StoredEvidence } from '../store/evidence.ts'
import type { Context } from './context.ts'
import { fold } from './fold.ts'
import { historyOf } from './judge.ts'
import { judgedPrefix } from './record.ts'

/** One transaction deletes at most this many rows of each table, so that it takes only milliseconds. */
const batch = 500

/** Deletes one batch. `deleted`: rows of evidence. `isDone`: nothing old is left. */
export function forgetSome(context: Context): { deleted: number; isDone: boolean } {
  const { store, policy, now } = context
  const before = now - policy.evidenceKeepSeconds
  const old = store.evidence.oldest(before, batch)
  const networks = networksOf(context, old)
  for (const { prefix, until } of networks) saveBase(context, prefix, until)
  store.evidence.delete(old)
  for (const { prefix } of networks) forgetOffender(context, prefix)
  const counters = [store.evidenceCounters, store.forgeries, store.hosts].map((table) =>
    table.purge(before, batch),
  )
  return { deleted: old.length, isDone: Math.max(old.length, ...counters) < batch }
}

interface OldNetwork {
  readonly prefix: Prefix
  /** When the newest of its old rows was seen. */
  readonly until: number
}

function networksOf({ policy }: Context, rows: readonly StoredEvidence[]): Iterable<OldNetwork> {
  const networks = new Map<string, OldNetwork>()
  for (const { family, w0, w1, w2, w3, seenAt } of rows) {
    if (family === 0) continue
    const prefix = judgedPrefix({ family, w0, w1, w2, w3 }, policy)
    const key = formatPrefix(prefix)
    const until = Math.max(seenAt, networks.get(key)?.until ?? 0)
    networks.set(key, { prefix, until })
  }
  return networks.values()
}

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
