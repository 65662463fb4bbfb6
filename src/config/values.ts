// The kinds of values that keys can have: words, numbers, durations, sizes, lists, addresses, names and paths. Each function
// makes a Setting. Also the checks of keys whose text has a special form.
import { isAbsolute, resolve } from 'node:path'
import { parseTrapPattern } from '../blocklist/traps.ts'
import { type Parsed, parseAddress, parsePrefix, splitHostPort, unmapped } from '../ip/address.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../quantity.ts'
import type { Setting } from './schema.ts'

/** Most octets of an address in RFC 5952 text. */
const longestAddress = 39
/** Most octets of a character-string (RFC 1035 §3.3). */
const longestCharacterString = 255
/** Most octets of an NSID, so that it fits into an answer of 512 octets with the longest question and all other options. */
const longestNsid = 128
/** Most characters of a domain name: 255 octets on the wire (RFC 1035 §2.3.4) without the first and last length octet. */
const longestName = 253
/** Most characters of a zone's name. The 32 nibble labels of an IPv6 address come before it and take 2 octets each. */
const longestOrigin = longestName - 32 * 2

function setting<T>(
  about: string,
  initial: unknown,
  expects: string,
  read: (raw: unknown, folder: string) => Parsed<T>,
): Setting<T> {
  return { node: 'setting', about, expects, initial, read }
}

/** A string. `check` may refuse or change the value. */
export function text(
  about: string,
  initial: string | undefined,
  expects = 'a string',
  check?: (value: string, folder: string) => Parsed<string>,
): Setting<string> {
  return setting(about, initial, expects, (raw, folder) =>
    typeof raw === 'string' ? (check?.(raw, folder) ?? { value: raw }) : wrongType(expects, raw),
  )
}

/** The same setting, for a value that may reveal a trap: errors never repeat the value. */
export function secret({ about, initial, expects, read }: Setting<string>): Setting<string> {
  const hushed = setting(about, initial, expects, (raw, folder) =>
    typeof raw === 'string' ? read(raw, folder) : { why: `expected ${expects}` },
  )
  return { ...hushed, isSecret: true }
}

/** A setting whose value is one of `words`. */
export function word<const W extends string>(
  about: string,
  initial: NoInfer<W> | undefined,
  words: readonly W[],
): Setting<W> {
  const expects = `one of ${words.map((each) => JSON.stringify(each)).join(', ')}`
  return setting(about, initial, expects, (raw) => {
    const found = words.find((each) => each === raw)
    return found === undefined ? wrongType(expects, raw) : { value: found }
  })
}

export function flag(about: string, initial: boolean): Setting<boolean> {
  const expects = 'true or false'
  return setting(about, initial, expects, (raw) =>
    typeof raw === 'boolean' ? { value: raw } : wrongType(expects, raw),
  )
}

export function integer(
  about: string,
  initial: number,
  least: number,
  most: number,
): Setting<number> {
  const expects = `a whole number from ${least} to ${most}`
  return setting(about, initial, expects, (raw) =>
    typeof raw === 'number' && Number.isInteger(raw) && raw >= least && raw <= most
      ? { value: raw }
      : wrongType(expects, raw),
  )
}

/** A duration, converted to whole seconds. The limits are in seconds and inclusive. */
export function duration(
  about: string,
  initial: string,
  least: number,
  most: number,
): Setting<number> {
  const expects = `a duration from ${formatDuration(least)} to ${formatDuration(most)}, such as "90s", "1h" or "28d"`
  return quantity(about, initial, expects, parseDuration, least, most)
}

/** A size, converted to octets. The limits are in octets and inclusive. */
export function size(about: string, initial: string, least: number, most: number): Setting<number> {
  const expects = `a size from ${formatSize(least)} to ${formatSize(most)}, such as "16 MiB"`
  return quantity(about, initial, expects, parseSize, least, most)
}

function quantity(
  about: string,
  initial: string,
  expects: string,
  parse: (text: string) => Parsed<number>,
  least: number,
  most: number,
): Setting<number> {
  return setting(about, initial, expects, (raw) => {
    const parsed = typeof raw === 'string' ? parse(raw) : wrongType(expects, raw)
    return 'value' in parsed && parsed.value >= least && parsed.value <= most
      ? parsed
      : wrongType(expects, raw)
  })
}

/** A list in which each entry is an `item`. */
export function list<T>(item: Setting<T>, initial?: readonly string[]): Setting<readonly T[]> {
  const expects = `a list, each entry ${item.expects}`
  return setting(item.about, initial, expects, (raw, folder) => {
    if (!Array.isArray(raw)) return wrongType(expects, raw)
    const values: T[] = []
    for (const [index, each] of raw.entries()) {
      const read = item.read(each, folder)
      if ('why' in read) return { why: `entry ${index + 1}: ${read.why}` }
      values.push(read.value)
    }
    return { value: values }
  })
}

/** A `host:port` to listen on, with IPv6 in brackets. Kept as written. */
export function listenAddress(about: string, initial?: string): Setting<string> {
  const expects = 'an address and port such as "192.0.2.1:53" or "[2001:db8::1]:53"'
  return text(about, initial, expects, (value) => {
    const given = splitHostPort(value)
    const address = given && parseAddress(given.host)
    if (!given || !address || 'why' in address || given.port > 65_535) {
      return { why: `expected ${expects}, not ${quoted(value)}` }
    }
    return given.isBracketed === (address.value.family === 6)
      ? { value }
      : { why: `expected ${expects}: brackets belong around IPv6` }
  })
}

/** An address to answer DNS on. It must not be IPv4-mapped (RFC 4291 §2.5.5.2): IPv6 sockets do not accept that. */
export function dnsAddress(about: string): Setting<string> {
  const { expects, read } = listenAddress(about)
  return setting(about, undefined, expects, (raw, folder) => {
    const checked = read(raw, folder)
    if ('why' in checked) return checked
    const host = /^\[(.*)\]/.exec(checked.value)?.[1]
    const address = host === undefined ? undefined : parseAddress(host)
    return address && 'value' in address && unmapped(address.value) !== address.value
      ? { why: `${JSON.stringify(raw)} is IPv4-mapped: write the IPv4 address` }
      : checked
  })
}

/** An address or a prefix, kept as text. */
export function prefixText(about: string): Setting<string> {
  const expects = 'an address or prefix such as "192.0.2.0/24"'
  return text(about, undefined, expects, (value) => {
    const parsed = parsePrefix(value)
    return 'why' in parsed ? { why: `${quoted(value)}: ${parsed.why}` } : { value }
  })
}

/**
 * A file or folder. A relative path, also a relative default, starts from the configuration's folder. It may be empty only if
 * the default is empty. Without a default it is required.
 */
export function path(about: string, initial: string | undefined): Setting<string> {
  return text(about, initial, 'a path', (value, folder) => {
    if (value.includes('\0')) return { why: 'a path cannot hold a zero octet' }
    if (value === '' && initial !== '') return { why: 'expected a path' }
    return { value: value === '' || isAbsolute(value) ? value : resolve(folder, value) }
  })
}

/**
 * A domain name of letters, digits, hyphens and underscores (RFC 1035 §2.3.1; underscores as in SRV names), without the
 * final dot. An address is not a name: NS and SOA records hold names (RFC 1035 §3.3.11, §3.3.13).
 */
export function domainName(about: string, longest = longestName): Setting<string> {
  const expects = 'a domain name such as "bl.example.org"'
  return text(about, undefined, expects, (value) => {
    const name = value.replace(/\.$/, '')
    const isName =
      name.length <= longestName &&
      name
        .split('.')
        .every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))
    if (!isName) return { why: `expected ${expects}, not ${quoted(value)}` }
    if ('value' in parseAddress(name)) {
      return { why: `${JSON.stringify(value)} is an address; expected ${expects}` }
    }
    return name.length <= longest
      ? { value: name }
      : { why: `has ${name.length} characters; at most ${longest} leave room for entries under it` }
  })
}

/** A mail address as the SOA record has it: a domain name with a dot in place of the @ (RFC 1035 §3.3.13). */
export function mailboxName(about: string): Setting<string> {
  const name = domainName(about)
  return setting(about, undefined, name.expects, (raw, folder) => {
    const parts = typeof raw === 'string' ? raw.split('@') : []
    if (parts.length !== 2) return name.read(raw, folder)
    const [localPart = '', domain] = parts
    return localPart.includes('.')
      ? { why: `choose an address without a dot before the @, and write a dot in place of the @` }
      : { why: `write a dot in place of the @: ${JSON.stringify(`${localPart}.${domain}`)}` }
  })
}

/** A zone's name. It must leave room for the 32 labels of an IPv6 address before it. */
export function zoneName(about: string): Setting<string> {
  return domainName(about, longestOrigin)
}

/** The name of a zone that may be missing: '' stands for none. */
export function optionalZoneName(about: string): Setting<string> {
  const name = zoneName(about)
  return setting(about, '', name.expects, (raw, folder) =>
    raw === '' ? { value: raw } : name.read(raw, folder),
  )
}

/** Checks the address of a name server. The default port is 53. */
export function checkServer(value: string): Parsed<string> {
  const { host, port } = splitHostPort(value) ?? { host: value, port: 53 }
  const parsed = parseAddress(host)
  if ('why' in parsed) return { why: `${quoted(value)}: ${parsed.why}` }
  if (port < 1 || port > 65_535) return { why: `${quoted(value)}: not a port` }
  return { value: parsed.value.family === 4 ? `${host}:${port}` : `[${host}]:${port}` }
}

/** As `checkServer`; '' is right too. */
export function checkPrimary(value: string): Parsed<string> {
  return value === '' ? { value } : checkServer(value)
}

export function checkZoneText(value: string): Parsed<string> {
  const filled = value.replaceAll('{ip}', 'x'.repeat(longestAddress)).length
  if (filled <= longestCharacterString) return checkAscii(value)
  const excess = filled - longestCharacterString
  return {
    why: `may have ${filled} octets once {ip} is filled in; a TXT string holds at most ${longestCharacterString}: shorten it by ${excess}`,
  }
}

export function checkNsid(value: string): Parsed<string> {
  if (value.length <= longestNsid) return checkAscii(value)
  return { why: `has ${value.length} octets; at most ${longestNsid} are allowed` }
}

function checkAscii(value: string): Parsed<string> {
  return /[^\x20-\x7e]/.test(value) ? { why: 'expected printable ASCII only' } : { value }
}

export function checkUrl(value: string): Parsed<string> {
  if (value === '') return { value }
  const url = URL.parse(value)
  const isPlain = url?.search === '' && url.hash === '' && url.username === ''
  return isPlain && /^https?:$/.test(url.protocol)
    ? { value: value.replace(/\/$/, '') }
    : { why: `expected a URL such as "https://bl.example.org", not ${quoted(value)}` }
}

export function checkTrapPattern(value: string): Parsed<string> {
  const parsed = parseTrapPattern(value)
  return 'why' in parsed ? parsed : { value }
}

export function checkMailboxName(value: string): Parsed<string> {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value) && value !== 'smtp'
    ? { value }
    : { why: 'expected up to 64 letters, digits, dots, hyphens and underscores, other than "smtp"' }
}

/** A wrong value as messages show it. What looks like a mail address may be a trap, and messages are logged. */
function quoted(raw: unknown): string {
  const text = JSON.stringify(raw) ?? String(raw)
  return text.replaceAll(/[^\s"]+/g, (word) => (word.includes('@') ? '(address)' : word))
}

function wrongType(expects: string, raw: unknown): { why: string } {
  const shown = quoted(raw)
  return { why: `expected ${expects}, not ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}` }
}
