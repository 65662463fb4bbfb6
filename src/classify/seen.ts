// One message as the facts read it. Each value is worked out once, when a fact first needs it.
import { addressesNamed } from '../mail/addresses.ts'
import { type DeliveryStatus, isPlausible } from '../mail/delivery-status.ts'
import { firstValue } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'
import { formatIn } from './bounce-formats.ts'
import { type FailedRecipient, failedRecipients, hasReplyCode } from './failed-recipients.ts'
import { fold, hasPhrase } from './phrases.ts'
import { trapMailbox } from './recipient.ts'
import { isFromMailSystem, isMailSystem, mailboxOf } from './sender.ts'
import { type SubjectFamilies, subjectFamilies } from './subjects.ts'

/**
 * Facts by name. A fact states one thing about a message: true or false, or which one of several (a system's name), else null.
 * Facts are pure. They never throw, and they answer for every message.
 */
export type FactTable = Readonly<Record<string, (seen: Seen) => boolean | string | null>>

export class Seen {
  readonly message: Message
  readonly status: DeliveryStatus | null
  /** Without angle brackets; '' is the null sender, null is unknown. */
  readonly reversePath: string | null
  /** The reverse-path is the null sender (RFC 5321 §4.5.5), or a mail system's address, which some systems use instead. */
  readonly hasNullSender: boolean
  /** The reverse-path is an address that is not a mail system's. */
  readonly hasSender: boolean
  readonly #deliveredTo: readonly string[]
  readonly #once = new Map<string, unknown>()

  constructor(message: Message, reversePath: string | null, deliveredTo: readonly string[] = []) {
    this.message = message
    this.#deliveredTo = deliveredTo
    this.status = message.deliveryStatus
    this.reversePath = reversePath
    this.hasNullSender =
      reversePath !== null && (reversePath === '' || isMailSystem(`<${reversePath}>`))
    this.hasSender = reversePath !== null && !this.hasNullSender
  }

  /** The message has a complete delivery status (see isPlausible). */
  get hasStatus(): boolean {
    return this.status !== null && isPlausible(this.status)
  }

  /** The From field names a mail system. */
  get isFromMailSystem(): boolean {
    return this.#get('mail-system', () => isFromMailSystem(this.message.header))
  }

  /** No person typed the message: its reverse-path, its author or its Auto-Submitted (RFC 3834 §5) shows that. */
  get isAutomatic(): boolean {
    return this.hasNullSender || this.isFromMailSystem || this.autoSubmitted.startsWith('auto-')
  }

  get subject(): SubjectFamilies {
    return this.#get('subject', () => subjectFamilies(this.message.subject))
  }

  /** The author's lines. */
  get lines(): readonly string[] {
    return this.message.lines
  }

  /** The same lines as one folded text: see `fold`. */
  get words(): string {
    return this.#get('words', () => fold(this.lines.join(' ').slice(0, maxWords)))
  }

  /** Subject and words, folded. */
  get said(): string {
    return this.#get('said', () => `${this.subject.folded}. ${this.words}`)
  }

  get saysDelay(): boolean {
    return this.#says('delay')
  }

  /** The message says that mail was not delivered, or not yet. */
  get saysTrouble(): boolean {
    return this.#says('failure') || this.saysDelay
  }

  /** The message says why mail was not delivered. */
  get saysReason(): boolean {
    return this.#says('reason')
  }

  /** The message says that mail was delivered, and neither it nor its title mentions a failure. */
  get saysSuccess(): boolean {
    return (
      this.#says('success') &&
      !this.saysTrouble &&
      !this.saysReason &&
      !this.quotesReply &&
      !hasPhrase(this.subject.folded, 'dsn', 'failure')
    )
  }

  /** A line has the reply code or status of a failure. */
  get quotesReply(): boolean {
    return this.lines.some(hasReplyCode)
  }

  /** The mail system whose exact sentences the message has, and where they begin. */
  get format(): { readonly system: string; readonly at: number } | null {
    return this.#get('format', () => formatIn(this.words, this.lines))
  }

  /** Failed recipients in the message's words; its author and its reader do not count. */
  get recipients(): readonly FailedRecipient[] {
    return this.#get('recipients', () => {
      const { header } = this.message
      const speakers = ['from', 'to', 'reply-to', 'sender'].flatMap((name) =>
        addressesNamed(header, name),
      )
      const saysFailure = this.saysTrouble || this.subject.isClearBounce || this.saysReason
      return failedRecipients(this.lines, speakers, saysFailure)
    })
  }

  /** One of `recipients` is next to a reason, or in a form that marks it as failed. */
  get namesFailedRecipient(): boolean {
    return this.recipients.some(({ isMarked }) => isMarked)
  }

  /** A message or its header section was returned, as a part or below the words. */
  get hasReturned(): boolean {
    return this.hasReturnedPart || this.message.returned?.isPart === false
  }

  /** A part has a type of returned messages, and reads as a message or has only a few words left. */
  get hasReturnedPart(): boolean {
    const { parts, returned } = this.message
    return (
      parts.some(
        ({ type, content }) => returnedTypes.test(type) && content.length < emptiedBytes,
      ) ||
      (returned?.isPart === true &&
        ownFields.filter((name) => firstValue(returned.header, name) !== undefined).length > 1)
    )
  }

  /** The recipients in the envelope and in the message's fields, as mailboxes (see recipient.ts). */
  get readers(): ReadonlySet<string> {
    return this.#get('readers', () => this.#mailboxes(this.#deliveredTo, ['to', ...deliveryFields]))
  }

  /** The traps: the envelope's recipients. If they are unknown, the delivery fields stand for them; without these, the To field. */
  get traps(): ReadonlySet<string> {
    return this.#get('traps', () => {
      if (this.#deliveredTo.length > 0) return this.#mailboxes(this.#deliveredTo, [])
      const delivered = this.#mailboxes([], deliveryFields)
      return delivered.size > 0 ? delivered : this.#mailboxes([], ['to'])
    })
  }

  /** The returned message is itself a bounce: somebody passes on a bounce that he received. */
  get returnsBounce(): boolean {
    const { returned } = this.message
    return returned !== null && isMailSystem(firstValue(returned.header, 'from') ?? '')
  }

  /** The message has marks of a personal letter: it answers, quotes or forwards another one, or asks its reader something. */
  get isLetter(): boolean {
    return this.subject.isAnswer || this.asksReader || quotation.test(this.lines.join('\n'))
  }

  /** The message asks its reader something, and returns nothing. */
  get asksReader(): boolean {
    return !this.hasReturned && question.test(this.words)
  }

  /** A person wrote or forwarded it with a mail program. */
  get isHandWritten(): boolean {
    return (
      ['user-agent', 'x-mailer'].some((name) =>
        mailPrograms.test(firstValue(this.message.header, name)?.slice(0, 250) ?? ''),
      ) || this.lines.some((line) => forwardIntroduction.test(line))
    )
  }

  /** The message asks the reader to open a web page. */
  get hasLink(): boolean {
    return this.message.hasHtmlLink || this.words.includes('http')
  }

  /** The message answers another one (RFC 5322 §3.6.4). */
  get isAnswer(): boolean {
    return ['in-reply-to', 'references'].some(
      (name) => (firstValue(this.message.header, name) ?? '') !== '',
    )
  }

  /** The first word of Auto-Submitted (RFC 3834 §5), in lower case: `auto-replied (vacation)` → `auto-replied`; '' without the field. */
  get autoSubmitted(): string {
    const value = firstValue(this.message.header, 'auto-submitted') ?? ''
    return /^[a-z-]+/.exec(value.toLowerCase())?.[0] ?? ''
  }

  /** Display name and local part of the From field, folded. */
  get author(): { readonly name: string; readonly localPart: string } {
    return mailboxOf(firstValue(this.message.header, 'from') ?? '')
  }

  /** The From field's value, folded; vendors put their product's name there. */
  get from(): string {
    return this.#get('from', () =>
      fold((firstValue(this.message.header, 'from') ?? '').slice(0, 300)),
    )
  }

  #says(statement: string): boolean {
    return this.#get(statement, () => hasPhrase(this.words, 'dsn', statement))
  }

  #mailboxes(addresses: readonly string[], fields: readonly string[]): ReadonlySet<string> {
    const named = fields.flatMap((name) => addressesNamed(this.message.header, name))
    return new Set([...addresses, ...named].map(trapMailbox))
  }

  #get<T>(key: string, make: () => T): T {
    if (!this.#once.has(key)) this.#once.set(key, make())
    return this.#once.get(key) as T
  }
}

const maxWords = 12_000

/** Fields that a delivery adds to name the recipient. */
export const deliveryFields = ['delivered-to', 'x-original-to', 'envelope-to']

const emptiedBytes = 64
const ownFields = ['from', 'to', 'subject', 'date', 'message-id', 'received', 'return-path']

const returnedTypes =
  /^(message\/(rfc822|global|partial|(global-|rfc822-)?headers)|text\/rfc822(-headers)?)$/

/** A quoted line below one that introduces it: `On Tue, A wrote:`, in any language. `>>>` is Sendmail's transcript. */
const quotation = /:[ \t]{0,10}\n\s{0,3}>(?!>)/

/** Questions such as "Can you check …?". Programs do not ask them. */
const question =
  /\b((can|could|would|will|did|do|have|has) (you|anyone|anybody|somebody|someone|your (users?|server|admins?))|kannst du|konnen sie|hast du|haben sie|peux-tu|pouvez-vous|avez-vous|puedes|puede usted|puoi|puo (lei )?|voce pode|kun je|kunt u|(czy )?mozesz|не могли бы|можешь|можете)\b[^.?!]{2,150}\?/

const mailPrograms =
  /\b(thunderbird|mozilla|seamonkey|mutt|apple mail|iphone mail|ipad mail|outlook|k-?mail|evolution|alpine|pine|eudora|the bat|roundcube|squirrelmail|horde|claws|sylpheed|gnus|webmail|yahoomail|pegasus)\b/i

/** Lines that mail programs write above a forwarded message: Outlook, Apple Mail, Thunderbird, Gmail. */
const forwardIntroduction =
  /^[\s>]*(-{3,} ?(original|forwarded|ursprüngliche|weitergeleitete)[ -](message|nachricht|mail)( from [^-]{1,60})? ?-{3,}|begin forwarded message:)\s*$/i
