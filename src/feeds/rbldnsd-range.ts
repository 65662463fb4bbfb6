// The ways rbldnsd writes IPv4 networks: whole or with octets left out ("10.1"), with a length, or from one to another
// → the prefixes that they are. Called by rbldnsd.ts.
import { networkOf, type Parsed, type Prefix, parsePrefix, sameAddress } from '../ip/address.ts'

/** The prefixes of an address, network or range, in order. */
export function readRange(text: string): Parsed<Prefix[]> {
  if (text.includes(':')) {
    const parsed = parsePrefix(text)
    return 'why' in parsed ? parsed : { value: [parsed.value] }
  }
  const dash = text.indexOf('-')
  if (dash >= 0) return readSpan(text.slice(0, dash), text.slice(dash + 1))
  const slash = text.indexOf('/')
  const octets = readOctets(slash < 0 ? text : text.slice(0, slash))
  if (!octets) return { why: 'not an IPv4 address or network' }
  const length = slash < 0 ? octets.length * 8 : readLength(text.slice(slash + 1))
  if (length === undefined) return { why: 'the prefix length must be a number from 0 to 32' }
  const prefix = networkOf(addressOf(octets, 0), length)
  if (!sameAddress(prefix, addressOf(octets, 0))) return { why: 'host bits are set' }
  return { value: [prefix] }
}

/** "10.0.0.1-10.0.0.20", "10.0.0.1-20", "10.1-10.3": both ends belong to it. */
function readSpan(fromText: string, toText: string): Parsed<Prefix[]> {
  const from = readOctets(fromText)
  const given = readOctets(toText)
  if (!from || !given) return { why: 'not a range of IPv4 addresses' }
  const to = given.length === 1 ? [...from.slice(0, -1), ...given] : given
  if (to.length !== from.length) return { why: 'the ends of the range are not written alike' }
  const first = addressOf(from, 0).w0
  const last = addressOf(to, 255).w0
  if (last < first) return { why: 'the range ends before it begins' }
  return { value: spanPrefixes(first, last) }
}

/** The largest prefixes that together are the addresses from first to last. */
function spanPrefixes(first: number, last: number): Prefix[] {
  const prefixes: Prefix[] = []
  for (let at = first; at <= last; ) {
    let length = at === 0 ? 0 : 32 - Math.min(31, Math.clz32(at & -at) ^ 31)
    while (at + 2 ** (32 - length) - 1 > last) length += 1
    prefixes.push({ family: 4, w0: at, w1: 0, w2: 0, w3: 0, length })
    at += 2 ** (32 - length)
  }
  return prefixes
}

/** One to four octets. */
function readOctets(text: string): number[] | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){0,3}$/.test(text)) return undefined
  const octets = text.split('.').map(Number)
  return octets.every((octet) => octet < 256) ? octets : undefined
}

function readLength(text: string): number | undefined {
  const length = /^\d{1,2}$/.test(text) ? Number(text) : 33
  return length <= 32 ? length : undefined
}

function addressOf(octets: readonly number[], fill: number) {
  const [a = fill, b = fill, c = fill, d = fill] = octets
  return { family: 4, w0: a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d, w1: 0, w2: 0, w3: 0 } as const
}
