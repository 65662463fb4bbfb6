// Formats values for people: kinds and codes in words, times, durations, tables, colours.
import { stripVTControlCharacters, styleText } from 'node:util'
import { formatDuration, formatTime } from '../quantity.ts'

/** The meaning of each DNS code. */
export const codeMeanings: Readonly<Record<string, string>> = {
  '127.0.0.2': 'sends backscatter',
  '127.0.0.3': 'bounces (dsn)',
  '127.0.0.4': 'automatic replies (auto-reply)',
  '127.0.0.5': 'challenge-response (challenge-response)',
  '127.0.0.6': 'virus and spam notices (content-notice)',
  '127.0.0.7': 'sender callouts (callout)',
}

/** The kinds of a listing, joined by commas. */
export function formatKinds(kinds: readonly string[]): string {
  return kinds.join(',') || 'no kind'
}

/** "until 2026-07-29 10:00:00 UTC (28d left)", or "permanently" for null. `now`: epoch seconds. */
export function formatUntil(expiresAt: string | null, now: number): string {
  if (expiresAt === null) return 'permanently'
  const left = Math.round(Date.parse(expiresAt) / 1000 - now)
  return `until ${formatTime(expiresAt)}${left > 0 ? ` (${roughDuration(left)} left)` : ''}`
}

/** Formats seconds in the two largest units, rounded to the smaller one: "27d 23h", "5m 10s". */
export function roughDuration(seconds: number): string {
  const sizes = [86_400, 3600, 60, 1]
  const largest = sizes.find((size) => seconds >= size) ?? 1
  const smaller = sizes[sizes.indexOf(largest) + 1] ?? 1
  const rounded = Math.round(seconds / smaller) * smaller
  const rest = rounded % largest
  const whole = formatDuration(rounded - rest)
  return rest > 0 ? `${whole} ${formatDuration(rest)}` : whole
}

/**
 * Makes text from outside safe for a terminal: control and invisible format characters become "?". So no sender can move the
 * cursor or reverse the writing direction.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?')
}

/** Breaks text at blanks into lines of at most 78 characters. A longer word gets a line of its own. */
export function wrapText(text: string): string[] {
  return text.match(/\S.{0,77}(?=\s|$)|\S+/g) ?? []
}

/** Formats rows as lines with aligned columns, two blanks apart and indented by `indent`. Blanks at line ends are cut. */
export function formatColumns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))
    }
  }
  const lines = rows.map((row) => {
    const cells = row.map(
      (cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))),
    )
    return `${(indent + cells.join('  ')).trimEnd()}\n`
  })
  return lines.join('')
}

/** Formats rows as a table below its header. Without rows it is the line `none`. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  none: string,
): string {
  if (rows.length === 0) return `${none}\n`
  return formatColumns([header.map((each) => styleText('bold', each)), ...rows])
}

/** Colours what is wrong, if standard output is a terminal and NO_COLOR is not set (no-color.org). */
export function styleFault(text: string): string {
  return styleText('red', text)
}

/** Colours the state of a listing in the same cases: what DNS answers stands out, what is over fades. */
export function styleState(state: string): string {
  if (state === 'listed') return styleText('bold', state)
  return styleText(state === 'held' || state === 'shadow' ? 'yellow' : 'dim', state)
}

/** The columns that the text takes on a terminal: colours take none. */
function widthOf(text: string): number {
  return stripVTControlCharacters(text).length
}
