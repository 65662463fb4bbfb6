// The kinds of backscatter: their names, and the order that gives each its DNS code.

/** Kind number i is answered as 127.0.0.(3 + i), and is bit i of a mask. */
export const backscatterKinds = [
  'dsn',
  'auto-reply',
  'challenge-response',
  'content-notice',
  'callout',
] as const

export type BackscatterKind = (typeof backscatterKinds)[number]
