// One Received field → who says it got the message from where, and when. Reads the forms of Postfix, Exim, Sendmail,
// qmail, Courier, OpenSMTPD, Dovecot, Gmail, Exchange and their kin. Called by received.ts.
import { domainToASCII } from 'node:url'
import { type Address, parseAddress, sameAddress, unmapped } from '../ip/address.ts'

export interface ReceivedField {
  /** Lower-case host of the `by` clause, or null. */
  readonly by: string | null
  /**
   * The address that the writer saw at the other end, from its own note of the connection and never from HELO; null
   * when it names none that can be read.
   */
  readonly from: Address | null
  /** The address of the `for` clause, or null. */
  readonly recipient: string | null
  /**
   * The message came from inside the writer's own site: LMTP, a local program, a fetch from a mailbox, a hop without
   * a `from`. Such a field carries no address of a stranger, and the next one below tells more.
   */
  readonly isInternal: boolean
  /** Epoch seconds of the date after the last semicolon, or null. */
  readonly time: number | null
}

/** RFC 3848 and IANA's mail transmission types, and what programs write where no network was crossed. */
const internalProtocol =
  /^(lmtps?a?|utf8lmtps?a?|(utf8)?local(-\w+)?|mapi|http|https|pop3s?|imap4?s?|spam-scanned|pipe|stdio|courierlocal|nnfmp|getmail|qmail-scanner\S*)$/i
/** Exchange and Mercury; what Postfix, qmail and Sendmail pick up has no `from`. */
const pickupWords = /^from (mail pickup service by\b|Spooler by \S+ \(Mercury\b)/i
/** qmail and nullmailer, of what a program or a connection of theirs gave them. */
const queued = /^\(\S+( pid)? \d+ invoked /i
const maxFieldLength = 4096

/** Reads one field's unfolded value. Never throws; linear in its length. */
export function parseReceivedField(value: string): ReceivedField {
  const text = value.slice(0, maxFieldLength)
  const semicolon = text.lastIndexOf(';')
  const trace = semicolon < 0 ? text : text.slice(0, semicolon)
  const { tokens, isCut } = tokensOf(trace)
  const { clauses, isDisordered } = clausesOf(tokens)
  const from = clauses.get('from')
  const by = clauses.get('by')?.[0] ?? null
  const protocol = clauses.get('with')?.[0] ?? ''
  // HELO may hold spaces: with a clause of its own, a comment that swallows the true ones, or a length that leaves no
  // room for them, it can play any field.
  const isReadable = !isDisordered && !isCut && value.length < maxFieldLength
  const isInternal =
    isReadable &&
    (internalProtocol.test(protocol) ||
      pickupWords.test(trace) ||
      (from === undefined
        ? by !== null || text === '' || queued.test(trace)
        : isLocalProgram(from)))
  return {
    by: by === null ? null : hostName(by),
    from: isInternal || !isReadable ? null : connectionAddress(from ?? [], isByExim(clauses)),
    recipient: recipientOf(clauses.get('for')?.[0]),
    isInternal,
    time: semicolon < 0 ? null : parseDate(text.slice(semicolon + 1)),
  }
}

/** OpenSMTPD and Sendmail, where a comment says that nothing but the host itself was there. */
function isLocalProgram(from: readonly string[]): boolean {
  const [, note = '', ...others] = from
  return others.length === 0 && /^\(\S* ?\[local\]\)$|^\(localhost\)$/i.test(note)
}

function isByExim(clauses: ReadonlyMap<string, readonly string[]>): boolean {
  return ['by', 'with'].some((name) => clauses.get(name)?.some((token) => /^\(Exim\b/i.test(token)))
}

/**
 * Words and comments (RFC 5322 §3.2.2), a comment with its parentheses as one token, nested ones inside it. It is cut
 * when one never ends, or ends so late that the `by` clause stands in it.
 */
function tokensOf(text: string): { readonly tokens: string[]; readonly isCut: boolean } {
  const tokens: string[] = []
  let begin = -1
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (depth > 0) {
      if (char === '\\') i++
      else if (char === '(') depth++
      else if (char === ')' && --depth === 0) {
        tokens.push(text.slice(begin, i + 1))
        begin = -1
      }
    } else if (char === ' ') {
      if (begin >= 0) tokens.push(text.slice(begin, i))
      begin = -1
    } else if (char === '(' && begin < 0) {
      begin = i
      depth = 1
    } else if (begin < 0) {
      begin = i
    }
  }
  if (begin >= 0) tokens.push(text.slice(begin))
  return { tokens, isCut: depth > 0 || tokens.some((token) => /^\(.*\) by /i.test(token)) }
}

const clauseNames = new Set(['from', 'by', 'via', 'with', 'id', 'for'])

interface Clauses {
  readonly clauses: ReadonlyMap<string, readonly string[]>
  /** A second `by` or `with`, or another clause or `from` before `by`: one of them is the client's own. */
  readonly isDisordered: boolean
}

/**
 * RFC 5321 §4.4: each clause has its keyword and at least one word, which may itself look like a keyword; `by` stands
 * behind `from`, and the others behind both.
 */
function clausesOf(tokens: readonly string[]): Clauses {
  const clauses = new Map<string, string[]>()
  let current: string[] | undefined
  let isDisordered = false
  for (const [index, token] of tokens.entries()) {
    const keyword = token.toLowerCase()
    const isTaken = current === undefined || current.length > 0
    if (isTaken && clauseNames.has(keyword) && !clauses.has(keyword)) {
      isDisordered ||= clauses.has('from') && !clauses.has('by') && keyword !== 'by'
      current = []
      clauses.set(keyword, current)
    } else {
      // qmail-scanner: `by HOST by uid 89 with qmail-scanner-2.08`.
      isDisordered ||=
        isTaken &&
        (/^(by|with)$/.test(keyword) || (keyword === 'from' && !clauses.has('by'))) &&
        tokens[index + 1] !== 'uid'
      current?.push(token)
    }
  }
  return { clauses, isDisordered }
}

/**
 * The client's address in a `from` clause. The first word is HELO, or a name; what the server itself saw stands in
 * the first comment that is not HELO's:
 *   HELO (NAME [IP])                    Postfix, Sendmail, OpenSMTPD, Courier, Gmail, Haraka …
 *   NAME ([IP] helo=HELO)               Exim;  [IP] (helo=HELO)  where it has no name
 *   NAME (HELO HELO) (IP)               qmail, Yahoo;  [IP] (HELO HELO)  CommuniGate
 *   HELO (IP)                           Exchange
 *   HELO [IP]                           IMail
 *   IP (EHLO HELO)                      Yahoo since 2019: what it saw, in the place of the name
 * No server writes two such comments: where two carry an address, or the one stands in a quoted string, HELO has
 * brought its own, and which is the server's cannot be told.
 */
function connectionAddress(from: readonly string[], isExim: boolean): Address | null {
  const [first = '', ...rest] = from
  const addressed = from.flatMap((token, index) => (mentionsAddress(token) ? [index] : []))
  if (addressed.length > 1 || isInQuotes(from, addressed[0] ?? 0)) return null
  if (from.some(nestsAddress)) return null
  const words = rest.filter((token) => token.startsWith('['))
  if (words.length > 1) return null
  const ownFirst = rest[0] !== undefined && isHeloComment(rest[0]) ? bracketed(first) : null
  const noted = rest.find((token) => token.startsWith('(') && !isHeloComment(token))
  if (noted !== undefined) {
    const address = addressInComment(noted.slice(1, noted.endsWith(')') ? -1 : undefined))
    // `[IP] (HELO x) ([IP])`: HELO stands either in front or around the second address.
    if (address !== null && ownFirst !== null)
      return sameAddress(address, ownFirst) ? address : null
    if (address !== null || !isExim) return address
  }
  if (isExim || rest.some(isHeloComment)) {
    const address = bracketed(first)
    if (address !== null) return address
  }
  if (rest.length === 1 && rest.some(isHeloComment)) return plainAddress(first)
  const [word] = words
  return word === undefined ? null : bracketed(word)
}

function isHeloComment(token: string): boolean {
  return (
    /^\((account .{1,200} )?(helo|ehlo|lhlo)[ =:]/i.test(token) ||
    /^\((port|ident)=\S+ helo=/i.test(token)
  )
}

/** A comment that says an address and is not HELO's; what it quotes, a certificate's name, says nothing. */
function mentionsAddress(token: string): boolean {
  if (!token.startsWith('(') || isHeloComment(token)) return false
  return addressText.test(token.replace(/"[^"()]*"/g, ''))
}

const addressText = /(^|[^\w.])\d{1,3}(\.\d{1,3}){3}(?![\w.])|:[\da-f]*:/i

/** A comment that HELO opened and something else closed, a certificate's name, has the server's inside it. */
function nestsAddress(token: string): boolean {
  const inner = token.startsWith('(') ? token.indexOf('(', 1) : -1
  return inner >= 0 && addressText.test(token.slice(inner))
}

/** Whether an odd number of quotes stands in the words before a token. */
function isInQuotes(tokens: readonly string[], index: number): boolean {
  const before = tokens.slice(0, index).filter((token) => !token.startsWith('('))
  return before.join(' ').split('"').length % 2 === 0
}

function addressInComment(comment: string): Address | null {
  if (comment.startsWith('[')) {
    const inner = comment.slice(0, comment.indexOf(']') + 1)
    // Momentum writes the port inside: [192.0.2.1:41234], [2001:db8::1]:41234 outside.
    return bracketed(inner) ?? bracketed(inner.replace(/^(\[\d+\.\d+\.\d+\.\d+):\d{1,5}\]$/, '$1]'))
  }
  // Exim's notes at the end are the client's own words; the last address before them is the server's.
  const own = comment.replace(/ (helo|ident)=.*$/i, '')
  const open = own.lastIndexOf('[')
  if (open >= 0) return bracketed(own.slice(open, own.indexOf(']', open) + 1))
  // qmail's kin: `user@IP`, `user@IP with plain`; XMail: `IP:port`.
  const bare = own
    .replace(/^\S*@/, '')
    .replace(/ with \w{1,20}$/, '')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/, '$1')
  return / /.test(bare) ? null : plainAddress(bare)
}

function bracketed(text: string): Address | null {
  const inner = /^\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]/i.exec(text)?.[1]
  return inner === undefined ? null : plainAddress(inner)
}

function plainAddress(text: string): Address | null {
  const parsed = parseAddress(text.replace(/^IPv6:/i, ''))
  if ('why' in parsed) return null
  const address = unmapped(parsed.value)
  const isUnspecified = (address.w0 | address.w1 | address.w2 | address.w3) === 0
  return isUnspecified ? null : address
}

/** A host name as traces and the configuration write it, in lower case and A-labels (RFC 5890); null when it is none. */
export function hostName(text: string): string | null {
  const bare = text
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the range of ASCII.
  const name = /^[\x00-\x7f]*$/.test(bare) ? bare : domainToASCII(bare)
  return /^[\w.:-]{1,255}$/.test(name) ? name : null
}

function recipientOf(text: string | undefined): string | null {
  const address = (text ?? '').replace(/^<|>$/g, '')
  return /^[^\s<>@]+@[^\s<>@]+$/.test(address) ? address : null
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
/** RFC 5322 §4.3: the obsolete names that are still written. */
const zones: Readonly<Record<string, number>> = {
  UT: 0,
  GMT: 0,
  UTC: 0,
  Z: 0,
  EDT: -4,
  EST: -5,
  CDT: -5,
  CST: -6,
  MDT: -6,
  MST: -7,
  PDT: -7,
  PST: -8,
}

/** RFC 5322 §3.3 date-time → epoch seconds, or null. A zone that nobody knows, or beyond ±14:00, counts as UTC. */
export function parseDate(text: string): number | null {
  const match =
    /^\s*(?:[A-Za-z]{3,9},?\s+)?(\d{1,2})\s+([A-Za-z]{3})\w*\s+(\d{2,4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(?:\s+([+-]\d{4}|[A-Za-z]{1,5}))?/.exec(
      text.slice(0, 200),
    )
  if (match === null) return null
  const [, day, monthName = '', yearText = '', hour, minute, second = '0', zone = 'UTC'] = match
  const month = months.indexOf(monthName.toLowerCase())
  const year = Number(yearText) + (yearText.length > 3 ? 0 : Number(yearText) < 50 ? 2000 : 1900)
  if (month < 0) return null
  // RFC 5322 §3.3 allows ±99:59; no clock is further from UTC than 14 hours.
  const offset = /^[+-](0\d|1[0-3])[0-5]\d$|^[+-]1400$/.test(zone)
    ? (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3)))
    : (zones[zone.toUpperCase()] ?? 0) * 60
  const time = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second))
  return Number.isFinite(time) ? time / 1000 - offset * 60 : null
}
