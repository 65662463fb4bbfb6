// Facts about reports: what a message says of itself by its media types and its delivery status.
import type { FactTable } from '../fact.ts'
import { dmarcReportRule, feedbackReportRule, tlsReportRule } from '../lookalikes.ts'

export const reportFacts = {
  /** Why the message cannot be read whole. A part that was not read may change its meaning. */
  unreadable: ({ message }) => message.unreadable !== null,
  /** A complaint about abuse or failed authentication in the Abuse Reporting Format (RFC 5965, RFC 6591). */
  feedbackReport: ({ message }) => feedbackReportRule(message),
  /** An SMTP TLS report (RFC 8460 §5.3, §5.4). */
  tlsReport: ({ message }) => tlsReportRule(message),
  /** A DMARC report, by its subject or file name (RFC 7489 §7.2.1.1). */
  dmarcReport: ({ message }) => dmarcReportRule(message),
} satisfies FactTable
