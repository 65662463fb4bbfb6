// Mail that looks like backscatter and is none: complaints, policy reports, read receipts, lists, tickets. Each function
// here names the rule by which a message is one of them, or null. Called by classify before anything that can list.
import { allValues, firstValue, type HeaderSection } from './header-section.ts'
import type { Message } from './message.ts'

/** An abuse or authentication-failure complaint in the Abuse Reporting Format (RFC 5965, RFC 6591). */
export function feedbackReportRule(message: Message): string | null {
  if (reportType(message) === 'feedback-report') return 'arf-report-type'
  return hasPart(message, 'message/feedback-report') ? 'arf-part' : null
}

/** An SMTP TLS report (RFC 8460 §5.3, §5.4). */
export function tlsReportRule(message: Message): string | null {
  if (reportType(message) === 'tlsrpt') return 'tls-report-type'
  if (firstValue(message.header, 'tls-report-domain') !== undefined) return 'tls-report-domain'
  return message.parts.some(({ type }) => type.startsWith('application/tlsrpt'))
    ? 'tls-report-part'
    : null
}

/** A DMARC aggregate report by its subject or file name (RFC 7489 §7.2.1.1), or a failure report in plain words. */
export function dmarcReportRule(message: Message): string | null {
  if (/^\W*report domain:\s*\S+/i.test(message.subject)) return 'dmarc-report-subject'
  if (/^\W*dmarc (failure|forensic|aggregate) report\b/i.test(message.subject)) {
    return 'dmarc-report-subject'
  }
  const file = /^[^!\s]+![^!\s]+!\d+!\d+[^/\s]*\.(xml|gz|zip)$/i
  return message.parts.some(({ filename }) => file.test(filename)) ? 'dmarc-report-file' : null
}

/** A message disposition notification (RFC 8098 §3): somebody asked for it. */
export function dispositionNotificationRule(message: Message): string | null {
  if (reportType(message) === 'disposition-notification') return 'mdn-report-type'
  return hasPart(message, 'message/disposition-notification') ||
    hasPart(message, 'message/global-disposition-notification')
    ? 'mdn-part'
    : null
}

/** RFC 2919 and RFC 2369; what a list hands on comes from the list's host, whoever bounced or replied. */
const listFields = ['list-id', 'list-post', 'list-unsubscribe', 'x-mailing-list', 'mailing-list']

/** Mail of a mailing list or of its software. */
export function listMailRule(message: Message): string | null {
  const field = listFields.find((name) => firstValue(message.header, name) !== undefined)
  if (field !== undefined) return `list-field-${field}`
  return /^list\b/i.test(firstValue(message.header, 'precedence') ?? '') ? 'list-precedence' : null
}

/** Field names by which ticket and forge software marks its own mail. */
const ticketFields =
  /^(x-)?(rt-(ticket|originator|loop-prevention)|otrs-|zendesk-|freshdesk-|jira-|github-|gitlab-|redmine-|bugzilla-|launchpad-)/

/** An acknowledgement or notice of ticket software: somebody wrote to it, and it answered as it was set up to. */
export function ticketRule(message: Message): string | null {
  const field = message.header.fields.find(({ name }) => ticketFields.test(name))
  return field === undefined ? null : `ticket-field-${field.name}`
}

/** Local parts and display names under which mail systems speak for themselves (RFC 2142 §5, RFC 5321 §4.5.1). */
const mailSystemLocalPart =
  /(^|[<\s"])(mailer-?daemon|mail-?daemon|postmaster|double-bounce|mdaemon|mailerdaemon)(@|>|$|\s|")/i
const mailSystemName = /\bmail(er)?[ -](delivery[ -](sub)?system|daemon)\b/i

/** Whether the message speaks for a mail system, and not for a mailbox: by its From field, or as Exim's bounces say. */
export function isFromMailSystem(header: HeaderSection): boolean {
  return (
    firstValue(header, 'x-failed-recipients') !== undefined ||
    allValues(header, 'from').some(
      (from) => mailSystemLocalPart.test(from) || mailSystemName.test(from),
    )
  )
}

/** The report-type of a multipart/report (RFC 6522 §3), lower case, or ''. */
export function reportType(message: Message): string {
  if (message.contentType.value !== 'multipart/report') return ''
  return (message.contentType.parameters.get('report-type') ?? '').toLowerCase()
}

function hasPart(message: Message, type: string): boolean {
  return message.parts.some((part) => part.type === type)
}
