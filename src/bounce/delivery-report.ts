// multipart/report with a delivery status (RFC 3464, RFC 6522): is it a mail system's report, or mail that only has
// its form?
import { isPlausible } from './dsn.ts'
import { allValues, type HeaderSection, readHeaderSection } from './header-section.ts'
import type { Observation } from './observation.ts'
import { phraseIsIn } from './phrases.ts'
import { failureReasons } from './reason-phrases.ts'
import { returnedContent } from './returned.ts'
import { addressesOf } from './sender.ts'

/**
 * A complete delivery status is proof, unless the report is false. Outside a multipart/report (RFC 6522) it must also
 * come from a mail system: people attach reports to their own mail when they ask what went wrong.
 */
export function statusRule(seen: Observation): string | null {
  if (!isReported(seen) || isFalse(seen)) return null
  return isReport(seen) ? 'rfc3464-report' : 'rfc3464-status-in-other-multipart'
}

/** The rule by which somebody wrote it by hand in the form of a report, with a complete delivery status; or null. */
export function falseReportRule(seen: Observation): string | null {
  return isReported(seen) && isFalse(seen) ? 'false-report' : null
}

function isReported(seen: Observation): boolean {
  const { message, status, isAutomatic } = seen
  if (status === null || !isPlausible(status)) return false
  return isReport(seen) || (message.contentType.value.startsWith('multipart/') && isAutomatic)
}

function isReport({ message }: Observation): boolean {
  return message.contentType.value === 'multipart/report'
}

function isFalse(seen: Observation): boolean {
  return isHollow(seen) || isAboutReader(seen) || hasNothingToReport(seen)
}

/** Phishing or spam in a multipart/report, whatever its delivery status says. */
export function isReportLure(seen: Observation): boolean {
  return isReport(seen) && hasNothingToReport(seen)
}

/**
 * It comes neither from the null sender (RFC 3464 §2 asks for it) nor from a mail system's name, and returns no
 * message that its reader could have sent. A system that reports an undelivered message returns it.
 */
export function isHollow(seen: Observation): boolean {
  if (!isSomebodys(seen)) return false
  const header = returnedHeader(seen)
  return header === null || addressesOf(header, 'to').some((each) => seen.readers.includes(each))
}

/** It has an author or a reverse-path, and neither belongs to a mail system. */
function isSomebodys({ hasSender, hasNullSender, isFromMailSystem, from }: Observation): boolean {
  return !hasNullSender && !isFromMailSystem && (hasSender || from !== '')
}

/**
 * Its only failed recipient is its reader. A mail system does not send a person the mail that it failed to deliver to
 * him.
 */
function isAboutReader(seen: Observation): boolean {
  const { status, readers } = seen
  if (!isSomebodys(seen) && givesBack(seen)) return false
  return (
    status?.recipients.every(({ finalRecipient }) =>
      readers.includes((finalRecipient ?? '').toLowerCase()),
    ) ?? false
  )
}

/** It has a link, returns nothing that reads as a message, and says nothing about what went wrong. */
function hasNothingToReport(seen: Observation): boolean {
  if (givesBack(seen)) return false
  const found = returnedContent(seen.message)
  const hasLink = seen.hasLink || (found !== null && /https?:/i.test(firstText(found.content)))
  if (!hasLink) return false
  return !(
    seen.saysFailure ||
    seen.saysDelay ||
    phraseIsIn(seen.body.words, failureReasons) ||
    enhancedStatus.test(seen.body.words)
  )
}

/** An RFC 3463 status. A reply code alone could be any number: `500 EUR`. */
const enhancedStatus = /(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])/

function firstText(content: Uint8Array): string {
  return Buffer.from(content.subarray(0, 64 * 1024)).toString('latin1')
}

/** A message came back, and its reader may have written it. */
function givesBack(seen: Observation): boolean {
  const header = returnedHeader(seen)
  if (header === null) return false
  const namesReader = (name: string): boolean =>
    addressesOf(header, name).some((each) => seen.readers.includes(each))
  return !namesReader('to') || authorFields.some(namesReader)
}

const authorFields = ['from', 'sender', 'return-path']

/** The header of what came back, if it has at least two fields that every message gets on its way; else null. */
function returnedHeader({ message }: Observation): HeaderSection | null {
  const found = returnedContent(message)
  if (found === null) return null
  const header = readHeaderSection(found.content.subarray(0, 64 * 1024))
  const has = messageFields.filter((name) => allValues(header, name).some((value) => value !== ''))
  return has.length > 1 ? header : null
}

const messageFields = ['from', 'to', 'message-id', 'date', 'received', 'return-path']
