// Rules for challenges: messages of challenge/response systems to the sender of a held message, who is usually forged.
import type { Rule } from '../rule.ts'

/** A system's own mark. The challenge may have the form of a delivery report, as Boxbe's have. */
export const challengeSystemRules: readonly Rule[] = [
  {
    name: 'challenge',
    named: 'challengeSystem',
    verdict: 'challenge-response',
    all: ['challengeSystem'],
    certain: { all: ['ownReversePath'] },
  },
]

export const challengeWordRules: readonly Rule[] = [
  {
    name: 'challenge-words',
    verdict: 'challenge-response',
    all: ['demandsAction', 'explainsChallenge'],
    any: ['nullSender', 'answersMessage', 'answerTitle', 'autoReplied'],
    none: ['handWritten', 'quotes', 'asksReader', 'fromMailSystem', 'fromReadersSite'],
  },
]
