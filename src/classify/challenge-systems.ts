// Known challenge/response systems, each with the addresses, fields and names in its messages.

import { firstValue } from '../mail/header.ts'
import { foldAll, phraseIn } from './phrases.ts'
import type { Seen } from './seen.ts'

export interface ChallengeSystem {
  readonly name: string
  /** The mark is an address or field that only this system uses, so the wording need not be checked. */
  readonly isSure?: true
  readonly isMarked: (seen: Seen) => boolean
}

function header(seen: Seen, name: string): string {
  return (firstValue(seen.message.header, name) ?? '').slice(0, 500)
}

function words(...phrases: string[]): (seen: Seen) => boolean {
  const folded = foldAll(phrases)
  return ({ body }) => phraseIn(body.words, folded) !== undefined
}

/** The marks are from each system's documentation or default template. */
export const challengeSystems: readonly ChallengeSystem[] = [
  // TMDA: X-Delivery-Agent: TMDA/1.1.12, and Reply-To user-confirm+1058400000.12345.abcdef@
  {
    name: 'tmda',
    isSure: true,
    isMarked: (seen) =>
      /^tmda\//i.test(header(seen, 'x-delivery-agent')) &&
      (/[-+]confirm[-+]/i.test(header(seen, 'reply-to') + header(seen, 'from')) ||
        /confirm/.test(seen.subject.folded)),
  },
  {
    name: 'tmda',
    isSure: true,
    isMarked: (seen) =>
      /[-+]confirm\+?[-+](accept|done)?[-.+]?\d{8,}\.\d+\.[0-9a-f]{6}/i.test(
        header(seen, 'reply-to'),
      ),
  },
  // Active Spam Killer: "Please confirm (conf#0123…)"
  {
    name: 'ask',
    isMarked: (seen) =>
      /\(conf[#: ]\s?[0-9a-f]{8,}/.test(seen.subject.folded) || header(seen, 'x-askversion') !== '',
  },
  {
    name: 'boxbe',
    isSure: true,
    isMarked: (seen) =>
      /@([\w-]+\.)*boxbe\.com\b/.test(seen.from) || /^boxbe/i.test(header(seen, 'x-mailer')),
  },
  { name: 'boxbe', isMarked: words('www.boxbe.com/') },
  {
    name: 'spamarrest',
    isMarked: (seen) =>
      /spam ?arrest/.test(seen.from) || words('protected by spam arrest', 'spamarrest.com')(seen),
  },
  {
    name: 'earthlink',
    isMarked: words('spamblocker', 'i apologize for this automatic reply to your email'),
  },
  {
    name: 'uol',
    isMarked: (seen) =>
      /anti-?spam ?uol/.test(`${seen.from} ${seen.subject.folded}`) ||
      words('antispam uol', 'anti-spam uol')(seen),
  },
  {
    name: 'mailinblack',
    isMarked: (seen) => /mail ?in ?black/.test(seen.from) || words('mailinblack')(seen),
  },
  { name: '0spam', isMarked: words('0spam.com', '0spam ') },
  { name: 'qurb', isMarked: words('qurb') },
  { name: 'choicemail', isMarked: words('choicemail', 'digiportal') },
  { name: 'sendio', isMarked: words('sendio', 'sender address verification') },
  { name: 'bluebottle', isMarked: words('bluebottle') },
  { name: 'mailfrontier', isMarked: words('mailfrontier', 'matador') },
  { name: 'qconfirm', isMarked: words('qconfirm') },
  {
    name: 'service',
    isMarked: words(
      'knowspam',
      'spamcease',
      'mailblocks',
      'vanquish',
      'spamlion',
      'spamx',
      'usermail.com',
      'cleanmymailbox',
      'spamfence',
      'zaep',
      'spam interceptor',
    ),
  },
]
