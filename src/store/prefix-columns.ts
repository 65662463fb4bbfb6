// The columns for a prefix, which are the same in every table: family, length and four words. Also the set of prefixes that a
// transaction changed.
import type { Address, Family, Prefix } from '../ip/address.ts'

/** The columns, in the order of the indexes and of `prefixValues`. */
export const prefixColumns = 'family, length, w0, w1, w2, w3'

/** A WHERE term for exactly one prefix. Bind `prefixValues` to it. */
export const isPrefix = 'family = ? AND length = ? AND w0 = ? AND w1 = ? AND w2 = ? AND w3 = ?'

export type PrefixValues = [
  family: number,
  length: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
]

export function prefixValues(prefix: Prefix): PrefixValues {
  return [prefix.family, prefix.length, prefix.w0, prefix.w1, prefix.w2, prefix.w3]
}

/** The prefix of a row, without the row's other columns. */
export function prefixOf(row: Prefix): Prefix {
  const { family, w0, w1, w2, w3, length } = row
  return { family, w0, w1, w2, w3, length }
}

/** The words of the last address of a network. */
export function lastWords(prefix: Prefix): [w0: number, w1: number, w2: number, w3: number] {
  const word = (value: number, kept: number): number => {
    if (kept >= 32) return value
    return kept <= 0 ? 0xffff_ffff : (value | (0xffff_ffff >>> kept)) >>> 0
  }
  const { length } = prefix
  if (prefix.family === 4) return [word(prefix.w0, length), 0, 0, 0]
  return [
    word(prefix.w0, length),
    word(prefix.w1, length - 32),
    word(prefix.w2, length - 64),
    word(prefix.w3, length - 96),
  ]
}

/** The family and words of an address as column values. null, an unknown address, gives zeros. */
export function addressValues(address: Address | null): number[] {
  return address
    ? [address.family, address.w0, address.w1, address.w2, address.w3]
    : [0, 0, 0, 0, 0]
}

/**
 * WHERE terms for every prefix at or inside `prefix`, and the values to bind to them. The terms compare word by word. If they
 * compared all words as one row value, SQLite would use the index for the lower bound only and read to the end of the table.
 * The terms need not match rows before the address `from`.
 */
export function rangeInside(prefix: Prefix, from: Address): { terms: string; values: number[] } {
  const first = [from.w0, from.w1, from.w2, from.w3]
  const last = lastWords(prefix)
  const terms = ['family = ?']
  const values: number[] = [prefix.family]
  for (const [index, end] of last.entries()) {
    const kept = prefix.length - 32 * index
    if (kept >= 32) {
      terms.push(`w${index} = ?`)
      values.push(end)
    } else {
      terms.push(`w${index} BETWEEN ? AND ?`)
      values.push(first[index] ?? 0, end)
      break
    }
  }
  return { terms: terms.join(' AND '), values }
}

/** Called with one prefix and the mask of all its kinds. */
export type Visit = (
  family: Family,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
  kinds: number,
) => void

/** The prefixes that the open transaction changed. The tables note most of them by themselves. */
export class ChangedPrefixes {
  #noted = new Map<string | number, Prefix>()

  /** Notes a prefix. It may be noted twice, or even without a change. */
  note(prefix: Prefix): void {
    const { family, w0, w1, w2, w3, length } = prefix
    const key = family === 4 ? w0 * 64 + length : `${w0} ${w1} ${w2} ${w3}/${length}`
    this.#noted.set(key, prefix)
  }

  /** Returns all noted prefixes once, in the order in which they were first noted, and forgets them. */
  take(): Prefix[] {
    if (this.#noted.size === 0) return []
    const prefixes = [...this.#noted.values()]
    this.#noted = new Map()
    return prefixes
  }
}
