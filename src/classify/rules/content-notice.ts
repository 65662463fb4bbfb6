// Rules for the notices of virus and content scanners to the sender of a stopped message, who is usually forged.
import type { Rule } from '../rule.ts'
import { programAnswers } from './challenge.ts'
import { certainReport } from './dsn.ts'

/** A letter, a worm's mail, and a notice to who was to get the mail or to users of the same site. */
const unlikeNotice = [
  'letter',
  'handWritten',
  'payload',
  'fromReadersSite',
  'saysReaderReceives',
] as const

/** A scanner's own mark or title. The notice may have the form of a delivery report, as amavisd's and Barracuda's have. */
export const scannerRules: readonly Rule[] = [
  {
    name: 'content-notice',
    named: 'scanner',
    verdict: 'content-notice',
    all: ['scanner'],
    any: ['saysReaderSent', 'noticeTitle'],
    none: ['saysReaderReceives'],
    certain: programAnswers,
  },
  {
    name: 'content-notice-title',
    verdict: 'content-notice',
    all: ['noticeTitle', 'programSent'],
    any: ['saysReaderSent', 'namesMail'],
    none: unlikeNotice,
    certain: certainReport,
  },
]

/** These come before the rules for bounces: such a notice also says who did not get the mail. */
export const signedNoticeRules: readonly Rule[] = [
  {
    name: 'content-notice-signed',
    verdict: 'content-notice',
    all: ['namesScanner', 'programSent', 'saysFound', 'saysReaderSent'],
    none: [...unlikeNotice, 'bounceFormat'],
  },
  // Threats have the same names in all languages.
  {
    name: 'content-notice-threat',
    verdict: 'content-notice',
    all: ['systemSends', 'namesThreat'],
    any: ['saysReaderSent', 'namesMail'],
    none: [...unlikeNotice, 'link', 'bounceFormat', 'replyCode'],
  },
]

export const noticeWordRules: readonly Rule[] = [
  {
    name: 'content-notice-words',
    verdict: 'content-notice',
    all: ['systemSends', 'saysFound', 'saysReaderSent'],
    none: [...unlikeNotice, 'link', 'absentTitle', 'replyTitle'],
  },
]
