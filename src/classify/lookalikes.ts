// Recognises mail that looks like backscatter and is not: complaints, policy reports, read receipts, lists, tickets. Each
// function returns the name of its rule, or null. They must run before the rules that can list.
import { firstValue } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'
import type { Seen } from './seen.ts'
import { mailboxOf } from './sender.ts'

/** A complaint about abuse or failed authentication in the Abuse Reporting Format (RFC 5965, RFC 6591). */
export function feedbackReportRule(message: Message): string | null {
  if (reportType(message) === 'feedback-report') return 'report-type'
  return hasPart(message, 'message/feedback-report') ? 'part' : null
}

/** An SMTP TLS report (RFC 8460 §5.3, §5.4). */
export function tlsReportRule(message: Message): string | null {
  if (reportType(message) === 'tlsrpt') return 'type'
  if (firstValue(message.header, 'domain') !== undefined) return 'domain'
  return message.parts.some(({ type }) => type.startsWith('application/tlsrpt')) ? 'part' : null
}

/** A DMARC aggregate report, by its subject or file name (RFC 7489 §7.2.1.1), or a DMARC failure report in plain words. */
export function dmarcReportRule(message: Message): string | null {
  if (/^\W*report domain:\s*\S+/i.test(message.subject)) return 'subject'
  if (/^\W*dmarc (failure|forensic|aggregate) report\b/i.test(message.subject)) {
    return 'subject'
  }
  const file = /^[^!\s]+![^!\s]+!\d+!\d[^/\s]*\.(xml|gz|zip)$/i
  return message.parts.some(({ filename }) => file.test(filename)) ? 'file' : null
}

/**
 * A refusal in the form of a disposition notification, as Sieve's `reject` writes it (RFC 5429 §2.1). Unlike a read receipt,
 * nobody asked for it. Its words must reject the mail. Auto-Submitted must say that it is automatic; or the disposition must say
 * so, and must not say that the mail was read.
 */
export function rejectingDispositionRule({ message, body }: Seen): string | null {
  if (dispositionNotificationRule(message) === null) return null
  if (/\brejected\b/i.test(firstValue(message.header, 'auto-submitted') ?? ''))
    return 'mdn-rejected'
  const part = message.parts.find(({ type }) => type === 'message/disposition-notification')
  const fields =
    part === undefined ? '' : Buffer.from(part.content.subarray(0, 4096)).toString('latin1')
  const isAutomatic =
    /^disposition:\s*automatic-action\/mdn-sent-automatically;\s*(deleted|denied|failed|rejected)/im.test(
      fields,
    )
  return isAutomatic && /\b(reject|refus|quota|not accepted)/.test(body.words)
    ? 'mdn-rejected'
    : null
}

/** A message disposition notification (RFC 8098 §3). Somebody asked for it. */
export function dispositionNotificationRule(message: Message): string | null {
  if (reportType(message) === 'disposition-notification') return 'mdn-report-type'
  return hasPart(message, 'message/disposition-notification') ||
    hasPart(message, 'message/global-disposition-notification')
    ? 'mdn-part'
    : null
}

/**
 * Fields of mailing lists (RFC 2919, RFC 2369) and of news that a gateway mails (RFC 5536). The list's host delivered such mail,
 * whoever bounced or replied.
 */
const listFields = [
  'list-id',
  'list-post',
  'list-unsubscribe',
  'x-mailing-list',
  'mailing-list',
  'newsgroups',
]

/** The rule by which a list passed the message on, by its fields or its sender; or null. */
export function handedOnRule(message: Message): string | null {
  const field = listFields.find((name) => firstValue(message.header, name) !== undefined)
  if (field !== undefined) return `list-field-${field}`
  const sender = mailboxOf(firstValue(message.header, 'sender') ?? '').localPart
  return /^owner-|-(bounces|owner)([+=].*)?$/.test(sender) ? 'list-sender' : null
}

/** Mail of a mailing list or its software. Precedence alone is not enough: some programs set it on all automatic mail. */
export function listMailRule(message: Message): string | null {
  const isListed = /^list\b/i.test(firstValue(message.header, 'precedence') ?? '')
  return handedOnRule(message) ?? (isListed ? 'list-precedence' : null)
}

/** Fields that ticket and forge software sets on its own mail. */
const ticketFields =
  /^(x-)?(rt-(ticket|originator|loop-prevention)|otrs-|zendesk-|freshdesk-|jira-|github-|gitlab-|redmine-|bugzilla-|launchpad-|discourse-|phabricator-|gitea-|forgejo-|gerrit-|trac-|debian-pr-|zammad-|mantis-|kayako-|helpscout-|servicenow-|youtrack-|freescout-|intercom-|gorgias-|osticket-)/

/** An acknowledgement or notice of ticket software: somebody wrote to it, and it answered as it should. */
export function ticketRule(message: Message): string | null {
  const field = message.header.fields.find(({ name }) => ticketFields.test(name))
  return field === undefined ? null : `ticket-field-${field.name}`
}

/**
 * Titles that list software uses for moderators, owners and subscribers (Mailman, Majordomo, LISTSERV, Sympa, ezmlm).
 */
const listNoticeTitle =
  /^(re: )?(your message to \S+ awaits moderator approval|bounce action notification|uncaught bounce notification|\d+ \S+ moderator request|.{0,80} post from \S+ requires approval|.{0,80}subscription (results|notification|disabled|request)|.{0,60}(un)?subscribe notification|welcome to the \W?.{0,60}(mailing list|\blist\b)|goodbye from|you have been (un)?subscribed|the results of your (email )?commands?|majordomo results|request to mailing list .{0,80} rejected|auto-discard notification|.{0,60}mailing list memberships? reminder|forward of moderated message|listserv command|rejected posting to|output of your job|message to .{0,60} held for approval|moderate .{0,80} for|bounced? .{0,80}: non-?member submission|bounce \S+@\S+: )/

/** A notice of list software about a subscription, a post or a bounce to the list. None of these is misdirected. */
export function listNoticeRule({ message, subject }: Seen): string | null {
  if (!listNoticeTitle.test(subject.folded)) return null
  const isSoftware =
    firstValue(message.header, 'x-mailman-version') !== undefined ||
    firstValue(message.header, 'x-list-administrivia') !== undefined ||
    /[-+._](owner|bounces|request|admin|confirm|help)(\+[^@]*)?@|^(mailman|majordomo|listserv|sympa|ezmlm)|\b(mailman|majordomo|listserv|sympa)\b/i.test(
      `${firstValue(message.header, 'from') ?? ''} ${firstValue(message.header, 'sender') ?? ''}`,
    )
  return isSoftware ? 'list-notice-title' : null
}

/** Local parts of list software: a program's name, or a list's name with a suffix such as -owner. */
const listSoftware =
  /^(mailman|majordomo|listserv|sympa|ezmlm|mlmmj|listmaster|minimalist|ecartis|listar)([-+].*)?$|[-+](owner|bounces|request|help|confirm)([-+=].*)?$/

/** A reply of list software to somebody who wrote to it or to a list. Rules for its bounces must run first. */
export function listAnswerRule({ author, body, subject }: Seen): string | null {
  if (!listSoftware.test(author.localPart) || subject.isClearBounce) return null
  return /\b(moderat(or|ors|ion|ed)|moderateurs?|moderador(es)?|subscri(be|ption|bed|bers?)|unsubscribe|mailing list|abonne(ment)?|approval)\b/.test(
    body.words,
  )
    ? 'list-answer'
    : null
}

/** Folded titles of sign-ups: they ask to confirm an address, not a message. */
const confirmationTitle =
  /^(please )?(confirm|verify|activate|validate|complete) (your )?(new )?(e-?mail|account|registration|subscription|address|sign-?up|membership|newsletter|request|password)|^(account|e-?mail|subscription|registration|newsletter|address|membership|sign-?up)( address)? (activation|verification|confirmation|validation)|^confirm [0-9a-f]{8,}|^confirmation (for|of) (subscribe|unsubscribe|your subscription)|confirm(ation)? .{0,60}(subscri|mailing list)|^your confirmation is (needed|required)|^(bitte )?bestatigen sie ihre|^confirmez votre|^confirme (su|tu|seu)|^conferma (la tua|il tuo|iscrizione)|^(подтвердите|подтверждение) (регистрац|подписк|адрес)|(会員登録|メールアドレス)の?(の)?確認|激活您的|验证您的(邮箱|电子邮件|帐)/
const confirmationWords =
  /\b(confirm|verify|activate|validate|complete) (your|the|this) (new )?(e-?mail( address)?|account|registration|subscription|sign-?up|membership|newsletter)|\b(to|your) (subscription|subscribe|registration|sign up|signing up|registering)\b|mailing list (membership|subscription)|request(ed)? (for )?(a )?subscription/

/** Double opt-in and account mail: somebody entered the address in a form. */
export function confirmationRule({
  message,
  subject,
  body,
  isFromMailSystem,
}: Seen): string | null {
  if (isFromMailSystem || subject.isAnswer) return null
  if (firstValue(message.header, 'x-list-administrivia') !== undefined) return 'confirmation-list'
  return confirmationTitle.test(subject.folded) && confirmationWords.test(body.words)
    ? 'confirmation-title'
    : null
}

/** Ticket numbers: `[Ticket#2026112410000017]`, `[#ABC-123-45678]`, `Case 01234567:` and the like. */
const ticketTitle =
  /\[?\b(ticket|case|request|incident|issue|bug|rt|inquiry|enquiry|support id|reference|ref|vorgang|anfrage|fall|demande|dossier|solicitud|caso|consulta|incidencia|richiesta|segnalazione|chamado|pedido|aanvraag|melding|sprawa|zgloszenie)[ _-]?(id|no\.?|nr\.?|number|num)?[ :#=-]{0,3}#?[a-z]{0,6}[-_]?\d{3,}|^\[#?[a-z]{2,10}[-_]?\d{2,}(-\d+)*\]|\[\S{1,40} #\d+\]|\[#\d{3,}\]/

const ticketWords =
  /\b(ticket(s|nummer|number)?|case|request|incident|issue|inquiry|enquiry|support|help ?desk|tracking (number|id)|reference number|anfrage|vorgang(snummer)?|anliegen|demande|dossier|solicitud|consulta|incidencia|richiesta|segnalazione|solicitacao|chamado|pedido|aanvraag|melding|verzoek|zgloszeni\p{L}*|sprawa)\b|обращени|заявк|запрос|お問い合わせ|受付番号|工单|请求/u
const receivedWords =
  /\b(received|created|opened|logged|registered|assigned|updated|submitted|entered|closed|resolved|erfasst|erhalten|eingegangen|angelegt|geschlossen|recue?|enregistree?|creee?|recibid[oa]|registrad[oa]|cread[oa]|ricevut[oa]|registrat[oa]|apert[oa]|recebid[oa]|criad[oa]|abert[oa]|ontvangen|geregistreerd|aangemaakt|otrzymal\p{L}*|zarejestrowan\p{L}*|utworzon\p{L}*)\b|получен|зарегистрирован|создан|принят|受け付け|受付|承りました|收到|创建/u

/** Mail of ticket software without a field of its own: a ticket number in the subject, and words of receipt. */
export function ticketWordsRule({ subject, body, isFromMailSystem }: Seen): string | null {
  if (isFromMailSystem || !ticketTitle.test(subject.folded)) return null
  const receipt = ticketWords.test(body.words) && receivedWords.test(body.words)
  return receipt ? 'ticket-title' : null
}

/** The report-type of a multipart/report (RFC 6522 §3), in lower case; '' if there is none. */
export function reportType(message: Message): string {
  if (message.contentType.value !== 'multipart/report') return ''
  return (message.contentType.parameters.get('report-type') ?? '').toLowerCase()
}

function hasPart(message: Message, type: string): boolean {
  return message.parts.some((part) => part.type === type)
}
