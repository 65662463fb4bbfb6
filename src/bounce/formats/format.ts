// The shape of a bounce format that has its own wording instead of, or beside, message/delivery-status. One table for
// each kin of servers; non-delivery reads them in order.
import { fold } from '../body-text.ts'

export interface BounceFormat {
  /** Names the rule and the generator. */
  readonly name: string
  /** Folded phrases of which each of a row must occur in the bounce's own words; any row is enough. */
  readonly rows: readonly (readonly string[])[]
  readonly generator: string
}

/** A format whose wording is any of the rows; a row with ` … ` needs each of its pieces. */
export function format(name: string, rows: readonly string[], generator = name): BounceFormat {
  return { name, generator, rows: rows.map((row) => row.split('…').map(fold)) }
}

export function isWrittenIn(words: string, { rows }: BounceFormat): boolean {
  return rows.some((pieces) => pieces.every((piece) => words.includes(piece)))
}
