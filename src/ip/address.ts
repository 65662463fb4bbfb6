// Converts addresses and prefixes between text and numbers, and compares them. ip-num parses and formats IPv6 text.
// Everything else works on four 32-bit words, since answers and long imports must be fast.
import { isIPv4, isIPv6 } from 'node:net'
import { collapseIPv6Number, IPv6 } from 'ip-num'

export type Family = 4 | 6

/** An address as four unsigned 32-bit words, most significant first. An IPv4 address is in `w0`; the others are 0. */
export interface Address {
  readonly family: Family
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** A network: its first address (no host bits set) and its length in bits, 0–32 or 0–128. */
export interface Prefix extends Address {
  readonly length: number
}

/** The result of parsing a text: the value, or what is wrong with the text. `why` is shown after the text: "TEXT: WHY". */
export type Parsed<T> = { readonly value: T } | { readonly why: string }

/** Bits in an address of the family: 32 or 128. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128
}

/**
 * Parses an IPv4 or IPv6 address (RFC 4291 §2.2, also with a dotted tail). Refuses leading zeros in IPv4 octets, zone ids,
 * brackets and blanks. An IPv4-mapped address stays IPv6: see `unmapped`.
 */
export function parseAddress(text: string): Parsed<Address> {
  if (isIPv4(text)) return { value: addressFromIPv4(ipv4Word(text)) }
  if (text.includes('%')) return { why: 'an address must not have a zone id here' }
  if (isIPv6(text)) return { value: addressFromBigInt(new IPv6(text).value) }
  if (/^\d+(\.\d+){3}$/.test(text) && /(^|\.)0\d/.test(text)) {
    return { why: 'not an IP address (leading zeros are not allowed)' }
  }
  return { why: 'not an IP address' }
}

/** Parses `ADDRESS` or `ADDRESS/LENGTH`. A bare address becomes a /32 or /128. Host bits must be zero. */
export function parsePrefix(text: string): Parsed<Prefix> {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if ('why' in address) return address
  const bits = addressBits(address.value.family)
  if (slash < 0) return { value: { ...address.value, length: bits } }
  const lengthText = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText) || Number(lengthText) > bits) {
    return { why: `the prefix length must be a number from 0 to ${bits}` }
  }
  const length = Number(lengthText)
  const network = networkOf(address.value, length)
  if (!sameAddress(network, address.value)) {
    return { why: `host bits are set: the network is ${formatPrefix(network)}` }
  }
  return { value: network }
}

/** Splits `HOST:PORT` or `[IPV6]:PORT`. Neither part is checked. Undefined if the text has another form. */
export function splitHostPort(
  text: string,
): { readonly host: string; readonly port: number; readonly isBracketed: boolean } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const [, bracketed, plain = '', port] = match
  return { host: bracketed ?? plain, port: Number(port), isBracketed: bracketed !== undefined }
}

/** Formats an address in canonical form: dotted quad, or RFC 5952. IPv4-mapped addresses are written in hexadecimal. */
export function formatAddress(address: Address): string {
  const { family, w0, w1, w2, w3 } = address
  if (family === 4) return `${w0 >>> 24}.${(w0 >>> 16) & 255}.${(w0 >>> 8) & 255}.${w0 & 255}`
  const groups = [w0, w1, w2, w3].flatMap((word) => [word >>> 16, word & 0xffff])
  return collapseIPv6Number(groups.map((group) => group.toString(16)).join(':'))
}

/** Formats a prefix in canonical form, always with its length: `192.0.2.1/32`, `2001:db8::/64`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`
}

/** A single address as a prefix. */
export function hostPrefix(address: Address): Prefix {
  const { family, w0, w1, w2, w3 } = address
  return { family, w0, w1, w2, w3, length: addressBits(family) }
}

/** The network of the given length that contains the address. */
export function networkOf(address: Address, length: number): Prefix {
  const { family, w0, w1, w2, w3 } = address
  return {
    family,
    w0: (w0 & wordMask(length)) >>> 0,
    w1: (w1 & wordMask(length - 32)) >>> 0,
    w2: (w2 & wordMask(length - 64)) >>> 0,
    w3: (w3 & wordMask(length - 96)) >>> 0,
    length,
  }
}

/** Whether `outer` contains all of `inner`. False if one is IPv4 and the other IPv6. */
export function contains(outer: Prefix, inner: Address | Prefix): boolean {
  if (outer.family !== inner.family) return false
  const { length } = outer
  if ('length' in inner && inner.length < length) return false
  return (
    (inner.w0 & wordMask(length)) >>> 0 === outer.w0 &&
    (inner.w1 & wordMask(length - 32)) >>> 0 === outer.w1 &&
    (inner.w2 & wordMask(length - 64)) >>> 0 === outer.w2 &&
    (inner.w3 & wordMask(length - 96)) >>> 0 === outer.w3
  )
}

/** The fewest prefixes that cover exactly the IPv4 addresses from `first` to `last`, in order. ip-num cannot do this. */
export function prefixesBetween(first: Address, last: Address): Prefix[] {
  const prefixes: Prefix[] = []
  for (let word = first.w0; word <= last.w0; ) {
    let size = 1
    while (word % (2 * size) === 0 && word + 2 * size - 1 <= last.w0) size *= 2
    prefixes.push({ ...addressFromIPv4(word), length: 32 - Math.log2(size) })
    word += size
  }
  return prefixes
}

/** Whether one of the two contains the other. Prefixes never overlap in part. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return contains(a, b) || contains(b, a)
}

/**
 * Returns the fewest prefixes that cover `prefix` without the holes; none if a hole is equal to `prefix`. Holes that `prefix`
 * does not contain are ignored, even if they contain `prefix`.
 */
export function subtract(prefix: Prefix, holes: readonly Prefix[]): Prefix[] {
  const inside = holes.filter((hole) => contains(prefix, hole))
  if (inside.length === 0) return [prefix]
  if (inside.some((hole) => hole.length === prefix.length)) return []
  const word = (['w0', 'w1', 'w2', 'w3'] as const)[prefix.length >> 5] ?? 'w0'
  const low = { ...prefix, length: prefix.length + 1 }
  const high = { ...low, [word]: (low[word] | (0x8000_0000 >>> (prefix.length & 31))) >>> 0 }
  return [...subtract(low, inside), ...subtract(high, inside)]
}

/** Whether two addresses have the same family and bits. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.w0 === b.w0 && a.w1 === b.w1 && a.w2 === b.w2 && a.w3 === b.w3
}

/** Whether the address is in 127.0.0.0/8 or is ::1. */
export function isLoopback({ family, w0, w1, w2, w3 }: Address): boolean {
  return family === 4 ? w0 >>> 24 === 127 : w0 === 0 && w1 === 0 && w2 === 0 && w3 === 1
}

/** Whether the text is an address of that kind. */
export function isLoopbackText(text: string): boolean {
  const parsed = parseAddress(text)
  return 'value' in parsed && isLoopback(parsed.value)
}

/** The text by which a client is counted: its IPv4 address, or its IPv6 /64, since one customer has all addresses of that. */
export function clientKey(address: Address): string {
  return address.family === 4 ? formatAddress(address) : formatPrefix(networkOf(address, 64))
}

/** Makes an IPv4 address from its 32 bits. */
export function addressFromIPv4(word: number): Address {
  return { family: 4, w0: word >>> 0, w1: 0, w2: 0, w3: 0 }
}

/** Returns the IPv4 address inside an IPv4-mapped one (RFC 4291 §2.5.5.2). Any other address is returned as it is. */
export function unmapped(address: Address): Address {
  const { family, w0, w1, w2, w3 } = address
  return family === 6 && w0 === 0 && w1 === 0 && w2 === 0xffff ? addressFromIPv4(w3) : address
}

/**
 * Parses an address as people give it. An IPv4-mapped address in dotted form (`::ffff:192.0.2.1`, as dual-stack hosts log
 * it) becomes the IPv4 address; in hexadecimal form it stays an IPv6 address.
 */
export function parseGivenAddress(text: string): Parsed<Address> {
  const parsed = parseAddress(text)
  return 'value' in parsed && text.includes('.') ? { value: unmapped(parsed.value) } : parsed
}

/** Parses a prefix as people give it: `::ffff:192.0.2.0/120` becomes 192.0.2.0/24, as in `parseGivenAddress`. */
export function parseGivenPrefix(text: string): Parsed<Prefix> {
  const parsed = parsePrefix(text)
  if ('why' in parsed || parsed.value.family === 4 || !text.includes('.')) return parsed
  const { length } = parsed.value
  const address = length < mappedBits ? parsed.value : unmapped(parsed.value)
  return address.family === 4 ? { value: { ...address, length: length - mappedBits } } : parsed
}

/** Length of ::ffff:0:0/96, in which the IPv4-mapped addresses lie. */
const mappedBits = 96

function addressFromBigInt(value: bigint): Address {
  const word = (shift: bigint): number => Number((value >> shift) & 0xffff_ffffn)
  return { family: 6, w0: word(96n), w1: word(64n), w2: word(32n), w3: word(0n) }
}

/** The 32 bits of a dotted quad. ip-num would use big integers, which are slow for an import of a million lines. */
function ipv4Word(text: string): number {
  let word = 0
  for (const octet of text.split('.')) word = word * 256 + Number(octet)
  return word
}

function wordMask(length: number): number {
  if (length <= 0) return 0
  return length >= 32 ? -1 : -1 << (32 - length)
}
