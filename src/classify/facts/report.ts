// Facts about reports: what a message says of itself by its media types and its delivery status.
import { addressesNamed } from '../../mail/addresses.ts'
import { allValues, firstValue, type HeaderSection } from '../../mail/header.ts'
import type { Message } from '../../mail/message.ts'
import { trapMailbox } from '../recipient.ts'
import type { FactTable, Seen } from '../seen.ts'

export const reportFacts = {
  /** Why the message cannot be read whole. A part that was not read may change its meaning. */
  unreadable: ({ message }) => message.unreadable !== null,
  /** A complaint about abuse or failed authentication in the Abuse Reporting Format (RFC 5965, RFC 6591). */
  feedbackReport: ({ message }) => isOfType(message, /^(message\/)?feedback-report$/),
  /** An SMTP TLS report (RFC 8460 §5.3, §5.4). */
  tlsReport: ({ message }) => isOfType(message, /^tlsrpt$|^application\/tlsrpt/),
  /** A DMARC report, by its subject or file name (RFC 7489 §7.2.1.1). */
  dmarcReport: ({ message, subject }) =>
    /^\W*(report domain:\s*\S|dmarc (failure|forensic|aggregate) report\b)/.test(subject.folded) ||
    message.parts.some(({ filename }) => dmarcFile.test(filename)),
  /** A message disposition notification (RFC 8098 §3). */
  dispositionNotification: ({ message }) =>
    isOfType(message, /^(message\/(global-)?)?disposition-notification$/),
  /** By its Auto-Submitted or its disposition, it refuses a message, as Sieve's reject does (RFC 5429 §2.1). */
  refusal: ({ message }) =>
    /\brejected\b/i.test(firstValue(message.header, 'auto-submitted') ?? '') ||
    message.parts.some(
      ({ type, content }) =>
        type === 'message/disposition-notification' &&
        refused.test(Buffer.from(content.subarray(0, 4096)).toString('latin1')),
    ),

  /** It is a report (RFC 6522 §3). */
  report: isReport,
  /** A multipart/report for delivery (RFC 6522 §3). The report-type may be missing. */
  deliveryReport: (seen) =>
    isReport(seen) && ['', 'delivery-status'].includes(reportType(seen.message)),
  /** A multipart/report with a complete delivery status (RFC 3464). */
  statusReport: (seen) => isReport(seen) && seen.hasStatus,
  /** A complete delivery status in another multipart. People attach reports to their own mail, so a program must have sent it. */
  statusInMultipart: (seen) =>
    seen.hasStatus && seen.message.contentType.value.startsWith('multipart/') && seen.isAutomatic,
  /** A recipient's group has Final-Recipient, Action failed or delayed, and Status or Diagnostic-Code (RFC 3464 §2.3). */
  failedGroup: ({ status }) =>
    status?.recipients.some(
      ({ finalRecipient, action, status: code, diagnosticCode }) =>
        finalRecipient !== null &&
        (action === 'failed' || action === 'delayed') &&
        (code ?? diagnosticCode) !== null &&
        !code?.startsWith('2.'),
    ) ?? false,
  /** Nobody failed: every group's Action says so (RFC 3464 §2.3.3), or without groups the words do. */
  reportsSuccess: ({ status, saysSuccess }) =>
    status !== null && status.recipients.length > 0
      ? !status.recipients.some(({ action }) => action === 'failed' || action === 'delayed')
      : saysSuccess,
  /** The returned message has at least two of the fields that every message gets in transit. */
  returnsFields: (seen) => returnedHeader(seen) !== null,
  /** A trap is among the recipients that the report is about. */
  trapFailed: ({ status, traps }) =>
    status?.recipients.some(({ finalRecipient }) => traps.has(trapMailbox(finalRecipient ?? ''))) ??
    false,
  /** The returned message was written to a trap, and not by one. */
  returnedToTrap: (seen) => {
    const header = returnedHeader(seen)
    return header !== null && isWrittenTo(header, seen.traps)
  },
  /** The To field names nobody, and the returned message's reverse-path is no trap's: a forward brought the report here. */
  returnedByOthers: (seen) => {
    const header = returnedHeader(seen)
    if (addressesNamed(seen.message.header, 'to').length > 0) return false
    const from = header === null ? [] : addressesNamed(header, 'return-path')
    return from.length > 0 && !from.some((each) => seen.traps.has(trapMailbox(each)))
  },
  /** The To field names recipients, and no trap is among them. */
  addressedToOthers: ({ message, traps }) => {
    const to = addressesNamed(message.header, 'to')
    return to.length > 0 && traps.size > 0 && !to.some((each) => traps.has(trapMailbox(each)))
  },
  /** Neither reverse-path nor author is a mail system's, and no message is returned that the reader could have sent. */
  lacksReturnedMessage: (seen) => {
    if (!isFromMailbox(seen)) return false
    const header = returnedHeader(seen)
    return (
      header === null ||
      addressesNamed(header, 'to').some((each) => seen.readers.has(trapMailbox(each)))
    )
  },
  /** The reader alone failed. A mail system does not send its report to the mailbox that it could not reach. */
  readerFailed: (seen) => {
    if (!isFromMailbox(seen) && returnsReadersMessage(seen)) return false
    const { status, readers } = seen
    return (
      status?.recipients.every(({ finalRecipient }) =>
        readers.has(trapMailbox(finalRecipient ?? '')),
      ) ?? false
    )
  },
  /** A report with a link that returns nothing which reads as a message, and does not say what went wrong. */
  emptyPretence: (seen) => {
    if (!isReport(seen) && !(seen.hasStatus && seen.isAutomatic)) return false
    if (returnsReadersMessage(seen) || seen.saysTrouble || seen.saysReason) return false
    const found = seen.message.returned?.content.subarray(0, maxLinkBytes)
    const hasLink = seen.hasLink || /https?:/i.test(Buffer.from(found ?? []).toString('latin1'))
    return hasLink && !enhancedStatus.test(seen.words)
  },
} satisfies FactTable

/** An RFC 3463 status. A reply code alone does not count, since any number looks like one: `500 EUR`. */
const enhancedStatus = /(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])/

const maxLinkBytes = 64 * 1024

function isReport({ message }: Seen): boolean {
  return message.contentType.value === 'multipart/report'
}

/** Whether it has an author or a reverse-path, and neither belongs to a mail system. */
function isFromMailbox({ hasSender, hasNullSender, isFromMailSystem, from }: Seen): boolean {
  return !hasNullSender && !isFromMailSystem && (hasSender || from !== '')
}

/** Whether a message is returned that the reader may have written. */
function returnsReadersMessage(seen: Seen): boolean {
  const header = returnedHeader(seen)
  return header !== null && !isWrittenTo(header, seen.readers)
}

/** Whether somebody else wrote to one of the addresses. */
function isWrittenTo(header: HeaderSection, addresses: ReadonlySet<string>): boolean {
  const names = (field: string): boolean =>
    addressesNamed(header, field).some((each) => addresses.has(trapMailbox(each)))
  return names('to') && !['from', 'sender', 'return-path'].some(names)
}

/** The header of the returned message, if it has at least two fields that every message gets in transit; else null. */
function returnedHeader({ message }: Seen): HeaderSection | null {
  if (message.returned === null) return null
  const { header } = message.returned
  const has = transitFields.filter((name) => allValues(header, name).some((each) => each !== ''))
  return has.length > 1 ? header : null
}

const transitFields = ['from', 'to', 'message-id', 'date', 'received', 'return-path']

const dmarcFile = /^[^!\s]+![^!\s]+!\d+!\d[^/\s]*\.(xml|gz|zip)$/i
const refused =
  /^disposition:\s*automatic-action\/mdn-sent-automatically;\s*(deleted|denied|failed|rejected)/im

/** The report-type of a multipart/report (RFC 6522 §3), in lower case; '' if there is none. */
export function reportType(message: Message): string {
  if (message.contentType.value !== 'multipart/report') return ''
  return (message.contentType.parameters.get('report-type') ?? '').toLowerCase()
}

/** Whether the report, or one of its parts, is of such a type. */
function isOfType(message: Message, types: RegExp): boolean {
  return types.test(reportType(message)) || message.parts.some(({ type }) => types.test(type))
}
