// The shape of a bounce format that has its own wording instead of, or beside, message/delivery-status. One table for
// each kin of servers; non-delivery reads them in order.
import { type BodyText, fold } from '../body-text.ts'

export interface BounceFormat {
  /** Names the rule and the generator. */
  readonly name: string
  /** Folded phrases of which each of a row must occur in the bounce's own words; any row is enough. */
  readonly rows: readonly (readonly string[])[]
  readonly generator: string
  /** It begins a sentence with these words; who has them inside of one quotes it. */
  readonly opensSentence?: boolean
}

/** A format whose wording is any of the rows; a row with ` … ` needs each of its pieces. */
export function format(name: string, rows: readonly string[], generator = name): BounceFormat {
  return { name, generator, rows: rows.map((row) => row.split('…').map(fold)) }
}

/** The same for a program whose words begin a line or a sentence. */
export function openingFormat(name: string, rows: readonly string[]): BounceFormat {
  return { ...format(name, rows), opensSentence: true }
}

export function isWrittenIn(
  { words, lines }: BodyText,
  { rows, opensSentence }: BounceFormat,
): boolean {
  const row = rows.find((pieces) => pieces.every((piece) => words.includes(piece)))
  return row !== undefined && (opensSentence !== true || begins(lines, words, row[0] ?? ''))
}

/** Where in the words a format's own begin; -1 where they are not. */
export function beginOf({ words }: BodyText, { rows }: BounceFormat): number {
  const row = rows.find((pieces) => pieces.every((piece) => words.includes(piece)))
  return row === undefined ? -1 : Math.min(...row.map((piece) => words.indexOf(piece)))
}

/** Enough of a phrase to know it by, should the line end in it. */
const opening = 16

function begins(lines: readonly string[], words: string, piece: string): boolean {
  const start = piece.slice(0, opening)
  return (
    words.startsWith(piece) ||
    ['. ', '! ', '? '].some((end) => words.includes(end + piece)) ||
    lines.some((line) => fold(line).startsWith(start))
  )
}
