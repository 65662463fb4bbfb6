// The kinds of backscatter, and what a message can be instead.

/** Kind number i is answered as 127.0.0.(3 + i), and is bit i of a mask. */
export const backscatterKinds = [
  'dsn',
  'auto-reply',
  'challenge-response',
  'content-notice',
  'callout',
] as const

export type BackscatterKind = (typeof backscatterKinds)[number]

export type NotBackscatter =
  | 'arf'
  | 'dmarc-report'
  | 'tls-report'
  | 'mdn'
  | 'list'
  | 'confirmation'
  | 'ticket'
  | 'spam'
  | 'other'

/** A certain verdict can list its host. A likely one only adds to the counts of certain ones. */
export const certainties = ['certain', 'likely'] as const

export type Certainty = (typeof certainties)[number]
