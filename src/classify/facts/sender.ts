// Facts about who sent the message: its reverse-path and its author.
import type { FactTable } from '../seen.ts'

export const senderFacts = {
  /** The reverse-path is the null sender (RFC 5321 §4.5.5), or a mail system's address, which some systems use instead. */
  nullSender: ({ hasNullSender }) => hasNullSender,
  /** The reverse-path is the null sender itself. */
  emptyReversePath: ({ reversePath }) => reversePath === '',
  /** The reverse-path is an address that is not a mail system's. */
  hasSender: ({ hasSender }) => hasSender,
  /** The From field names a mail system. */
  fromMailSystem: ({ isFromMailSystem }) => isFromMailSystem,
  /** The reverse-path is null or a mail system's, or it is unknown and the author is a mail system. */
  systemSends: ({ hasNullSender, hasSender, isFromMailSystem }) =>
    hasNullSender || (!hasSender && isFromMailSystem),
  /** The reverse-path or the author is a mail system's. */
  mailSystem: ({ hasNullSender, isFromMailSystem }) => hasNullSender || isFromMailSystem,
} satisfies FactTable
