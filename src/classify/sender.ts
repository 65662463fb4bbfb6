// Tells whether a mail system or a person wrote a message.
import { allValues, firstValue, type HeaderSection } from '../mail/header.ts'
import { fold } from './phrases.ts'

/** Local parts that mail systems use for their own mail (RFC 2142 §5, RFC 5321 §4.5.1, and vendors' own). */
const localParts =
  /^("?(mailer|mail|smtp|delivery|postfix|qmail)[-_. ]?(daemon|deamon)|m(ail)?daemon|post[-_ ]?master|double-bounce|mail[-_.]?delivery([-_.]?(sub)?system)?|microsoftexchange[0-9a-f]{32}|ndr|non-?delivery|symantec_antivirus_for_smtp_gateways|system[ _.-]?administrator)"?$/

/** Display names of mail systems, folded. */
const names =
  /\bmail(er)?[ _-]?(delivery?)?[ _-]?(sub)?-?system\b|\bmail(er)?[ _-]daemon\b|\bdelivery (sub-?system|service|agent|notification)\b|\bmail delivery\b|^"?(system|mail|e-?mail|mailbox) ?administrator\b|^"?post ?master\b|^"?microsoft outlook"?$|^"?(systemadministrator|administrateur systeme|administrateur du systeme|administrador del sistema|administrador do sistema|amministratore sistema|amministratore di sistema|systeembeheerder|administrator systemu|systemadministratoren|systemadministratör|システム管理者|系统管理员|系統管理員|системный администратор)(?!\p{L})/u

/** Whether a mail system wrote the message, by its From field or by the mark of Exim's bounces. */
export function isFromMailSystem(header: HeaderSection): boolean {
  return (
    firstValue(header, 'x-failed-recipients') !== undefined ||
    firstValue(header, 'x-ms-exchange-message-is-ndr') !== undefined ||
    allValues(header, 'from').some(isMailSystem)
  )
}

/** Whether a From value is a mail system's. One without an address (`Mail System <>`) always is. */
export function isMailSystem(from: string): boolean {
  const { name, localPart } = mailboxOf(from)
  return localPart === ''
    ? from !== '' && /<\s*>/.test(from)
    : localParts.test(localPart) || (name !== '' && names.test(name))
}

/** The name, and the lower-case local part, of the first mailbox in a From value. Linear in its length. */
export function mailboxOf(from: string): { readonly name: string; readonly localPart: string } {
  const text = from.slice(0, 500)
  const open = text.lastIndexOf('<')
  const close = text.indexOf('>', open)
  const isAngled = open >= 0 && close > open
  const address = isAngled ? text.slice(open + 1, close) : (text.split(/[\s(]/, 1)[0] ?? '')
  // In the older form the name is a comment behind the address (RFC 5322 §3.4).
  const comment = /\(([^()]*)\)/.exec(text)?.[1] ?? ''
  const name = isAngled ? text.slice(0, open) : comment
  const localPart = (address.split(/\\?@/, 1)[0] ?? '').toLowerCase()
  return { name: fold(name).replace(/^['"]|['"]$/g, ''), localPart }
}

/** What stands behind the last `@` of an address, in lower case. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}
