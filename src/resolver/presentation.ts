// One resource record in presentation form (RFC 1035 §5.1) → its fields. Each field is checked, and a record that dns2 cannot
// encode correctly is refused. Errors are returned as values.
import { formatAddress, type Parsed, parseAddress } from '../ip/address.ts'

/** The data of a record by type. Names are absolute, without the final dot; the root is ''. */
type RecordData =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME' | 'PTR'; readonly domain: string }
  | { readonly type: 'MX'; readonly priority: number; readonly exchange: string }
  | {
      readonly type: 'SRV'
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: string
    }
  | { readonly type: 'TXT'; readonly data: readonly Buffer[] }
  | { readonly type: 'CAA'; readonly flags: number; readonly tag: string; readonly value: string }

export interface PresentedRecord {
  /** Absolute, lower case, without the final dot. */
  readonly owner: string
  /** Seconds; undefined means the zone's TTL. */
  readonly ttl: number | undefined
  readonly data: RecordData
}

const maxTtl = 0x7fff_ffff
const supported = 'A, AAAA, CAA, CNAME, MX, PTR, SRV, TXT'

/**
 * Reads `OWNER [TTL] [IN] TYPE DATA…`. Names without a final dot, and `@`, are relative to `origin`. Strings may be quoted, with
 * `\"`, `\\` and `\DDD` inside. Comments, parentheses and wildcards are refused.
 */
export function parseRecord(text: string, origin: string): Parsed<PresentedRecord> {
  const tokens = tokenize(text)
  if ('why' in tokens) return tokens
  const [ownerToken, ...rest] = tokens.value
  if (ownerToken === undefined || rest.length === 0) {
    return { why: 'expected OWNER [TTL] [IN] TYPE DATA' }
  }
  const owner = parseName(ownerToken.text, origin)
  if ('why' in owner) return { why: `owner: ${owner.why}` }
  let ttl: number | undefined
  let hasClass = false
  for (;;) {
    const word = rest[0]?.text ?? ''
    if (ttl === undefined && /^\d+$/.test(word)) {
      ttl = Number(word)
      if (ttl > maxTtl) return { why: `TTL: expected at most ${maxTtl}` }
    } else if (!hasClass && word.toUpperCase() === 'IN') hasClass = true
    else break
    rest.shift()
  }
  const [type, ...fields] = rest
  if (type === undefined) return { why: 'the type is missing' }
  const data = parseData(type.text.toUpperCase(), fields, origin)
  if ('why' in data) return data
  return { value: { owner: owner.value.toLowerCase(), ttl, data: data.value } }
}

/**
 * Reads a domain name of letters, digits, `-` and `_`. Returns it absolute, without the final dot. Without an origin, every name
 * counts as absolute.
 */
export function parseName(text: string, origin?: string): Parsed<string> {
  if (text === '.') return { value: '' }
  if (text === '@' && origin !== undefined) return { value: origin }
  if (text.includes('\\')) return { why: `${text}: escapes in names are not supported` }
  const isAbsolute = text.endsWith('.')
  const relative = isAbsolute ? text.slice(0, -1) : text
  for (const label of relative.split('.')) {
    if (label === '*') return { why: `${text}: wildcards are not supported` }
    if (label.length > 63) return { why: `${text}: a label has at most 63 octets` }
    if (!/^[a-z0-9_-]+$/i.test(label)) return { why: `${text}: not a domain name` }
  }
  const name = isAbsolute || !origin ? relative : `${relative}.${origin}`
  if (name.length > 253) return { why: `${text}: a name has at most 255 octets` }
  return { value: name }
}

interface Token {
  readonly text: string
  /** `text` with its escapes replaced: the octets of a character-string. */
  readonly octets: Buffer
}

const tokenPattern = /"((?:[^"\\]|\\.)*)"|((?:[^\s"();\\]|\\.)+)/gsy

function tokenize(text: string): Parsed<Token[]> {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const blank = /[ \t]+/y
    blank.lastIndex = at
    at += blank.exec(text)?.[0].length ?? 0
    if (at === text.length) break
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(text)
    if (match === null) return { why: `unexpected ${JSON.stringify(text[at])}` }
    const raw = match[1] ?? match[2] ?? ''
    const octets = unescapeString(raw)
    if ('why' in octets) return octets
    tokens.push({ text: raw, octets: octets.value })
    at += match[0].length
  }
  return { value: tokens }
}

/** Replaces escapes: `\DDD` is an octet, `\X` is X itself (RFC 1035 §5.1). */
function unescapeString(text: string): Parsed<Buffer> {
  const pieces: Buffer[] = []
  for (const [, decimal, escaped, literal] of text.matchAll(/\\(\d{3})|\\(.)|([^\\]+)/gs)) {
    if (decimal !== undefined) {
      if (Number(decimal) > 255) return { why: `\\${decimal}: an octet is at most 255` }
      pieces.push(Buffer.from([Number(decimal)]))
    } else pieces.push(Buffer.from(escaped ?? literal ?? ''))
  }
  return { value: Buffer.concat(pieces) }
}

function parseData(type: string, fields: readonly Token[], origin: string): Parsed<RecordData> {
  const texts = fields.map(({ text }) => text)
  switch (type) {
    case 'A':
    case 'AAAA':
      return parseAddressData(type, texts)
    case 'CNAME':
    case 'PTR': {
      const [domain, ...extra] = texts
      if (domain === undefined || extra.length > 0) return { why: `${type}: expected one name` }
      return withName(domain, origin, (value) => ({ type, domain: value }))
    }
    case 'MX': {
      const [preference = '', exchange, ...extra] = texts
      const priority = parseNumber(preference, 0xffff)
      if (priority === undefined || exchange === undefined || extra.length > 0) {
        return { why: 'MX: expected PREFERENCE (0–65535) and a name' }
      }
      return withName(exchange, origin, (value) => ({ type, priority, exchange: value }))
    }
    case 'SRV': {
      const [priority, weight, port] = texts.slice(0, 3).map((text) => parseNumber(text, 0xffff))
      const [target, ...extra] = texts.slice(3)
      if (
        priority === undefined ||
        weight === undefined ||
        port === undefined ||
        extra.length > 0
      ) {
        return { why: 'SRV: expected PRIORITY WEIGHT PORT (0–65535 each) and a name' }
      }
      if (target === undefined) return { why: 'SRV: the target is missing' }
      return withName(target, origin, (value) => ({ type, priority, weight, port, target: value }))
    }
    case 'TXT': {
      const data = fields.map(({ octets }) => octets)
      if (data.length === 0) return { why: 'TXT: expected at least one string' }
      if (data.some(({ length }) => length > 255)) {
        return { why: 'TXT: a string has at most 255 octets; write several' }
      }
      return { value: { type, data } }
    }
    case 'CAA': {
      const [flagsText = '', tag = ''] = texts
      const flags = parseNumber(flagsText, 255)
      const value = fields[2]?.octets.toString()
      if (flags === undefined || !/^[a-z0-9]{1,15}$/i.test(tag) || value === undefined) {
        return { why: 'CAA: expected FLAGS (0–255), TAG and a value' }
      }
      if (fields.length > 3) return { why: 'CAA: the value is one string: put it in quotes' }
      return { value: { type, flags, tag, value } }
    }
    case 'NS':
      return { why: 'NS: set name servers in zone.nameservers; delegation is not supported' }
    case 'SOA':
      return { why: 'SOA: it is made from zone.nameservers, hostmaster, ttl and negativeTtl' }
    default:
      return { why: `type ${type} is not supported here (${supported})` }
  }
}

function parseAddressData(type: 'A' | 'AAAA', texts: readonly string[]): Parsed<RecordData> {
  const family = type === 'A' ? 4 : 6
  const [text, ...extra] = texts
  if (text === undefined || extra.length > 0) return { why: `${type}: expected one address` }
  const address = parseAddress(text)
  if ('why' in address) return { why: `${type}: ${text}: ${address.why}` }
  if (address.value.family !== family) return { why: `${type}: ${text} is not IPv${family}` }
  return { value: { type, address: formatAddress(address.value) } }
}

function withName(
  text: string,
  origin: string,
  make: (name: string) => RecordData,
): Parsed<RecordData> {
  const name = parseName(text, origin)
  return 'why' in name ? name : { value: make(name.value) }
}

function parseNumber(text: string, max: number): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= max ? Number(text) : undefined
}
