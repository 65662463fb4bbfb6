// rbldnsd's data files (rbldnsd(8)) of the kinds ip4set, ip4trie and ip6trie. Read: networks, ranges, `!` exclusions,
// default values, `$` directives. Written: what ip4set and ip6trie take. Codes .3 to .7 are kinds of backscatter.
// Called by feed.ts.
import type { ImportItem, ListFault } from '../blocklist/import.ts'
import { codeNumbers, kindOfCode } from '../blocklist/kinds.ts'
import { testEntries } from '../blocklist/test-entries.ts'
import { formatAddress, formatPrefix, type Prefix } from '../ip/address.ts'
import type { EntryAttributes, ListEntry } from '../store/packed-entries.ts'
import { type LineReader, plain } from './entry.ts'
import { readRange } from './rbldnsd-range.ts'

export const rbldnsdTypes = ['ip4set', 'ip4trie', 'ip6trie'] as const
export type RbldnsdType = (typeof rbldnsdTypes)[number]

const maxReasonCharacters = 1000
/** What stands in every DNSBL, and is no entry of a list. */
const testTexts: ReadonlySet<string> = new Set(
  testEntries.map(({ prefix }) => formatPrefix(prefix)),
)

/** `now`: epoch seconds, for the file's own expiry. `type`: with one, entries of the other family are wrong. */
export function rbldnsdReader(options: { now: number; type?: RbldnsdType }): LineReader {
  const family = options.type && (options.type === 'ip6trie' ? 6 : 4)
  let standard = plain
  let shortest4 = 0
  const known = new Map<string, EntryAttributes>()
  const valued = (text: string): EntryAttributes => {
    let value = known.get(text)
    if (!value) {
      value = readValue(text, standard)
      // A line of its own text each must not fill the memory.
      if (known.size < 1000) known.set(text, value)
    }
    return value
  }
  return (text, line, items) => {
    const trimmed = text.trim()
    const directive = /^[#:]?\$(.*)$/.exec(trimmed)?.[1]
    if (directive !== undefined) {
      const maxRange = readDirective(directive, line, options.now, items)
      if (maxRange !== undefined) shortest4 = maxRange
      return
    }
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) return
    if (trimmed.startsWith(':')) {
      standard = readValue(trimmed, plain)
      known.clear()
      return
    }
    const isHole = trimmed.startsWith('!')
    const [, entry = '', value = ''] = /^!?\s*([^\s#;]*)\s*(.*)$/.exec(trimmed) ?? []
    const range = readRange(entry)
    if ('why' in range) {
      items.push({ line, text, why: range.why })
      return
    }
    const why = range.value
      .map((prefix) => faultOf(prefix, family, shortest4))
      .find((each) => each !== undefined)
    if (why !== undefined) {
      items.push({ line, text, why })
      return
    }
    const isComment = value.startsWith('#') || value.startsWith(';')
    const attributes = isHole ? null : value === '' || isComment ? standard : valued(value)
    for (const prefix of range.value) {
      if (prefix.length >= 32 && testTexts.has(formatPrefix(prefix))) continue
      items.push({ line, text, prefix, attributes })
    }
  }
}

function faultOf(prefix: Prefix, family: 4 | 6 | undefined, shortest4: number): string | undefined {
  if (family !== undefined && prefix.family !== family) return `not an IPv${family} entry`
  if (prefix.family === 4 && prefix.length < shortest4) {
    return `larger than the file's own $MAXRANGE4 of /${shortest4}`
  }
  return undefined
}

/** ":127.0.0.3:text", ":3:text", ":3", or text alone, over what holds otherwise. */
function readValue(text: string, standard: EntryAttributes): EntryAttributes {
  const [, code, rest = ''] = /^:([\d.]*)(?::(.*))?$/.exec(text) ?? [undefined, '', text]
  const last = Number(code?.split('.').at(-1))
  const kinds = code ? kindOfCode(last) : standard.kinds
  const reason = rest.trim().slice(0, maxReasonCharacters) || standard.reason
  if (kinds === 0 && reason === null) return plain
  return { kinds, reason, expiresAt: null }
}

/** What a `$` line asks for; the shortest IPv4 prefix when that is it. SOA, NS, TTL and templates are the server's own. */
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
      if (created > now) items.push({ line, fault: '$TIMESTAMP: the list is from the future' })
      else if (expires > 0 && expires <= now) {
        items.push({ line, fault: '$TIMESTAMP: the list is past its own time' })
      }
      return undefined
    }
    case 'MAXRANGE4': {
      const size = words[0] ?? ''
      const length = size.startsWith('/') ? Number(size.slice(1)) : 32 - Math.log2(Number(size))
      if (length >= 0 && length <= 32) return Math.ceil(length)
      items.push({ line, text: `$${text}`, why: 'not a number of addresses or a length' })
      return undefined
    }
    case 'DATASET':
      items.push({ line, fault: '$DATASET: combined files are not read; import their parts' })
      return undefined
    default:
      return undefined
  }
}

/** Epoch seconds, "2026:11:24:10:00:00" (fields may be left out at the end), "+7d" after `from`; 0: none. */
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

/** The file's beginning: the value of entries without one, and the test entries. */
export function rbldnsdHeader(type: RbldnsdType | undefined): string {
  const family = type && (type === 'ip6trie' ? 6 : 4)
  const tests = testEntries.filter(({ prefix }) => family === undefined || prefix.family === family)
  const lines = tests.flatMap(({ prefix, kinds }) =>
    valuesOf(kinds, type).map((code) => `${formatAddress(prefix)} :${code}:\n`),
  )
  return `:127.0.0.2:\n${lines.join('')}`
}

/**
 * An entry's lines, one for each code of a kind in the mask `zoneKinds`; a trie has one code for an entry. '' for the
 * other family.
 */
export function rbldnsdLines(
  { prefix, attributes }: ListEntry,
  type: RbldnsdType | undefined,
  zoneKinds: number,
): string {
  if (type !== undefined && (type === 'ip6trie') !== (prefix.family === 6)) return ''
  return valuesOf(attributes.kinds & zoneKinds, type)
    .map((code) =>
      code === 2 ? `${formatPrefix(prefix)}\n` : `${formatPrefix(prefix)} :${code}:\n`,
    )
    .join('')
}

export function rbldnsdHole(prefix: Prefix, type: RbldnsdType | undefined): string {
  if (type !== undefined && (type === 'ip6trie') !== (prefix.family === 6)) return ''
  return `!${formatPrefix(prefix)}\n`
}

function valuesOf(mask: number, type: RbldnsdType | undefined): number[] {
  const codes = codeNumbers(mask)
  if (type !== 'ip4trie' && type !== 'ip6trie') return codes
  return codes.length === 2 ? codes.slice(1) : [2]
}
