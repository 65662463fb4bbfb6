// The shape of a bounce format with wording of its own, instead of or beside message/delivery-status. There is one
// table for each family of servers; the order counts.
import { type BodyText, fold } from '../body-text.ts'

export interface BounceFormat {
  /** The name used for the rule and the generator. */
  readonly name: string
  /** Rows of folded phrases. The format matches if all phrases of any one row occur in the bounce's own words. */
  readonly rows: readonly (readonly string[])[]
  readonly generator: string
  /** These words must begin a sentence; a message with them inside a sentence quotes the format. */
  readonly opensSentence?: boolean
}

/** A format with these rows; ` … ` separates the pieces of a row, all of which are needed. */
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

/** Offset in the words at which the format's own begin; -1 if they are missing. */
export function beginOf({ words }: BodyText, { rows }: BounceFormat): number {
  const row = rows.find((pieces) => pieces.every((piece) => words.includes(piece)))
  return row === undefined ? -1 : Math.min(...row.map((piece) => words.indexOf(piece)))
}

/** Enough of a phrase to recognise it if the line ends inside it. */
const opening = 16

function begins(lines: readonly string[], words: string, piece: string): boolean {
  const start = piece.slice(0, opening)
  return (
    words.startsWith(piece) ||
    ['. ', '! ', '? '].some((end) => words.includes(end + piece)) ||
    lines.some((line) => fold(line).startsWith(start))
  )
}
