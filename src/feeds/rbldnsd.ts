// Data files of rbldnsd (rbldnsd(8)) of the types ip4set, ip4trie and ip6trie. Reads networks, ranges, `!` exclusions, default
// values and `$` directives. Writes entries and exclusions. The codes .3 to .7 stand for the kinds of backscatter.
import type { EntryAttributes, ImportItem, ListEntry, ListFault } from '../blocklist/types.ts'
import { codeNumbers, kindOfCode, testEntries, testEntryAt } from '../blocklist/zone-entry.ts'
import {
  addressBits,
  formatAddress,
  formatPrefix,
  type Parsed,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixesBetween,
} from '../ip/address.ts'
import { type Format, maxReasonCharacters, plain, type RbldnsdType } from './entry.ts'

/** At most this many parsed values are kept, so that a file with a different value on each line cannot fill the memory. */
const maxKnownValues = 1000

export const rbldnsd: Format = {
  mediaType: 'text/plain; charset=utf-8',
  extensions: ['rbldnsd'],
  /** If a `type` is given, a line of the other address family is a wrong line. */
  createReader({ now, type }) {
    let standard = plain
    let shortest4 = 0
    const known = new Map<string, EntryAttributes>()
    const valued = (text: string): EntryAttributes => {
      const value = known.get(text) ?? readValue(text, standard)
      if (known.size < maxKnownValues) known.set(text, value)
      return value
    }
    return (text, line, items) => {
      const trimmed = text.trim()
      const directive = /^[#:]?\$(.*)$/.exec(trimmed)?.[1]
      if (directive !== undefined) {
        shortest4 = readDirective(directive, line, now, items) ?? shortest4
        return
      }
      if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) return
      if (trimmed.startsWith(':')) {
        standard = readValue(trimmed, plain)
        known.clear()
        return
      }
      const [, entry = '', value = ''] = /^!?\s*([^\s#;]*)\s*(.*)$/s.exec(trimmed) ?? []
      const range = readRange(entry)
      if ('why' in range) {
        items.push({ line, text, why: range.why })
        return
      }
      const why = faultOf(range.value, type, shortest4)
      if (why !== undefined) {
        items.push({ line, text, why })
        return
      }
      const isHole = trimmed.startsWith('!')
      const isComment = value.startsWith('#') || value.startsWith(';')
      const attributes = isHole ? null : value === '' || isComment ? standard : valued(value)
      for (const prefix of range.value) {
        // Every DNSBL has test entries, so they are not imported.
        if (prefix.length === addressBits(prefix.family) && testEntryAt(prefix)) continue
        items.push({ line, text, prefix, attributes })
      }
    }
  },
  /** Writes the default value and the test entries, then the exclusions, then the entries. */
  *write({ pages, holes, zoneKinds }, { type }) {
    yield ':127.0.0.2:\n'
    for (const { prefix, kinds } of testEntries) {
      if (!isOfType(prefix, type)) continue
      yield valuesOf(kinds, type)
        .map((code) => `${formatAddress(prefix)} :${code}:\n`)
        .join('')
    }
    for (const prefix of holes) if (isOfType(prefix, type)) yield `!${formatPrefix(prefix)}\n`
    for (const page of pages) {
      yield page
        .filter(({ prefix }) => isOfType(prefix, type))
        .map((entry) => linesOf(entry, type, zoneKinds))
        .join('')
    }
  },
}

function faultOf(
  prefixes: readonly Prefix[],
  type: RbldnsdType | undefined,
  shortest4: number,
): string | undefined {
  if (prefixes.some((prefix) => !isOfType(prefix, type))) {
    return `not an IPv${type === 'ip6trie' ? 6 : 4} entry`
  }
  if (prefixes.some(({ family, length }) => family === 4 && length < shortest4)) {
    return `larger than the file's own $MAXRANGE4 of /${shortest4}`
  }
  return undefined
}

/** Converts an address, a network or a range to prefixes in order. IPv4 may omit octets: "10.1" is 10.1.0.0/16. */
function readRange(text: string): Parsed<Prefix[]> {
  if (text.includes(':')) return single(parsePrefix(text))
  // rbldnsd reads 010 as 10.
  const entry = text.replaceAll(/\b0+(?=\d)/g, '')
  const dash = entry.indexOf('-')
  if (dash >= 0) return readSpan(entry.slice(0, dash), entry.slice(dash + 1))
  const [address = ''] = entry.split('/', 1)
  const length = entry.slice(address.length) || `/${address.split('.').length * 8}`
  return single(parsePrefix(`${withOctets(address, '0')}${length}`))
}

function single(parsed: Parsed<Prefix>): Parsed<Prefix[]> {
  return 'why' in parsed ? parsed : { value: [parsed.value] }
}

/** Converts a range: "10.0.0.1-10.0.0.20", "10.0.0.1-20" or "10.1-10.3". Both ends belong to it. */
function readSpan(from: string, given: string): Parsed<Prefix[]> {
  const to = given.includes('.') ? given : from.slice(0, from.lastIndexOf('.') + 1) + given
  if (to.split('.').length !== from.split('.').length) {
    return { why: 'the two ends of the range have different numbers of octets' }
  }
  const first = parseAddress(withOctets(from, '0'))
  const last = parseAddress(withOctets(to, '255'))
  if ('why' in first || 'why' in last) return { why: 'not a range of IPv4 addresses' }
  const value = prefixesBetween(first.value, last.value)
  return value.length > 0 ? { value } : { why: 'the range ends before it begins' }
}

/** Fills in missing octets of an IPv4 address. Text with more than four octets gives no valid address. */
function withOctets(text: string, fill: string): string {
  return [text, fill, fill, fill].slice(0, 5 - text.split('.').length).join('.')
}

/** Parses a value: ":127.0.0.3:text", ":3:text", ":3" or text alone. Parts that it lacks are taken from `standard`. */
function readValue(text: string, standard: EntryAttributes): EntryAttributes {
  const [, code, rest = ''] = /^:([\d.]*)(?::(.*))?$/.exec(text) ?? [undefined, '', text]
  const last = Number(code?.split('.').at(-1))
  const kinds = code ? kindOfCode(last) : standard.kinds
  const reason = rest.trim().slice(0, maxReasonCharacters) || standard.reason
  if (kinds === 0 && reason === null) return plain
  return { kinds, reason, expiresAt: null }
}

/** Reads a `$` line. For $MAXRANGE4, returns the shortest allowed IPv4 length. Ignores SOA, NS, TTL and templates. */
function readDirective(
  text: string,
  line: number,
  now: number,
  items: (ImportItem | ListFault)[],
): number | undefined {
  const [name = '', ...words] = text.trim().split(/\s+/)
  switch (name.toUpperCase()) {
    case 'TIMESTAMP': {
      const created = readStamp(words[0], 0)
      const expires = readStamp(words[1], created)
      if (created > now)
        items.push({ line, fault: '$TIMESTAMP: the time of the list is in the future' })
      else if (expires > 0 && expires <= now) {
        items.push({ line, fault: '$TIMESTAMP: the list has expired' })
      }
      return undefined
    }
    case 'MAXRANGE4': {
      const size = words[0] ?? ''
      const length = size.startsWith('/') ? Number(size.slice(1)) : 32 - Math.log2(Number(size))
      if (length >= 0 && length <= 32) return Math.ceil(length)
      items.push({ line, text: `$${text}`, why: 'not a number of addresses or a prefix length' })
      return undefined
    }
    case 'DATASET':
      items.push({ line, fault: '$DATASET: combined files are not supported; import their parts' })
      return undefined
    default:
      return undefined
  }
}

/**
 * Converts a time to epoch seconds: a number, "2026:11:24:10:00:00" or its beginning, or "+7d", which counts from `from`.
 * Returns 0 if there is no time.
 */
function readStamp(text: string | undefined, from: number): number {
  if (text === undefined || text === '-' || text === '0') return 0
  const relative = /^\+(\d+)([smhdw]?)$/i.exec(text)
  if (relative) {
    const units: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 }
    return from + Number(relative[1]) * (units[relative[2]?.toLowerCase() ?? ''] ?? 1)
  }
  if (/^\d+$/.test(text)) return Number(text)
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = text
    .split(/[:-]/)
    .map(Number)
  const stamp = Date.UTC(year, month - 1, day, hour, minute, second) / 1000
  return Number.isNaN(stamp) ? 0 : stamp
}

/** One line for each code of the entry's kinds. Only kinds in the mask `zoneKinds` count. */
function linesOf(
  { prefix, attributes }: ListEntry,
  type: RbldnsdType | undefined,
  zoneKinds: number,
): string {
  return valuesOf(attributes.kinds & zoneKinds, type)
    .map((code) =>
      code === 2 ? `${formatPrefix(prefix)}\n` : `${formatPrefix(prefix)} :${code}:\n`,
    )
    .join('')
}

function isOfType({ family }: Prefix, type: RbldnsdType | undefined): boolean {
  return type === undefined || family === (type === 'ip6trie' ? 6 : 4)
}

/** The codes of an entry. A trie has only one value for each entry, so several kinds become the general code, 2. */
function valuesOf(mask: number, type: RbldnsdType | undefined): number[] {
  const codes = codeNumbers(mask)
  if (type !== 'ip4trie' && type !== 'ip6trie') return codes
  return codes.length === 2 ? codes.slice(1) : [2]
}
