// Systems that mark their own messages: challenge systems, scanners and mail systems, each with the fields that only such a message
// of the system has.
import { addressesNamed } from '../mail/addresses.ts'
import { allValues } from '../mail/header.ts'
import type { Seen } from './seen.ts'

interface KnownSystem {
  readonly name: string
  /**
   * Header fields, each with what its value must match; all of them must match. `return-path` is the reverse-path, `author` the
   * address in From, in lower case, `origin` the lowest Received field, which the first host wrote, and `status-field` the name of a
   * field of the delivery status. A site lets strangers choose titles and display names, so these are no marks alone.
   */
  readonly marks: Readonly<Record<string, RegExp>>
}

/** A row is the system's name and its marks, with the page or file that says so. One system may have several rows. */
export const challengeSystems: readonly KnownSystem[] = [
  // TMDA: the fields and the form of a confirmation address, tmda.net/address-tagging.html, TMDA/Cookie.py.
  { name: 'tmda', marks: { 'x-delivery-agent': /^tmda\//i, 'reply-to': /[-+]confirm[-+]/i } },
  {
    name: 'tmda',
    marks: { 'reply-to': /[-+]confirm[-+](accept[-+])?\d{8,12}\.\d{1,8}\.[0-9a-f]{6}@/i },
  },
  // Active Spam Killer: askmail.py and askmessage.py write the field and the end of the title.
  { name: 'ask', marks: { 'x-askversion': /\d/, subject: /\(conf[#:] ?[0-9a-f]{32}\)/i } },
  // cPanel BoxTrapper: the field is also on mail that it passes on, the title is not (Cpanel/BoxTrapper.pm).
  { name: 'boxtrapper', marks: { 'x-boxtrapper': /\S/, subject: /\bverify[#:]\S{10}/i } },
  // Boxbe answers from its own domain.
  { name: 'boxbe', marks: { author: /^noreply@([a-z\d-]+\.)?boxbe\.com$/, subject: /^re: /i } },
  // The others: SpamAssassin's 20_vbounce.cf (4.0.1).
  { name: 'tmda', marks: { 'message-id': /-tmda-confirm>$/i } },
  { name: 'bluebottle', marks: { 'x-bluebottle-request': /\S/ } },
  { name: 'choicemail', marks: { 'x-choicemail-registration-request': /\S/ } },
  { name: 'spamarrest', marks: { 'x-spamarrest-noauth': /\S/ } },
  { name: 'mailinblack', marks: { 'content-type': /mUlTiPaRtBoUnDaRy_MailInBlack/ } },
  { name: 'vanquish', marks: { author: /^confirm-[^@]{1,60}@spamguard\.vanquish\.com$/ } },
  { name: '0spam', marks: { author: /^verify@0spam\.com$/ } },
  { name: 'spamlion', marks: { spamlion: /\S/ } },
  { name: 'spamazoid', marks: { 'x-spamazoid-md': /\d/ } },
  { name: 'exispam', marks: { 'x-exispam': /ExiSpam/ } },
  { name: 'earthlink', marks: { 'return-path': /^spamblocker-challenge@/i } },
  { name: 'spamhippo', marks: { 'return-path': /^spamhippo@/i } },
]

export const scanners: readonly KnownSystem[] = [
  // MailScanner marks its own reports as generated, in the site's language: reports/*/sender.*.report.txt.
  { name: 'mailscanner', marks: { 'x-mailscanner': /^(generated|generat|vytvoreny?)$/i } },
  // amavisd-new: Amavis/Conf.pm, and the Message-ID in template-virus-sender.txt and template-spam-sender.txt.
  { name: 'amavis', marks: { from: /^"?content-filter at /i, 'message-id': /^<[VS]S[\w+-]{8,}@/ } },
  // SpamAssassin's 20_vbounce.cf (4.0.1).
  { name: 'bitdefender', marks: { 'x-mailer': /^BitDefender VShield/ } },
  {
    name: 'messagelabs',
    marks: { 'return-path': /^alert@notification\.messagelabs\.com$/i },
  },
]

/** Mail systems, by the marks that they leave in bounces and automatic replies. No rule asks for them. */
const mailSystems: readonly KnownSystem[] = [
  { name: 'postfix', marks: { 'status-field': /^x-postfix-queue-id$/ } },
  { name: 'exim', marks: { 'content-type': /-eximdsn-/ } },
  { name: 'exim', marks: { 'x-failed-recipients': /\S/ } },
  { name: 'dovecot', marks: { 'message-id': /^<dovecot-/ } },
  { name: 'dovecot', marks: { 'x-sieve': /\bpigeonhole\b/i } },
  { name: 'gmail', marks: { author: /@(googlemail|google)\.com$/ } },
  { name: 'exchange', marks: { 'x-ms-exchange-message-is-ndr': /^/ } },
  { name: 'exchange', marks: { 'status-field': /^x-display-name$/ } },
  { name: 'opensmtpd', marks: { origin: /\(OpenSMTPD\)/ } },
  { name: 'sendmail', marks: { origin: /\bby \S+ \(8\.\d{1,3}\.\d/ } },
  { name: 'exim', marks: { origin: /\bwith local \(Exim/ } },
  { name: 'postfix', marks: { origin: /^by \S+ \(Postfix/ } },
  { name: 'courier', marks: { origin: /\bwith courierlocal\b/i } },
  { name: 'domino', marks: { 'x-mailer': /^lotus (domino|notes)/i } },
]

const allSystems = [...mailSystems, ...challengeSystems, ...scanners]

/** The names that `generatorOf` can give. */
export const markedSystems: readonly string[] = allSystems.map(({ name }) => name)

/** The software that wrote a message, by its marks: 'postfix', 'tmda' … or null if unknown. */
export function generatorOf(seen: Seen): string | null {
  return knownSystem(seen, allSystems)
}

/** The name of the first system whose marks the message has, or null. */
export function knownSystem(seen: Seen, systems: readonly KnownSystem[]): string | null {
  return systems.find(({ marks }) => hasMarks(seen, marks))?.name ?? null
}

function hasMarks(seen: Seen, marks: KnownSystem['marks']): boolean {
  return Object.entries(marks).every(([name, pattern]) =>
    valuesOf(seen, name).some((value) => pattern.test(value.slice(0, 1000))),
  )
}

/** The values of a field. MailScanner puts the name of its site into the names of its fields. */
function valuesOf({ message, status, reversePath }: Seen, name: string): readonly string[] {
  if (name === 'subject') return [message.subject]
  if (name === 'return-path') return reversePath === null ? [] : [reversePath]
  if (name === 'author')
    return addressesNamed(message.header, 'from').map((each) => each.toLowerCase())
  if (name === 'status-field') return [...(status?.fieldNames ?? [])]
  if (name === 'origin') return allValues(message.header, 'received').slice(-1)
  if (name !== 'x-mailscanner') return allValues(message.header, name)
  return message.header.fields
    .filter((field) => /^x-(\S+-)?mailscanner$/.test(field.name))
    .map(({ value }) => value)
}
