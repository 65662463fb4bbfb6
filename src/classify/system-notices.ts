// Recognises what programs tell their own operators, users and customers, sometimes about bounces: journals, scheduled jobs,
// queue warnings, calendars, parcels. None of them returns anybody's message. Each function returns the name of its rule, or
// null.

import { firstValue } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'
import { autoSubmitted } from './auto-reply.ts'
import type { Seen } from './seen.ts'

/** A journal copy: Exchange sends one of all mail to its archive, bounces included. */
export function journalRule(message: Message): string | null {
  return firstValue(message.header, 'x-ms-journal-report') === undefined ? null : 'journal-report'
}

/** The output of a scheduled job. */
export function scheduledJobRule({ message, subject }: Seen): string | null {
  const hasField = message.header.fields.some(({ name }) => name === 'x-cron-env')
  return hasField || /^(ana)?cron (<|job\b)/.test(subject.folded) ? 'scheduled-job' : null
}

/** A report to the site's own postmaster: Postfix reports a client's session (notify_classes), Exim a frozen message. */
export function postmasterNoticeRule({ subject }: Seen): string | null {
  return /^postfix smtp (server|client): errors from |^message \S{10,30} (has been )?frozen\b|^\d+ frozen message|^exim paniclog /.test(
    subject.folded,
  )
    ? 'postmaster-notice'
    : null
}

/** A filter tells its user of new mail (RFC 5436 §2.7.1) and repeats the title of that mail. */
export function mailNotificationRule({ message, hasReturned, status }: Seen): string | null {
  if (hasReturned || status !== null) return null
  return autoSubmitted(message.header) === 'auto-notified' ? 'mail-notification' : null
}

/** An invitation, an answer to one, or a reminder (RFC 6047). A bounce of an invitation has it inside the returned message. */
export function calendarRule({ message, hasReturnedPart, status }: Seen): string | null {
  if (hasReturnedPart || status !== null) return null
  const isCalendar =
    message.contentType.value === 'text/calendar' ||
    message.parts.some(({ type }) => type === 'text/calendar' || type === 'application/ics')
  return isCalendar ? 'calendar' : null
}

const freight =
  /\b(parcels?|package|shipment|consignment|courier|waybill|tracking (number|code|id)|paket|sendung(snummer)?|sendungsverfolgung|paketdienst|colis|livreur|paquete|envio|encomenda|pacco|spedizione|corriere|pakket|zending|pakketje|przesylk\p{L}*|paczk\p{L}*|kurier\p{L}*)\b|посылк|отправлени[ея] №|курьер|宅配|荷物|お届け物|包裹|快递|運單|快遞|택배/u
const mailWords =
  /e-?mail(?! (us|me|agent|address|at)\b)|\bmail (system|server|delivery)\b|virus|wirus|spam|mensaje|mensagem|messaggio|poczt|\bmessage|mailbox|smtp|nachricht|courriel|correo|posta elettronica|wiadomosc|сообщени|письм|メール|邮件|郵件|메일/

/** A notice that a parcel could not be delivered; it has no word about mail. */
export function freightRule({ body, subject, hasReturned, status }: Seen): string | null {
  if (hasReturned || status !== null) return null
  const said = `${subject.folded} ${body.words}`
  return freight.test(said) && !mailWords.test(said) ? 'freight' : null
}

/** A notice that a fax, a text or voice message, or a business document (RFC 4130) did not arrive. */
export function telephonyRule({ subject, hasReturned, status }: Seen): string | null {
  if (hasReturned || status !== null || subject.isAnswer) return null
  const isFailure =
    subject.isBounce ||
    /\b(fail(ed|ure)?|not (sent|delivered)|fehlgeschlagen|echec|fallid[oa]|non riuscit[oa]|falhou|mislukt)\b/.test(
      subject.folded,
    )
  return isFailure &&
    /\b(sms|mms|(tele)?fax(e|es|versand)?|facsimile|voice ?mail|voice message|edi(fact)?|as2)\b/.test(
      subject.own,
    )
    ? 'telephony'
    : null
}

/** An article of a feed, mailed by a feed reader. */
export function feedRule({ header }: Message): string | null {
  const hasField = header.fields.some(({ name }) => /^x-(rss|feed|atom)-/.test(name))
  return hasField ||
    /^(rss2email|feed2imap|rss2mail)\b/i.test(firstValue(header, 'user-agent') ?? '')
    ? 'feed'
    : null
}

const watchers =
  /^(root|cron|nagios|icinga|zabbix|monit|monitor(ing)?|munin|logwatch|logcheck|alerts?|alarm|reports?|reporting|statistics|stats|fail2ban|backup|jenkins|gitlab|builds?|ci|copier|scanner|printer|mfp|fax|prometheus|grafana|sentry|pagerduty)$/

const summaryTitle =
  /\b(summary|digest|threshold|queue length|removed from|statistics|stats|weekly|daily|monthly|hourly|logwatch|cron|mailq|queue (report|status)|log ?file|zusammenfassung|statistik|resume|resumen|riepilogo|samenvatting|podsumowanie|сводка|статистика)\b|集計|まとめ|汇总|统计|^(alert|alarm|resolved|firing|problem|recovery): /

/** Whether it is a report to an operator that counts the bounces in a queue or log. */
export function isWatcher({ author, subject }: Seen): boolean {
  return watchers.test(author.localPart) || summaryTitle.test(subject.folded)
}

const unattended =
  /^(no|not|do[-_.]?not|ne[-_.]?pas|nicht)[-_.]?(reply|respond|answer|repondre|antworten)|^(notifications?|notifier|notify|(team)?cal(endar)?(-notification)?|reminders?|hr|personnel|payroll|attendance)$/

/** Whether it comes from an address that nobody reads, so that nobody there can be away. */
export function isNotifier({ author }: Seen): boolean {
  return unattended.test(author.localPart)
}
