// The kinds of value that only this program's configuration has, and the checks of single keys.
import { isAbsolute, resolve } from 'node:path'
import { parseTrapPattern } from '../blocklist/trap-patterns.ts'
import { parseAddress, unmapped } from '../ip/address.ts'
import { listenAddress, type Setting, text } from './schema.ts'

/** Octets that an address can add to a TXT string: the longest RFC 5952 text. */
const longestAddress = 39
/** A character-string holds at most this many octets (RFC 1035 §3.3). */
const longestCharacterString = 255
/** Octets of an NSID that fit an answer of 512 beside the longest question and a cookie. */
const longestNsid = 128

/** Octets of a name in wire form (RFC 1035 §2.3.4), and of the 32 nibble labels of an IPv6 address. */
const longestName = 255
const nibbleOctets = 32 * 2
/** Characters of a zone's name: on the wire it has an octet more for its first label, and one for the root. */
const longestOrigin = longestName - nibbleOctets - 2

type Checked = { readonly value: string } | { readonly why: string }

/** A file or folder; relative ones, the default too, start from the configuration's folder. Empty only where that is the default. */
export function path(about: string, initial: string | undefined): Setting<string> {
  const read = text(about, initial, 'a path', (value, folder) => {
    if (value.includes('\0')) return { why: 'a path cannot hold a zero octet' }
    return value === '' && initial !== ''
      ? { why: 'expected a path' }
      : { value: resolvePath(value, folder) }
  })
  return { ...read, isInitialRead: true }
}

function resolvePath(value: string, folder: string): string {
  return value === '' || isAbsolute(value) ? value : resolve(folder, value)
}

/**
 * A domain name of letters, digits, hyphens and underscores (RFC 1035 §2.3.1, with SRV-style underscores), no final dot.
 * An address is none: RFC 1035 §3.3.11 and §3.3.13 want names.
 */
export function domainName(
  about: string,
  initial: string | undefined,
  longest = 253,
): Setting<string> {
  const expects = 'a domain name such as "bl.example.org"'
  return text(about, initial, expects, (value) => {
    const name = value.replace(/\.$/, '')
    const isName =
      name.length <= 253 &&
      name
        .split('.')
        .every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))
    if (!isName) return { why: `expected ${expects}, not ${JSON.stringify(value)}` }
    if ('value' in parseAddress(name)) {
      return { why: `${JSON.stringify(value)} is an address; expected ${expects}` }
    }
    return name.length <= longest
      ? { value: name }
      : { why: `has ${name.length} characters; at most ${longest} leave room for entries under it` }
  })
}

/** A zone's name, under which the 32 labels of an IPv6 address still make a name. */
export function zoneName(about: string): Setting<string> {
  return domainName(about, undefined, longestOrigin)
}

/** An address to answer DNS on. The sockets of IPv6 take no IPv4-mapped address (RFC 4291 §2.5.5.2). */
export function dnsAddress(about: string): Setting<string> {
  const plain = listenAddress(about)
  const read: typeof plain.read = (raw, folder) => {
    const checked = plain.read(raw, folder)
    if ('why' in checked) return checked
    const host = /^\[(.*)\]/.exec(checked.value)?.[1]
    const address = host === undefined ? undefined : parseAddress(host)
    return address && 'value' in address && unmapped(address.value) !== address.value
      ? { why: `${JSON.stringify(raw)} is IPv4-mapped: write the IPv4 address` }
      : checked
  }
  return { ...plain, read }
}

/** A name server's address; the port is 53 unless given. */
export function checkServer(value: string): Checked {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value)
  const [host = value, port = 53] = match ? [match[1] ?? match[2], Number(match[3])] : []
  const parsed = parseAddress(host)
  if ('why' in parsed) return { why: `${JSON.stringify(value)}: ${parsed.why}` }
  if (port < 1 || port > 65_535) return { why: `${JSON.stringify(value)}: not a port` }
  return { value: parsed.value.family === 4 ? `${host}:${port}` : `[${host}]:${port}` }
}

export function checkZoneText(value: string): Checked {
  if (/[^\x20-\x7e]/.test(value)) return { why: 'expected printable ASCII only' }
  const filled = value.replaceAll('{ip}', 'x'.repeat(longestAddress)).length
  return filled <= longestCharacterString
    ? { value }
    : {
        why: `can reach ${filled} octets with {ip} filled in; a TXT string holds ${longestCharacterString}`,
      }
}

export function checkNsid(value: string): Checked {
  if (/[^\x20-\x7e]/.test(value)) return { why: 'expected printable ASCII only' }
  return value.length <= longestNsid
    ? { value }
    : { why: `has ${value.length} octets; at most ${longestNsid} fit beside everything else` }
}

export function checkUrl(value: string): Checked {
  if (value === '') return { value }
  const url = URL.parse(value)
  const isPlain = url?.search === '' && url.hash === '' && url.username === ''
  return isPlain && /^https?:$/.test(url.protocol)
    ? { value: value.replace(/\/$/, '') }
    : { why: `expected an URL such as "https://bl.example.org", not ${JSON.stringify(value)}` }
}

export function checkTrapPattern(value: string): Checked {
  const parsed = parseTrapPattern(value)
  return 'why' in parsed ? parsed : { value }
}

export function checkMailboxName(value: string): Checked {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value) && value !== 'smtp'
    ? { value }
    : { why: 'expected up to 64 letters, digits, dots, hyphens and underscores, other than "smtp"' }
}
