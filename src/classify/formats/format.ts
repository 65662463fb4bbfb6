// The shape of a bounce format: wording that a program uses in place of a message/delivery-status or beside it. Each family of
// servers has one table; the order counts.

import type { BodyText } from '../body-text.ts'
import { fold } from '../phrases.ts'

export interface BounceFormat {
  /** The format's name, also used for its rule and generator. */
  readonly name: string
  /** The format matches if all folded phrases of one row occur in the bounce's own words. */
  readonly rows: readonly (readonly string[])[]
  readonly generator: string
  /** The words must begin a sentence. If they stand inside one, the message quotes the format. */
  readonly opensSentence?: boolean
}

/** A format with these rows. All pieces of a row are needed; ` … ` separates them. */
export function format(name: string, rows: readonly string[], generator = name): BounceFormat {
  return { name, generator, rows: rows.map((row) => row.split('…').map(fold)) }
}

/** A format whose words must begin a line or a sentence. */
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

/** Offset in the words at which the format's wording begins; -1 if it is missing. */
export function beginOf({ words }: BodyText, { rows }: BounceFormat): number {
  const row = rows.find((pieces) => pieces.every((piece) => words.includes(piece)))
  return row === undefined ? -1 : Math.min(...row.map((piece) => words.indexOf(piece)))
}

/** A line may end inside a phrase, so this many characters of it are enough. */
const opening = 16

function begins(lines: readonly string[], words: string, piece: string): boolean {
  const start = piece.slice(0, opening)
  return (
    words.startsWith(piece) ||
    ['. ', '! ', '? '].some((end) => words.includes(end + piece)) ||
    lines.some((line) => fold(line).startsWith(start))
  )
}
