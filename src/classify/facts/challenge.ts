// Facts about challenges: a system holds the reader's message and asks him to prove that he sent it.
import { addressesNamed } from '../../mail/addresses.ts'
import { challengeSystems, knownSystem } from '../known-systems.ts'
import { hasPhrase } from '../phrases.ts'
import type { FactTable, Seen } from '../seen.ts'
import { domainOf } from '../sender.ts'

const says = ({ from, said }: Seen, ...statements: string[]): number =>
  statements.filter((each) => hasPhrase(`${from} ${said}`, 'challenge-response', each)).length

export const challengeFacts = {
  /** The challenge system whose own fields or addresses the message has. */
  challengeSystem: (seen) => knownSystem(seen, challengeSystems),
  /** The reverse-path is null, unknown, a mail system's, or in a domain of the author, sender or reply address. */
  ownReversePath: ({ hasSender, reversePath, message: { header } }) =>
    !hasSender ||
    ['from', 'sender', 'reply-to']
      .flatMap((name) => addressesNamed(header, name))
      .some((address) => domainOf(address) === domainOf(reversePath ?? '')),
  /** It asks the reader a question that a program would not ask. */
  asksReader: ({ asksReader }) => asksReader,
  /** The reader must do something: answer, open a page, fill in a form. */
  demandsAction: (seen) => says(seen, 'demand') > 0,
  /**
   * At least two of these are said, and one of the first three: only mail of known senders is let through, the reader is asked only
   * once, spam is kept out; his mail is held until then, it is about mail that he sent.
   */
  explainsChallenge: (seen) => {
    const reasons = says(seen, 'sender', 'once', 'defence')
    return reasons > 0 && reasons + says(seen, 'held', 'about') > 1
  },
} satisfies FactTable
