// Facts about bounces in words: what was not delivered, to whom, and what a bounce does not have.
import { firstValue } from '../../mail/header.ts'
import { hasReplyCode, opensParagraph } from '../failed-recipients.ts'
import type { FactTable, Seen } from '../seen.ts'
import { reportType } from './report.ts'

export const deliveryFacts = {
  /** The mail system whose exact sentences the message has. */
  bounceFormat: ({ format }) => format?.system ?? null,
  /** A person introduces the format's sentences: he asks something, says I, or forwards them. */
  introducesFormat: ({ format, words, isAutomatic }) =>
    format !== null && !isAutomatic && introduction.test(words.slice(0, format.at)),
  /** Words that say that mail was not delivered, or not yet. */
  saysTrouble: ({ saysTrouble }) => saysTrouble,
  /** An address. */
  namesAddress: ({ recipients, subject }) => recipients.length > 0 || subject.folded.includes('@'),
  /** An address in the title. */
  titleNamesAddress: ({ subject }) => subject.folded.includes('@'),
  /** The address of a failed recipient: next to a reason, or in a form that marks it. */
  namesFailedRecipient: ({ namesFailedRecipient }) => namesFailedRecipient,
  /** The same where only a program puts it. */
  listsFailedRecipient: ({ recipients }) =>
    recipients.some(({ isMarked, isListed }) => isMarked && isListed),
  /** A field that names failed recipients, which Exim writes. */
  failedRecipientsField: ({ message }) =>
    firstValue(message.header, 'x-failed-recipients') !== undefined,
  /** A message or its header section below the words or as a part. */
  returnsMessage: ({ hasReturned }) => hasReturned,
  /** The same as a part. */
  returnsPart: ({ hasReturnedPart }) => hasReturnedPart,
  /** The mail that was not delivered, or its recipient. */
  showsMail: ({ namesFailedRecipient, hasReturned }) => namesFailedRecipient || hasReturned,
  /** The returned message is itself a bounce, which somebody passes on. */
  returnsBounce: ({ returnsBounce }) => returnsBounce,
  /** The title of a bounce. */
  bounceTitle: ({ subject }) => subject.isBounce,
  /** The title of a bounce in words that are seldom used for anything but mail. */
  clearBounceTitle: ({ subject }) => subject.isClearBounce,
  /** The complete Content-Type of a delivery report (RFC 6522 §3). */
  labelledReport: ({ message }) => reportType(message) === 'delivery-status',
  /** A person's letter. A mail system's `Re:` is none, unless it has a reverse-path or a mail program's marks. */
  byHand: ({ isFromMailSystem, isLetter, isHandWritten, subject, hasSender }) =>
    isFromMailSystem ? subject.isAnswer && (hasSender || isHandWritten) : isLetter,
  /** A person's letter, or mail from his mail program that no program sent. */
  remark: ({ isLetter, isHandWritten, isAutomatic, subject }) =>
    (isLetter && !/[^:] ?: ?non remis\b/.test(subject.folded)) || (isHandWritten && !isAutomatic),
  /** An answer, or a letter without a bounce's title that a person wrote. */
  personal: ({ subject, isHandWritten }) =>
    subject.isAnswer || (isHandWritten && !subject.isBounce),
  /** A tracker's or forum's number in the title: `[mail 0001234]: …`. */
  numberedTitle: ({ subject }) => /^\[[^\]]{0,40}\d{3,}\]/.test(subject.folded),
  /** Something to open or click that mail systems do not send, and no returned mail. */
  bait: hasBait,
  /** A part that is neither a message nor a picture. An SVG file may have links. */
  attachedFile: hasAttachedFile,
} satisfies FactTable

/** Words of somebody who speaks for himself or forwards a mail, above the sentences of a bounce. */
const introduction = /\?|\b(i|i'm|i've|my|me|ich|mir|je|moi|yo|io|eu|ik|ja)\b/

function hasAttachedFile({ message }: Seen): boolean {
  return message.parts.some(({ type }) => !/^(message|image)\/(?!svg)/.test(type))
}

/** A link is no bait in a server's reply, in a mail system's format, or below a recipient's paragraph. */
function hasBait(seen: Seen): boolean {
  if (seen.hasReturned) return false
  if (hasAttachedFile(seen) || (seen.hasSender && seen.hasLink)) return true
  const { lines } = seen
  if (seen.format !== null || lines.some(opensParagraph)) return false
  return (
    seen.message.hasHtmlLink || lines.some((line) => /https?:/i.test(line) && !hasReplyCode(line))
  )
}
