// One Received field → which host got the message from which address, and when. Reads the forms of Postfix, Exim, Sendmail,
// qmail, Courier, OpenSMTPD, Dovecot, Gmail, Exchange and related servers. Written by hand: most libraries trust what the client
// said.
import { domainToASCII } from 'node:url'
import { type Address, parseAddress, sameAddress, unmapped } from '../ip/address.ts'

export interface ReceivedField {
  /** Lower-case host of the `by` clause, or null. */
  readonly by: string | null
  /**
   * The client's address as the host that wrote the field saw it on the connection, never from HELO; null if the field has none
   * that can be read.
   */
  readonly from: Address | null
  /** The address in the `for` clause, or null. */
  readonly recipient: string | null
  /** The `id` clause: the message's name in that host's queue and log; or null. */
  readonly id: string | null
  /**
   * The message came from inside the same site: by LMTP, from a local program, fetched from a mailbox, or without a `from`. Such
   * a field names no stranger's address; the next field below tells more.
   */
  readonly isInternal: boolean
  /** The date after the last semicolon in epoch seconds, or null. */
  readonly time: number | null
}

/**
 * Protocol names (RFC 3848, IANA's mail transmission types, and names that programs use) for mail that did not cross a network.
 */
const internalProtocol =
  /^(lmtps?a?|utf8lmtps?a?|(utf8)?local(-\w+)?|mapi|http|https|pop3s?|imap4?s?|spam-scanned|pipe|stdio|courierlocal|nnfmp|getmail|qmail-scanner\S*)$/i
/** What qmail and nullmailer write for mail from a local program or connection, and Haraka for mail that it sends on. */
const queued = /^\(\S+( pid)? \d+ invoked |^\(Haraka outbound\)/i
const maxFieldLength = 4096

/**
 * Reads one field's unfolded value. Never throws; linear in its length.
 *
 * What a client can choose in a field that our own server wrote:
 *   HELO         its HELO name, in all forms. Postfix, qmail, Sendmail and OpenSMTPD let no blank or parenthesis through. Other
 *                servers may let any text through.
 *   NAME         the reverse DNS name of its address: letters, digits, `-`, `_` and dots, chosen by the owner.
 *   IDENT        the reply of the client's ident server (RFC 1413): Exim `ident=`, any text; Sendmail `IDENT:x@` and
 *                qmail `x@`, no blank, bracket or quote.
 *   CN, Issuer   names in its certificate, which Postfix writes in quotes. Any text, quotes and parentheses too.
 *   SENDER       the reverse-path: Exim and Momentum `(envelope-from <…>)`, qmail-ldap and maddy
 *                `(envelope-sender <…>)`, XMail `from <…>`. Any text, in a quoted local part.
 *   RECIPIENT    the address behind `for`. It is a trap, but its quoted local part may be any text.
 *   PORT, TLS    digits, and names from a list.
 * The server chooses `by`, `with`, `id`, the date and the address. If the client's words could be mistaken for the server's,
 * nothing is read: see isReadable and connectionAddress. A server that writes no address (old MDaemon) is assumed to let no blank
 * through; otherwise its client could imitate any other server.
 */
export function parseReceivedField(value: string): ReceivedField {
  const text = value.slice(0, maxFieldLength)
  const semicolon = text.lastIndexOf(';')
  const trace = semicolon < 0 ? text : text.slice(0, semicolon)
  const date = semicolon < 0 ? '' : text.slice(semicolon + 1)
  const { tokens, isCut } = tokensOf(trace)
  const { clauses, isDisordered } = clausesOf(tokens)
  const from = clauses.get('from')
  const by = clauses.get('by')?.[0] ?? null
  const protocol = clauses.get('with')?.[0] ?? ''
  // HELO may contain blanks. So it can imitate any field: with a clause of its own, with a comment that swallows the real
  // clauses, with a semicolon before them, or with a length that leaves no room for them.
  const isReadable = !isDisordered && !isCut && !/ by /i.test(date) && value.length < maxFieldLength
  const isInternal =
    isReadable &&
    (internalProtocol.test(protocol) ||
      (from === undefined
        ? by !== null || text === '' || queued.test(trace)
        : isPickup(from, clauses) || isLocalProgram(from)))
  return {
    by: by === null ? null : hostName(by),
    from: isInternal || !isReadable ? null : connectionAddress(from ?? [], isByExim(clauses)),
    recipient: recipientOf(clauses.get('for')?.[0]),
    id: clauses.get('id')?.[0] ?? null,
    isInternal,
    time: semicolon < 0 ? null : parseDate(date),
  }
}

/**
 * What Exchange and Mercury write for mail from a local program. (Postfix, qmail and Sendmail then write no `from`.) If a comment
 * follows, a client said these words, and the comment is the server's note about it.
 */
function isPickup(
  from: readonly string[],
  clauses: ReadonlyMap<string, readonly string[]>,
): boolean {
  const words = from.join(' ').toLowerCase()
  if (words === 'mail pickup service') return true
  return words === 'spooler' && /^\(Mercury\b/i.test(clauses.get('by')?.[1] ?? '')
}

/** Whether a comment of OpenSMTPD or Sendmail says that the message came from the host itself. */
function isLocalProgram(from: readonly string[]): boolean {
  const [, note = '', ...others] = from
  return others.length === 0 && /^\(\S* ?\[local\]\)$|^\(localhost\)$/i.test(note)
}

function isByExim(clauses: ReadonlyMap<string, readonly string[]>): boolean {
  return ['by', 'with'].some((name) => clauses.get(name)?.some((token) => /^\(Exim\b/i.test(token)))
}

/**
 * Words and comments (RFC 5322 §3.2.2). A comment with its parentheses, and with the comments nested in it, is one token. `isCut`
 * is true if a comment never ends, or ends so late that it contains the `by` clause.
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
  return { tokens, isCut: depth > 0 || tokens.some((token) => /^\(.*\) by /is.test(token)) }
}

const clauseNames = new Set(['from', 'by', 'via', 'with', 'id', 'for'])

interface Clauses {
  readonly clauses: ReadonlyMap<string, readonly string[]>
  /** There is a second `by` or `with`, or a clause out of place, so the client wrote one of them. */
  readonly isDisordered: boolean
}

/**
 * Splits a field into clauses (RFC 5321 §4.4). Each clause is a keyword and at least one word, which may look like a keyword too.
 * `from` comes first, then `by`, then the others; none follows `for`.
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
      isDisordered ||= (keyword === 'from' && clauses.size > 0) || clauses.has('for')
      current = []
      clauses.set(keyword, current)
    } else {
      // qmail-scanner writes `by HOST by uid 89 with qmail-scanner-2.08`.
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
 * The client's address in a `from` clause. The first word is HELO or a name. What the server saw stands in the first comment that
 * is not HELO's:
 *   HELO (NAME [IP])                    Postfix, Sendmail, OpenSMTPD, Courier, Gmail, Haraka …
 *   NAME ([IP] helo=HELO)               Exim;  [IP] (helo=HELO)  if it has no name
 *   NAME (HELO HELO) (IP)               qmail, Yahoo;  [IP] (HELO HELO)  CommuniGate
 *   HELO (IP)                           Exchange
 *   HELO [IP]                           IMail
 *   IP (EHLO HELO)                      Yahoo since 2019: the address stands in the place of the name
 * No server writes two such addresses, or HELO twice. If there are two, or the address stands in a quoted string, the client has
 * added one of them, and we cannot tell which. The result is then null.
 */
function connectionAddress(from: readonly string[], isExim: boolean): Address | null {
  const [first = '', ...rest] = from
  if ((first.startsWith('(') && mentionsAddress(first)) || from.some(nestsAddress)) return null
  const [noted, ...others] = rest.filter((token) => mentionsAddress(token))
  if (others.length > 0 || rest.filter(isHeloComment).length > 1) return null
  const isHeloBehind = rest[0] !== undefined && isHeloComment(rest[0])
  if (noted !== undefined) {
    if (isInQuotes(from, from.indexOf(noted, 1))) return null
    const address = noted.startsWith('(') ? addressInComment(noted.slice(1, -1)) : bracketed(noted)
    // Until 2019, Yahoo wrote 127.0.0.1 if it had no name.
    const isName = !isHeloBehind || first === '127.0.0.1'
    const named = isName ? null : (bracketed(first) ?? plainAddress(first))
    // `[IP] (HELO x) ([IP])`: HELO stands before the second address or encloses it.
    return address === null || named === null || sameAddress(address, named) ? address : null
  }
  // A server that does not know the address says so in a comment. Exim's comments say other things.
  if (!isExim && (!isHeloBehind || rest.some((token) => !isHeloComment(token)))) return null
  return bracketed(first) ?? (isHeloBehind && rest.length === 1 ? plainAddress(first) : null)
}

/** Whether a comment has HELO, or Exim's notes beside an address without a name. */
function isHeloComment(token: string): boolean {
  return /^\((account .{1,200} )?(helo|ehlo|lhlo)[ =:]|^\((port|ident)=/i.test(token)
}

/** Whether a token has an address and is not HELO's comment. Quoted text (a name in a certificate) does not count. */
function mentionsAddress(token: string): boolean {
  return !isHeloComment(token) && addressText.test(token.replace(/"[^"()]*"/g, ''))
}

/** Postfix writes `[unknown]` in place of an address. */
const addressText = /(^|[^\w.])\d{1,3}(\.\d{1,3}){3}(?![\w.])|:[\da-f]*:|\[unknown\]/i

/** Whether HELO opened a comment that a certificate's name closed, so that the server's own comment is inside. */
function nestsAddress(token: string): boolean {
  const inner = token.startsWith('(') ? token.indexOf('(', 1) : -1
  return inner >= 0 && addressText.test(token.slice(inner))
}

/** Whether an odd number of quotes stands before a token. */
function isInQuotes(tokens: readonly string[], index: number): boolean {
  const before = tokens.slice(0, index).filter((token) => !token.startsWith('('))
  return before.join(' ').split('"').length % 2 === 0
}

function addressInComment(comment: string): Address | null {
  // What the client said stands behind these words; what its ident server said stands before them.
  const [own = '', ...said] = comment.split(/ (?:helo|ident)=/i)
  const isFirst = own.startsWith('[')
  if (!isFirst && addressText.test(said.join(' '))) return null
  const open = isFirst ? 0 : own.lastIndexOf('[')
  const close = own.indexOf(']', open)
  if (open >= 0) {
    if (addressText.test(own.slice(close + 1))) return null
    // Momentum writes the port inside the brackets, [192.0.2.1:41234], or outside, [2001:db8::1]:41234.
    const inner = own.slice(open, close + 1)
    return bracketed(inner) ?? bracketed(inner.replace(/^(\[\d+(?:\.\d+){3}):\d{1,5}\]$/, '$1]'))
  }
  // qmail and its relatives write `user@IP` or `user@IP with plain`; XMail writes `IP:port`.
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

/**
 * A host name in the form of traces and the configuration, in lower case and A-labels (RFC 5890); null if the text is not a host
 * name.
 */
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
/** Obsolete zone names that are still in use (RFC 5322 §4.3). */
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

/**
 * Parses a date-time (RFC 5322 §3.3) into epoch seconds; null if it is not one. An unknown zone, or one beyond ±14:00, counts as
 * UTC.
 */
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
  // RFC 5322 §3.3 allows ±99:59, but no clock is further from UTC than 14 hours.
  const offset = /^[+-](0\d|1[0-3])[0-5]\d$|^[+-]1400$/.test(zone)
    ? (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3)))
    : (zones[zone.toUpperCase()] ?? 0) * 60
  const time = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second))
  return Number.isFinite(time) ? time / 1000 - offset * 60 : null
}
