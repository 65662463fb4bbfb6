// Rules for messages that somebody asked for, and for those that prove nothing.
import type { Rule } from '../rule.ts'

export const requestedRules: readonly Rule[] = [
  { name: 'unreadable-message', verdict: 'other', all: ['unreadable'] },
  { name: 'arf', verdict: 'arf', all: ['feedbackReport'] },
  { name: 'tls-report', verdict: 'tls-report', all: ['tlsReport'] },
  { name: 'dmarc-report', verdict: 'dmarc-report', all: ['dmarcReport'] },
  { name: 'journal', verdict: 'other', all: ['journal'] },
  // Unlike a read receipt, nobody asked for a refusal in its form.
  {
    name: 'mdn-rejected',
    verdict: 'dsn',
    all: ['dispositionNotification', 'refusal'],
    any: ['returnsPart', 'fromMailSystem'],
  },
  { name: 'mdn', verdict: 'mdn', all: ['dispositionNotification'] },
]
