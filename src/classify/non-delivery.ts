// Recognises bounces and delay notices without a complete message/delivery-status. Each rule combines what a message says with
// how it is made; no single mark is enough.

import { firstValue } from '../mail/header.ts'
import { speaksOfMail } from './body-text.ts'
import { isPhishingReport, lacksReturnedMessage } from './delivery-report.ts'
import { hasReplyCode } from './failed-recipients.ts'
import type { BounceFormat } from './formats/format.ts'
import { beginOf, isWrittenIn } from './formats/format.ts'
import { windowsFormats } from './formats/microsoft.ts'
import { providerFormats } from './formats/providers.ts'
import { unixFormats } from './formats/unix.ts'
import { reportType } from './lookalikes.ts'
import { phraseIsIn } from './phrases.ts'
import { failureReasons } from './reason-phrases.ts'
import { hasTitle } from './reply-words.ts'
import type { Seen } from './seen.ts'
import { addressesOf } from './sender.ts'
import { isNotifier, isWatcher } from './system-notices.ts'

/** Order counts: a program's own wording comes before wording that several programs share. */
const formats: readonly BounceFormat[] = [...unixFormats, ...windowsFormats, ...providerFormats]

const known = new WeakMap<Seen, BounceFormat | null>()

/** The format whose wording the message has, or null. Looked up once for each message. */
export function bounceFormat(seen: Seen): BounceFormat | null {
  let format = known.get(seen)
  if (format === undefined) {
    format = formats.find((each) => isWrittenIn(seen.body, each)) ?? null
    known.set(seen, format)
  }
  return format
}

/**
 * Whether the message has qmail's words but not qmail's format (cr.yp.to/proto/qsbmf.txt): in that, a mail system or the null
 * sender writes one paragraph for each recipient. People who ask about qmail quote its words.
 */
function quotesQmail(seen: Seen): boolean {
  const speaks = seen.isFromMailSystem || seen.hasNullSender
  return bounceFormat(seen)?.name === 'qmail' && !(speaks && seen.listsFailedRecipient)
}

/**
 * The rule by which a mail system says that it could not deliver mail, or null. The system must speak for itself and show the
 * mail or its recipient. These rules are certain enough for mail that a list passed on, too.
 */
export function mailSystemRule(seen: Seen): string | null {
  if (!seen.isFromMailSystem && !seen.hasNullSender) return null
  // A postmaster also writes letters by hand; they have a reverse-path.
  const isByHand = seen.isHandWritten || salutation.test(seen.body.words)
  const isLetter = seen.subject.isAnswer && (!seen.hasNullSender || isByHand)
  const isSigned = seen.isFromMailSystem && !isLetter
  if (!isSigned && seen.isLetter) return null
  if (hasPayload(seen) || isPhishingReport(seen)) return null
  const format = bounceFormat(seen)
  const isComplete =
    hasObject(seen) || (seen.subject.isBounce && !seen.hasLink && !hasAttachment(seen))
  const isLure = isAboutMailbox(seen) || (seen.hasSender && hasPhishingBait(seen))
  if (format !== null && isComplete && !isLure && !quotesQmail(seen)) return `format-${format.name}`
  if (
    seen.hasReturned &&
    (isLabelledReport(seen) || (seen.isFromMailSystem && seen.hasNullSender))
  ) {
    return 'mail-system-returns-message'
  }
  if (firstValue(seen.message.header, 'x-failed-recipients') !== undefined) {
    return 'exim-failed-recipients'
  }
  if (seen.subject.isBounce && seen.isFromMailSystem && isEmptyReport(seen)) {
    return 'mail-system-report'
  }
  if (seen.subject.isAnswer && seen.isAnswer && !seen.hasReturned && format === null) return null
  if (hasPhishingBait(seen) || seen.asksReader) return null
  if (seen.isHandWritten && !seen.subject.isBounce) return null
  if (seen.subject.isBounce && seen.hasReturned) return 'mail-system-returns-message'
  if (!seen.isFromMailSystem) {
    if (!isBareBounce(seen)) return null
    if (seen.namesFailedRecipient) return 'mail-system-names-recipient'
    if (!speaksOfMail(`${seen.subject.folded} ${seen.body.words}`)) return null
    const saysWhose = seen.recipients.length > 0 || phraseIsIn(seen.body.words, failureReasons)
    if (saysWhose) return 'null-sender-words'
    return mentionsFailure(seen) &&
      /\byou sent\b|\byour (e-?mail|message|mail|note)\b/.test(seen.body.words)
      ? 'null-sender-words'
      : null
  }
  if (seen.namesFailedRecipient) return 'mail-system-names-recipient'
  if (mentionsFailure(seen) && hasObject(seen)) return 'mail-system-names-failure'
  if (seen.hasSender || seen.hasLink) return null
  const saysWho = seen.recipients.length > 0 || seen.subject.folded.includes('@')
  if (mentionsFailure(seen) && saysWho && !speaksOfMailbox(seen)) return 'mail-system-names-failure'
  if (!seen.subject.isBounce) return null
  const saysWhy =
    mentionsFailure(seen) ||
    seen.body.lines.some(hasReplyCode) ||
    seen.recipients.length > 0 ||
    (seen.subject.isClearBounce && (seen.body.words !== '' || seen.message.parts.length === 0))
  return saysWhy && !speaksOfMailbox(seen) ? 'mail-system-words' : null
}

const salutation = /^(dear|hello|hi|hallo|lieber?|bonjour|cher|chere|hola|ciao|caro|cara) \p{L}+,/u

/**
 * Whether the message is nothing but a bounce. Forums, reports and logs also mention bounces, often from the null sender, but
 * they have a link or a tag in the subject.
 */
function isBareBounce(seen: Seen): boolean {
  const { subject, hasLink } = seen
  if (hasTitle(seen, 'title')) return false
  return subject.isClearBounce && !hasLink && !isTagged.test(subject.folded) && !isWatcher(seen)
}

const isTagged =
  /^(contact|web|feedback) ?form\b|^kontaktformular\b|^formula(ire|rio)\b|^\[[^\]]{1,60}\]|^.{1,60} \| |^(new|latest) (reply|answer|comment|post|topic|message|question)\b/

/**
 * The rule for a bounce with a gateway's own wording and title above the returned message, or null. It also holds for mail that a
 * list passed on.
 */
export function listedGatewayRule(seen: Seen): string | null {
  if (!seen.subject.isClearBounce || seen.subject.isAnswer || !seen.hasReturnedPart) return null
  const format = seen.returnsBounce ? null : bounceFormat(seen)
  return format === null || quotesQmail(seen) ? null : `format-${format.name}`
}

/**
 * The rule for a bounce whose author is not clearly a mail system, or null: a gateway under its own name, or a bounce that lost
 * its reverse-path. Title, words and the returned mail or recipient must all be there, and nothing that a personal letter has.
 */
export function unnamedSystemRule(seen: Seen): string | null {
  if (!isTitled(seen) && !isReport(seen) && !isWhole(seen)) return null
  const isReported = isReport(seen) && !lacksReturnedMessage(seen)
  if (isReported && (seen.subject.isClearBounce || mentionsFailure(seen)) && hasObject(seen)) {
    return 'report-without-status'
  }
  if (seen.returnsBounce || hasPhishingBait(seen)) return null
  if (seen.isHandWritten && !seen.isAutomatic) return null
  const isRemark = seen.isLetter && !/[^:] ?: ?non remis\b/.test(seen.subject.folded)
  if (isRemark) return null
  if (isNumbered.test(seen.subject.folded) && !seen.hasReturned) return null
  const format = bounceFormat(seen)
  if (format !== null && (isIntroduced(seen, format) || quotesQmail(seen))) return null
  if (
    format !== null &&
    (isTitled(seen) ? hasObject(seen) || seen.recipients.length > 0 : isWhole(seen))
  ) {
    return `format-${format.name}`
  }
  if (!mentionsFailure(seen)) return null
  if (seen.subject.isClearBounce && seen.hasReturned) return 'titled-failure-returns-message'
  const isService = isWatcher(seen) || (isNotifier(seen) && seen.hasLink)
  if (seen.subject.isClearBounce && seen.listsFailedRecipient && !isService)
    return 'titled-failure-names-recipient'
  return seen.isAutomatic && seen.namesFailedRecipient && seen.hasReturned
    ? 'automatic-failure-returns-message'
    : null
}

/** Titles of bug trackers: `[mail 0001234]: …`. */
const isNumbered = /^\[[^\]]{0,40}\d{3,}\]/

/** Whether a person, or his mail program, introduces a quotation before the format's words. */
function isIntroduced({ body, isAutomatic }: Seen, format: BounceFormat): boolean {
  return !isAutomatic && introduction.test(body.words.slice(0, Math.max(0, beginOf(body, format))))
}

const introduction =
  /\?|\b(i|i'm|i've|my|me|ich|mir|je|moi|yo|io|eu|ik|ja)\b|\b(from|von|de|da|van|od|от): .{1,200}? (sent|gesendet|envoye|enviado|inviato|verzonden|wyslano|отправлено): /

function isTitled({ subject, isAutomatic }: Seen): boolean {
  return subject.isClearBounce || isAutomatic
}

/** Whether the message shows both the mail that could not be delivered and its recipient. */
function isWhole(seen: Seen): boolean {
  return seen.namesFailedRecipient && seen.hasReturned
}

function mentionsFailure(seen: Seen): boolean {
  return seen.saysFailure || seen.saysDelay
}

/** Whether the message shows the mail that could not be delivered, or its recipient. */
function hasObject(seen: Seen): boolean {
  return seen.namesFailedRecipient || seen.hasReturned
}

/** Whether it is a delivery report that lost its parts on the way, or never had a boundary. */
function isEmptyReport(seen: Seen): boolean {
  return isReport(seen) && seen.message.parts.length === 0 && seen.message.text.trim() === ''
}

/** Whether it has the complete Content-Type of a delivery report (RFC 6522 §3). */
function isLabelledReport({ message }: Seen): boolean {
  return reportType(message) === 'delivery-status'
}

/** Whether it is a multipart/report for delivery; the report-type may be missing. */
function isReport({ message }: Seen): boolean {
  const type = reportType(message)
  return (
    message.contentType.value === 'multipart/report' && (type === '' || type === 'delivery-status')
  )
}

/**
 * Whether the message has bait that mail systems do not send: an attachment to open, or a link. It counts only if no message was
 * returned, no format is known, no server's reply is quoted, and no failed recipient is named but the reader.
 */
function hasPhishingBait(seen: Seen): boolean {
  if (seen.hasReturned) return false
  if (isAboutMailbox(seen) || (seen.hasSender && seen.message.hasHtmlLink)) return true
  if (hasAttachment(seen)) return true
  if (!seen.hasLink) return false
  // Without a To field, we cannot tell the reader from other recipients.
  const namesOther = seen.namesFailedRecipient && addressesOf(seen.message.header, 'to').length > 0
  return !namesOther && bounceFormat(seen) === null && !seen.body.lines.some(hasReplyCode)
}

function hasAttachment({ message }: Seen): boolean {
  return message.parts.some(
    ({ type }) => !type.startsWith('message/') && !type.startsWith('image/'),
  )
}

/**
 * Whether it asks the reader to save his mailbox, password or waiting mail on a web page. It must return nothing and name no
 * failed recipient but the reader. If it has a reverse-path, or instructions for the page, it may name others too.
 */
function isAboutMailbox(seen: Seen): boolean {
  if (!seen.hasLink || seen.hasReturned || !speaksOfMailbox(seen)) return false
  return !seen.hasNullSender || !seen.namesFailedRecipient || askedToAct.test(seen.body.words)
}

const mailboxWords =
  /\byour (\S+ ){0,2}(mailbox|inbox|password|storage|quota|cloud|webmail|account|outgoing|incoming)\b|\b(password|account|mailbox) (will |is |has )?(be )?(expire[sd]?|expiring|suspended|deactivated|disabled|out of date|upgraded?)\b|\b(pending|held|incoming|unreceived|undelivered|blocked|quarantined|suspended|\d+\)?) (incoming |new |pending |undelivered )?(e-?mails|mails|messages)\b|\b(release|retrieve|recover|restore|review|receive) (your |the |these |all |pending |held |undelivered )*(e-?mails|messages)\b|\bclick (here|below)\b|\bclick (on )?the (link|button)\b|\bupgrade now\b/

const askedToAct =
  /\b(release|retrieve|recover|restore|review) (your |the |these |all |pending |held |undelivered )*(e-?mails|mails|messages)\b|\b(verify|validate|upgrade|update|re-?activate|confirm|keep) your (account|mailbox|password|e-?mail|ownership|identity)\b/

function speaksOfMailbox({ body, subject }: Seen): boolean {
  return mailboxWords.test(body.words) || mailboxWords.test(subject.folded)
}

/** Whether it is a worm's mail: worms write whole bounces, also in Sendmail's words, around an attachment to open. */
export function hasPayload(seen: Seen): boolean {
  if (seen.hasReturned || seen.status !== null) return false
  return (
    seen.message.parts.some(({ filename }) => payloadFile.test(filename)) ||
    payloadLink.test(seen.body.words)
  )
}

const payloadFile =
  /\.(zip|rar|7z|gz|ace|arj|cab|exe|pif|scr|com|bat|cmd|cpl|hta|js|jse|vbs|vbe|wsf|lnk|iso|img|docm|xlsm|jar)\s*$/i

const payloadLink = /\bhttps?:\/\/\S{1,200}\.(zip|rar|7z|exe|scr|pif|msi|iso|vbs|hta)\b/

/** The rule for mail with the sender and title of a bounce, but with something to open or click; or null. */
export function lureRule(seen: Seen): string | null {
  return seen.isFromMailSystem && seen.subject.isBounce && hasPhishingBait(seen)
    ? 'bounce-with-lure'
    : null
}
