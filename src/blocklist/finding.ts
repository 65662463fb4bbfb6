// What anyone may know of an address: what DNS answers for it, and since which day. It is asked of the tree, as DNS asks
// it, so an address that is not answered costs no look into the database, whatever is known of it.
import type { BackscatterKind } from '../bounce/kinds.ts'
import { type Address, formatAddress, networkOf } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { TreeReader } from '../tree/reader.ts'
import { formatCodes, kindsOfCodes } from './kinds.ts'
import type { ListsAhead } from './lists-ahead.ts'
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
  readonly ahead: ListsAhead | undefined
  readonly policy: PolicyOptions
  /** Epoch seconds. */
  readonly now: number
}

const daySeconds = 86_400

/** Reads listings of an address that is answered, and nothing at all of another one. Never reads evidence. */
export function find(ground: FindGround, address: Address): Finding {
  const { reader } = ground
  const { family, w0, w1, w2, w3 } = address
  reader.enter()
  const answer = reader.find(family, w0, w1, w2, w3)
  const codes = answer < 0 ? 0 : reader.answerCodes(answer)
  const length = reader.matchedLength
  reader.leave()
  const began = answer < 0 || testEntryAt(address) ? null : beganAt(ground, address, length)
  return {
    query: formatAddress(address),
    ...{ listed: answer >= 0, kinds: kindsOfCodes(codes), codes: formatCodes(codes) },
    since: began === null ? null : began - (began % daySeconds),
  }
}

/**
 * When the oldest listing began to show that is answered at the prefix of this length around the address. One by trap was
 * held back before, and the day on which the trap was hit is not for anyone to know.
 */
function beganAt(
  { store, ahead, policy, now }: FindGround,
  address: Address,
  length: number,
): number {
  const rows = store.listings.currentAt(networkOf(address, length))
  const answered = (ahead?.corrected(address, rows) ?? rows).filter(
    ({ state, prefix }) => state === 'listed' && prefix.length === length,
  )
  return Math.min(
    now,
    ...answered.map(({ origin, createdAt }) =>
      origin === 'trap' ? heldUntil(createdAt, policy) : createdAt,
    ),
  )
}
