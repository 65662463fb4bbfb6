// A message's lines → words to compare with phrases.
import { fold } from './phrases.ts'

export interface BodyText {
  /** The author's lines. */
  readonly lines: readonly string[]
  /** The same lines as one folded text: see `fold`. */
  readonly words: string
}

const maxWords = 12_000

export function readBodyText(lines: readonly string[]): BodyText {
  return { lines, words: fold(lines.join(' ').slice(0, maxWords)) }
}
