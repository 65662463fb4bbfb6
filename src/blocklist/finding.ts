// What anyone may know of an address: what DNS answers for it, and since which day. It is asked of the tree, as DNS asks
// it, so an address that is not answered costs no look into the database, whatever is known of it.
import type { BackscatterKind } from '../bounce/kinds.ts'
import { type Address, formatAddress, networkOf, type Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { isOver } from '../store/list-versions.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import type { TreeReader } from '../tree/reader.ts'
import { formatCodes, kindsOfCodes } from './kinds.ts'
import { heldUntil, type PolicyOptions } from './policy.ts'
import { testEntryAt } from './test-entries.ts'

export interface Finding {
  readonly query: string
  /** What DNS answers for this address, to the letter. */
  readonly listed: boolean
  /** The kinds answered. */
  readonly kinds: BackscatterKind[]
  /** "127.0.0.2", …; empty when not listed. */
  readonly codes: string[]
  /** The first second (UTC) of the day on which the answered listing began to show; null for a test entry, and when not listed. */
  readonly since: number | null
}

export interface FindGround {
  readonly store: Store
  readonly reader: TreeReader
  readonly policy: PolicyOptions
  /** Epoch seconds. */
  readonly now: number
}

/** What DNS answers for an address that is listed. */
export interface Answer {
  /** The prefix whose entry decides. */
  readonly prefix: Prefix
  /** The A set: bit n is 127.0.0.n. */
  readonly codes: number
}

const daySeconds = 86_400

/** Reads listings of an address that is answered, and nothing at all of another one. Never reads evidence. */
export function find(context: FindGround, address: Address): Finding {
  const answer = answerOf(context.reader, address)
  const codes = answer?.codes ?? 0
  const began = answer && !testEntryAt(address) ? beganAt(context, answer.prefix) : null
  return {
    query: formatAddress(address),
    ...{ listed: answer !== undefined, kinds: kindsOfCodes(codes), codes: formatCodes(codes) },
    since: began === null ? null : began - (began % daySeconds),
  }
}

/** What the tree, and so DNS, answers; undefined: that it is not listed. */
export function answerOf(reader: TreeReader, address: Address): Answer | undefined {
  const { family, w0, w1, w2, w3 } = address
  reader.enter()
  const answer = reader.find(family, w0, w1, w2, w3)
  const codes = answer < 0 ? 0 : reader.answerCodes(answer)
  const length = reader.matchedLength
  reader.leave()
  return answer < 0 ? undefined : { prefix: networkOf(address, length), codes }
}

/**
 * The entries of lists that DNS answers at exactly this prefix. Of a list that DNS is on its way to, also those of the
 * version that it comes from; and where nothing else is left (`hasRows`: rows are), those whose end it has not come to.
 */
export function answeredEntries(
  store: Store,
  prefix: Prefix,
  now: number,
  hasRows: boolean,
): ListEntry[] {
  const found: ListEntry[] = []
  for (const { version, applied } of store.lists.all()) {
    for (const each of version === applied ? [version] : [version, applied]) {
      const entry = store.lists.find(each, prefix)
      if (entry && each !== null && !store.listings.isHidden(prefix, each)) found.push(entry)
    }
  }
  const standing = found.filter((entry) => !isOver(entry, now))
  return standing.length > 0 || hasRows ? standing : found
}

/**
 * When the oldest listing began to show that is answered at this prefix. One by trap was held back before, and the day on
 * which the trap was hit is not for anyone to know.
 */
function beganAt({ store, policy, now }: FindGround, prefix: Prefix): number {
  const rows = store.listings.currentAt(prefix).filter(({ state }) => state === 'listed')
  return Math.min(
    now,
    ...rows.map(({ origin, createdAt }) =>
      origin === 'trap' ? heldUntil(createdAt, policy) : createdAt,
    ),
    ...answeredEntries(store, prefix, now, rows.length > 0).map(({ listedAt }) => listedAt),
  )
}
