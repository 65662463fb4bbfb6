// Rules for what looks like backscatter and is not. Each group runs before the rules that would take such mail.
import type { Rule } from '../rule.ts'

/** Before complete reports: what is sent to operators quotes them. */
export const operatorRules: readonly Rule[] = [
  {
    name: 'to-operator',
    verdict: 'other',
    all: ['toOperator'],
    none: ['statusReport', 'statusInMultipart'],
  },
]

/** After complete reports, before signed notices and bounces: tickets quote whole bounces. */
export const ticketFieldRules: readonly Rule[] = [
  { name: 'ticket', named: 'ticketField', verdict: 'ticket', all: ['ticketField'] },
]

/** After signed bounces: a bounce stays one when a list passes it on. */
export const listRules: readonly Rule[] = [
  { name: 'list', named: 'handedOn', verdict: 'list', all: ['handedOn'] },
  { name: 'list-precedence', verdict: 'list', all: ['listPrecedence'] },
  { name: 'list-author', verdict: 'list', all: ['listAuthor'], none: ['clearBounceTitle'] },
  { name: 'ticket-title', verdict: 'ticket', all: ['ticketTitle'], none: ['fromMailSystem'] },
  { name: 'mailing', named: 'mailingField', verdict: 'other', all: ['mailingField'] },
  {
    name: 'log-in-link',
    verdict: 'other',
    all: ['logInLink'],
    none: ['returnsMessage', 'statusReport', 'statusInMultipart'],
  },
  { name: 'site-program', verdict: 'other', all: ['siteProgram'], none: ['fromMailSystem'] },
]

/** After challenges, whose links have the same words. */
export const signUpRules: readonly Rule[] = [
  {
    name: 'confirmation',
    verdict: 'confirmation',
    all: ['signUpLink'],
    none: ['fromMailSystem', 'returnsMessage'],
  },
]
