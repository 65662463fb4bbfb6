// Facts about challenges: a system holds the reader's message and asks him to prove that he sent it.
import type { FactTable } from '../fact.ts'
import { challengeSystems, knownSystem } from '../known-systems.ts'
import { phraseIsIn, phrasesOf } from '../phrases.ts'
import type { Seen } from '../seen.ts'
import { addressesOf, domainOf } from '../sender.ts'

const says = (statement: string) => {
  const phrases = phrasesOf('challenge-response', statement)
  return ({ from, said }: Seen): boolean => phraseIsIn(`${from} ${said}`, phrases)
}

const reasons = ['sender', 'once', 'defence'].map(says)
const circumstances = ['held', 'about'].map(says)

export const challengeFacts = {
  /** The challenge system whose own fields or addresses the message has. */
  challengeSystem: (seen) => knownSystem(seen, challengeSystems),
  /** The reverse-path is null, unknown, a mail system's, or in a domain of the author, sender or reply address. */
  ownReversePath: ({ hasSender, reversePath, message: { header } }) =>
    !hasSender ||
    ['from', 'sender', 'reply-to']
      .flatMap((name) => addressesOf(header, name))
      .some((address) => domainOf(address) === domainOf(reversePath ?? '')),
  /** It asks the reader a question that a program would not ask. */
  asksReader: ({ asksReader }) => asksReader,
  /** The reader must do something: answer, open a page, fill in a form. */
  demandsAction: says('demand'),
  /**
   * At least two of these are said, and one of the first three: only mail of known senders is let through, the reader is asked only
   * once, spam is kept out; his mail is held until then, it is about mail that he sent.
   */
  explainsChallenge: (seen) => {
    const count = reasons.filter((says) => says(seen)).length
    return count > 0 && count + circumstances.filter((says) => says(seen)).length > 1
  },
} satisfies FactTable
