// Rules for messages that somebody asked for, and for those that prove nothing.
import type { Rule } from '../rule.ts'

export const requestedRules: readonly Rule[] = [
  { name: 'unreadable-message', verdict: 'other', all: ['unreadable'] },
  { name: 'arf', named: 'feedbackReport', verdict: 'arf', all: ['feedbackReport'] },
  { name: 'tls-report', named: 'tlsReport', verdict: 'tls-report', all: ['tlsReport'] },
  { name: 'dmarc-report', named: 'dmarcReport', verdict: 'dmarc-report', all: ['dmarcReport'] },
]
