// Finds the mail system whose exact sentences a bounce has. The sentences are rows `format:SYSTEM` of data/phrases/dsn.
import { fold, phraseRows } from './phrases.ts'

/** Each sentence in folded pieces. All pieces must be there. */
const formats = phraseRows
  .filter(({ statement }) => statement.startsWith('format:'))
  .map(({ statement, phrase }) => ({
    system: statement.slice('format:'.length),
    pieces: fold(phrase).split(/ ?… ?/),
  }))

/** The names that `formatIn` can give. */
export const formatSystems: readonly string[] = formats.map(({ system }) => system)

/** The system that writes such sentences, and the offset in the words at which its sentence begins; or null. */
export function formatIn(
  words: string,
  lines: readonly string[],
): { system: string; at: number } | null {
  const found = formats.find(
    ({ pieces }) =>
      pieces.every((piece) => words.includes(piece)) &&
      opensSentence(pieces[0] ?? '', words, lines),
  )
  return found === undefined
    ? null
    : { system: found.system, at: words.indexOf(found.pieces[0] ?? '') }
}

/** A line may end inside a phrase, so this many characters of it are enough. */
const opening = 16

/** Whether the piece begins a line or a sentence. If it stands inside one, the message quotes it. */
function opensSentence(piece: string, words: string, lines: readonly string[]): boolean {
  return (
    words.startsWith(piece) ||
    ['. ', '! ', '? '].some((end) => words.includes(end + piece)) ||
    lines.some((line) => {
      const folded = fold(line)
      const at = folded.indexOf(piece.slice(0, opening))
      return at >= 0 && !/\p{L}/u.test(folded.slice(0, at))
    })
  )
}
