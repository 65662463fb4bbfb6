// What header fields say of an automatic reply: RFC 3834, and the fields that vendors use.
import { allValues, firstValue, type HeaderSection } from '../mail/header.ts'

/** The first word of Auto-Submitted, in lower case: `auto-replied (vacation)` → `auto-replied`; '' without the field. */
export function autoSubmitted(header: HeaderSection): string {
  const value = firstValue(header, 'auto-submitted') ?? ''
  return /^[a-z-]+/.exec(value.toLowerCase())?.[0] ?? ''
}

/** Whether the message answers another one (RFC 5322 §3.6.4). An automatic reply must (RFC 3834 §3.1.5). */
export function isAnswer(header: HeaderSection): boolean {
  return (firstValue(header, 'in-reply-to') ?? firstValue(header, 'references') ?? '') !== ''
}

/** X-Autoreply (Gmail), X-Autorespond (cPanel), X-Autoresponder (Plesk), X-Auto-Reply (BlueMind), X-Mail-Autoreply, X-Autoreply-From … */
const replyFields = /^x-(mail-)?auto-?(reply|respond(er)?)(-from)?$/

/** Other fields that only automatic replies have, by their values. */
const replyValues: Readonly<Record<string, RegExp>> = {
  // cPanel and autorespond(1) for qmail.
  precedence: /^auto[_-]?reply\b/i,
  // Gordano.
  'x-post-messageclass': /\bautoresponder\b/i,
  // The manual of vacation(1).
  'delivered-by-the-graces-of': /\bvacation program\b/i,
  // The header template of gnarwl 3.6.
  'x-mailer': /^gnarwl\b/i,
}

/** The name of a field that only automatic replies have, or null. */
export function replyField(header: HeaderSection): string | null {
  const field = header.fields.find(({ name }) =>
    replyFields.test(name)
      ? !/^(no|false|0)\b/i.test(firstValue(header, name) ?? '')
      : allValues(header, name).some((value) => replyValues[name]?.test(value)),
  )
  return field?.name ?? null
}
