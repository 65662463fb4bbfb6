// Compares the rows of data/phrases with the messages that they name as their witnesses.
import { fold, phraseRows } from '../src/classify/phrases.ts'
import type { Message } from '../src/mail/message.ts'

export interface Witness {
  /** The kinds that its label allows. */
  readonly kinds: readonly string[]
  readonly message: Pick<Message, 'subject' | 'text'>
}

/**
 * One line for each row whose witness lacks the phrase in its subject and text, or is of another kind. `find` gets what stands in the
 * row, `sha256:…`, `lab:…` or `vendor:…`; null: this witness cannot be compared here; undefined: there is none.
 */
export function witnessFaults(find: (witness: string) => Witness | null | undefined): string[] {
  const foldedTexts = new Map<Witness, string>()
  const wordsOf = (witness: Witness): string => {
    const { subject, text } = witness.message
    const words = foldedTexts.get(witness) ?? `${fold(subject)} ${fold(text)}`
    foldedTexts.set(witness, words)
    return words
  }
  return phraseRows.flatMap(({ kind, language, phrase, witness }) => {
    const row = `data/phrases/${kind}/${language}.tsv: ${phrase}`
    const found = find(witness)
    if (found === null) return []
    if (found === undefined) return [`${row}: there is no ${witness}`]
    if (!found.kinds.includes(kind)) return [`${row}: ${witness} is ${found.kinds.join(' or ')}`]
    const isThere = phrase
      .split('…')
      .every((piece) => wordsOf(found).includes(fold(piece.replaceAll('_', ' '))))
    return isThere ? [] : [`${row}: is not in ${witness}`]
  })
}
