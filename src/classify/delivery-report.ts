// Recognises delivery reports with a delivery status (RFC 3464, RFC 6522), and mail that only has their form.

import { isPlausible } from '../mail/delivery-status.ts'
import { allValues, type HeaderSection } from '../mail/header.ts'
import { phraseIsIn } from './phrases.ts'
import { failureReasons } from './reason-phrases.ts'
import type { Seen } from './seen.ts'
import { addressesOf } from './sender.ts'

/**
 * The rule for a delivery report, or null. A complete delivery status is proof, unless the report is false. Outside a
 * multipart/report (RFC 6522) the message must also come from a mail system: people attach reports to their own mail to ask what
 * went wrong.
 */
export function statusRule(seen: Seen): string | null {
  if (!isReported(seen) || isFalse(seen)) return null
  return isReport(seen) ? 'rfc3464-report' : 'rfc3464-status-in-other-multipart'
}

/** The rule by which a message with a complete delivery status is a forged report, or null. */
export function falseReportRule(seen: Seen): string | null {
  return isReported(seen) && isFalse(seen) ? 'false-report' : null
}

function isReported(seen: Seen): boolean {
  const { message, status, isAutomatic } = seen
  if (status === null || !isPlausible(status)) return false
  return isReport(seen) || (message.contentType.value.startsWith('multipart/') && isAutomatic)
}

function isReport({ message }: Seen): boolean {
  return message.contentType.value === 'multipart/report'
}

function isFalse(seen: Seen): boolean {
  return lacksReturnedMessage(seen) || isAboutReader(seen) || hasNothingToReport(seen)
}

/** Whether a multipart/report is phishing or spam, whatever its delivery status says. */
export function isPhishingReport(seen: Seen): boolean {
  return isReport(seen) && hasNothingToReport(seen)
}

/**
 * Whether the report lacks what a mail system's report has. It comes neither from the null sender, as RFC 3464 §2 requires, nor
 * from a mail system's name, and it returns no message that its reader could have sent.
 */
export function lacksReturnedMessage(seen: Seen): boolean {
  if (!isFromMailbox(seen)) return false
  const header = returnedHeader(seen)
  return header === null || addressesOf(header, 'to').some((each) => seen.readers.includes(each))
}

/** Whether it has an author or a reverse-path, and neither belongs to a mail system. */
function isFromMailbox({ hasSender, hasNullSender, isFromMailSystem, from }: Seen): boolean {
  return !hasNullSender && !isFromMailSystem && (hasSender || from !== '')
}

/**
 * Whether the only failed recipient is the report's own reader. A mail system does not send its report to the mailbox that it
 * could not reach.
 */
function isAboutReader(seen: Seen): boolean {
  const { status, readers } = seen
  if (!isFromMailbox(seen) && returnsReadersMessage(seen)) return false
  return (
    status?.recipients.every(({ finalRecipient }) =>
      readers.includes((finalRecipient ?? '').toLowerCase()),
    ) ?? false
  )
}

/** Whether the report has a link, returns nothing that reads as a message, and does not say what went wrong. */
function hasNothingToReport(seen: Seen): boolean {
  if (returnsReadersMessage(seen)) return false
  const found = seen.message.returned
  const hasLink = seen.hasLink || (found !== null && /https?:/i.test(firstText(found.content)))
  if (!hasLink) return false
  return !(
    seen.saysFailure ||
    seen.saysDelay ||
    phraseIsIn(seen.body.words, failureReasons) ||
    enhancedStatus.test(seen.body.words)
  )
}

/** An RFC 3463 status. A reply code alone does not count, since any number looks like one: `500 EUR`. */
const enhancedStatus = /(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])/

function firstText(content: Uint8Array): string {
  return Buffer.from(content.subarray(0, 64 * 1024)).toString('latin1')
}

/** Whether the report returns a message that its reader, the report's recipient, may have written. */
function returnsReadersMessage(seen: Seen): boolean {
  const header = returnedHeader(seen)
  if (header === null) return false
  const namesReader = (name: string): boolean =>
    addressesOf(header, name).some((each) => seen.readers.includes(each))
  return !namesReader('to') || authorFields.some(namesReader)
}

const authorFields = ['from', 'sender', 'return-path']

/** The header of the returned message, if it has at least two fields that every message gets in transit; else null. */
function returnedHeader({ message }: Seen): HeaderSection | null {
  if (message.returned === null) return null
  const { header } = message.returned
  const has = messageFields.filter((name) => allValues(header, name).some((value) => value !== ''))
  return has.length > 1 ? header : null
}

const messageFields = ['from', 'to', 'message-id', 'date', 'received', 'return-path']
