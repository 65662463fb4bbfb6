// Facts that mark innocents: mail that somebody asked for, that a list passed on, or that a program writes to everybody. Most are
// fields that only such software sets.
import { firstValue } from '../../mail/header.ts'
import type { Message } from '../../mail/message.ts'
import type { FactTable, Seen } from '../seen.ts'
import { mailboxOf } from '../sender.ts'

/** Lists (RFC 2919, RFC 2369), and news that a gateway mails (RFC 5536). */
const listFields =
  /^(list-(id|post|unsubscribe)|x-mailing-list|mailing-list|newsgroups|x-list-administrivia)$/

/** Ticket and forge software. */
const ticketFields =
  /^(x-)?(rt-(ticket|originator|loop-prevention)|otrs-|znuny-|zendesk-|freshdesk-|fd-|jira-|github-|gitlab-|redmine-|bugzilla-|launchpad-|discourse-|phabricator-|gitea-|forgejo-|gerrit-|trac-|debian-pr-|zammad-|mantis-|kayako-|helpscout(-|$)|servicenow-|youtrack-|freescout-|intercom-|gorgias-|osticket-)/

/** Mailing services: Mailchimp, Mandrill, Brevo, Mailjet, SendGrid, Mailgun, SES, Salesforce, Eloqua, members of the CSA. */
const mailingFields =
  /^(feedback-id|x-(campaign(-?id)?|mc-user|mandrill-user|mailin-(eid|campaign|client)|mj-(mid|smtpguid)|sg-(eid|id)|mailgun-(sid|variables|tag)|ses-outgoing|sfmc-stack|elqsiteid|csa-complaints|report-abuse|rpcampaign))$/

/** Scripts of web sites: PHP's mail.add_x_header, phpBB, Contact Form 7. */
const scriptFields = /^x-(php-(originating-)?script|phpbb-origin|wpcf7-content-type)$/

/** Programs of web sites and mass mailings that name themselves. */
const scriptPrograms =
  /\b(php|phpmailer|phpbb\d?|vbulletin|wordpress|drupal|joomla|typo3|ip\.board|invision|xenforo|sendblaster|sarbacane|mailchimp|sendinblue|cpanel)\b/i

/** Links that open a sign-up: `https://shop.example/confirm/1f3a`, `…/ucp.php?mode=activate&k=1f3a`. */
const signUp = /[/?&=._-](confirm|verify|activate|validate|opt-?in|doi|subscribe|register|wp-login)/

/** Links to a page that asks for a password: `https://x.example/login`, `…/owa/signin?u=`. */
const logIn = /[/?&=._-](log-?[io]n|sign-?in|webmail|owa)\b/

/** A ticket's number in brackets: `[Ticket#2026112410000017]`, `[#ABC-123-45678]`, `[Support #4711]`, `[Caso: 00123]`. */
const ticketTitle = /\[[^[\]#:]{0,40}[#:] ?[a-z-]{0,20}\d{3,30}(-\d{1,12})?\]/

/** Titles of Postfix (smtpd_chat.c), Exim (deliver.c), cron, Nagios, Icinga, Zabbix and Alertmanager to their operators. */
const operatorTitle =
  /^postfix smtp (server|client): errors from |^message \S{10,30} (has been )?frozen\b|^(ana)?cron (<|job )|^\*\* \S{4,20} \S{4,20} alert: |^\[?(firing|problem|resolved)(:\d{1,5}\]|: )/

/** Programs and roles under which a list's software writes: `majordomo`, `dev-owner`, `dev-request+help`. */
const listSoftware =
  /^(mailman|majordomo|listserv|sympa|ezmlm|mlmmj|listmaster)(?![^-+])|[-+](owner|bounces|request|help)(?![^-+=])/

/** Addresses of programs that report to an operator. */
const watchers =
  /^(root|cron|nagios|icinga|zabbix|monit|monitor(ing)?|munin|logwatch|logcheck|alerts?|alarm|reports?|reporting|statistics|stats|fail2ban|backup|jenkins|gitlab|builds?|ci|copier|scanner|printer|mfp|fax|prometheus|grafana|sentry|pagerduty)$/

/** Addresses at which nobody reads. */
const unattended =
  /^(no|not|do[-_.]?not|ne[-_.]?pas|nicht)[-_.]?(reply|respond|answer|repondre|antworten)|^(notifications?|notifier|notify|(team)?cal(endar)?(-notification)?|reminders?|hr|personnel|payroll|attendance)$/

export const innocentFacts = {
  /** A list passed the message on: the field, or `sender`, that shows it. */
  handedOn: ({ message }) => handedOnBy(message),
  /** Precedence says that it is a list's mail. */
  listPrecedence: ({ message }) => /^list\b/i.test(firstValue(message.header, 'precedence') ?? ''),
  /** The author's address is one of a list's software. */
  listAuthor: ({ author }) => listSoftware.test(author.localPart),
  /** The field by which ticket or forge software marks its mail. */
  ticketField: ({ message }) => fieldLike(message, ticketFields),
  /** The title has a ticket's number in brackets. */
  ticketTitle: ({ subject }) => ticketTitle.test(subject.folded),
  /** The field by which a mailing service marks its mail. */
  mailingField: ({ message }) => fieldLike(message, mailingFields),
  /** A web site's script sent it, or a program for mass mailings. */
  siteProgram: ({ message }) =>
    fieldLike(message, scriptFields) !== null ||
    scriptPrograms.test(firstValue(message.header, 'x-mailer') ?? ''),
  /** A link opens a sign-up. */
  signUpLink: (seen) => leadsTo(seen, signUp),
  /** A link opens a page that asks for a password. */
  logInLink: (seen) => leadsTo(seen, logIn),
  /** A journal copy: Exchange sends one of all mail to its archive, bounces included. */
  journal: ({ message }) => firstValue(message.header, 'x-ms-journal-report') !== undefined,
  /** A mail server writes to its own postmaster, or a scheduled job or a filter (RFC 5436 §2.7.1) to its user. */
  toOperator: ({ message, subject, autoSubmitted }) =>
    operatorTitle.test(subject.folded) ||
    fieldLike(message, /^x-cron-env$/) !== null ||
    autoSubmitted === 'auto-notified',
  /** The author's address is one at which nobody reads, so nobody can be away there. */
  nobodyReads: ({ author }) => unattended.test(author.localPart),
  /** A report to an operator, or a notice with a link from an address at which nobody reads. */
  service: ({ author, hasLink }) =>
    watchers.test(author.localPart) || (hasLink && unattended.test(author.localPart)),
} satisfies FactTable

/** What shows that a list passed the message on: the field's name or `sender`; or null. */
export function handedOnBy(message: Message): string | null {
  const sender = mailboxOf(firstValue(message.header, 'sender') ?? '').localPart
  const isBySender = /^owner-|-(bounces|owner)(?![^+=])/.test(sender)
  return fieldLike(message, listFields) ?? (isBySender ? 'sender' : null)
}

/** Whether the path of a link in the author's words is such. */
function leadsTo({ words }: Seen, path: RegExp): boolean {
  return words
    .split(' ')
    .some((word) => /https?:/.test(word) && path.test(word.slice(word.indexOf('://') + 3, 300)))
}

function fieldLike({ header }: Message, names: RegExp): string | null {
  return header.fields.find(({ name }) => names.test(name))?.name ?? null
}
