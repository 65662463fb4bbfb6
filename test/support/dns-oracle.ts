// The expected answer for a name below the zone, worked out slowly from the list of entries with text and BigInt.
import { type SubjectEntry, subjectZone } from './dns-subject.ts'

export interface Expected {
  readonly rcode: 'NOERROR' | 'NXDOMAIN'
  /** Last octets of the A records; empty if there is no such name or no data. */
  readonly codes: readonly number[]
}

interface Range {
  readonly family: 4 | 6
  readonly first: bigint
  readonly last: bigint
  readonly length: number
  readonly entry: SubjectEntry
}

/** The expected answer to an A question for `labels` (lower case, without the zone's own). */
export function expectedAnswer(
  labels: readonly string[],
  entries: readonly SubjectEntry[],
): Expected {
  const ranges = entries.map(toRange)
  // The owner "@" is the zone itself; a name below the zone with a label "@" is another one.
  const ownNames = subjectZone.records
    .map((record) => record.split(' ')[0] ?? '')
    .filter((owner) => owner !== '@')
  const name = labels.join('.')
  const isOwn = [...ownNames, '_status'].some((own) => own === name || own.endsWith(`.${name}`))
  const spelled: { family: 4 | 6; first: bigint; bits: number; width: number }[] = []
  if (
    labels.length <= 4 &&
    labels.every((label) => /^(0|[1-9]\d{0,2})$/.test(label) && Number(label) < 256)
  ) {
    const octets = labels.toReversed().map(BigInt)
    const value = octets.reduce((sum, octet) => sum * 256n + octet, 0n)
    const bits = labels.length * 8
    spelled.push({ family: 4, first: value << BigInt(32 - bits), bits, width: 32 })
  }
  if (labels.length <= 32 && labels.every((label) => /^[0-9a-f]$/.test(label))) {
    const bits = labels.length * 4
    const value = BigInt(`0x${labels.toReversed().join('')}`)
    spelled.push({ family: 6, first: value << BigInt(128 - bits), bits, width: 128 })
  }
  for (const { family, first, bits, width } of spelled) {
    if (bits !== width) continue
    const codes = codesAt(ranges, family, first)
    if (codes.length > 0) return { rcode: 'NOERROR', codes }
  }
  const hasBelow = spelled.some(
    ({ family, first, bits, width }) =>
      bits < width &&
      isListedWithin(ranges, family, first, first + (1n << BigInt(width - bits)) - 1n),
  )
  return { rcode: hasBelow || isOwn ? 'NOERROR' : 'NXDOMAIN', codes: [] }
}

/** Nothing changes between the edges of ranges, so it is enough to look at the edges. */
function isListedWithin(
  ranges: readonly Range[],
  family: 4 | 6,
  first: bigint,
  last: bigint,
): boolean {
  const edges = ranges.flatMap((range) => [range.first, range.last + 1n])
  return [first, ...edges].some(
    (at) => at >= first && at <= last && codesAt(ranges, family, at).length > 0,
  )
}

function codesAt(ranges: readonly Range[], family: 4 | 6, at: bigint): readonly number[] {
  const path = ranges
    .filter((range) => range.family === family && range.first <= at && at <= range.last)
    .toSorted((a, b) => b.length - a.length)
  if (path.some(({ entry }) => entry.kind === 'exemption')) return []
  return path[0]?.entry.codes ?? []
}

function toRange(entry: SubjectEntry): Range {
  const [address = '', lengthText = ''] = entry.prefix.split('/')
  const family = address.includes(':') ? 6 : 4
  const length = Number(lengthText)
  const first = family === 4 ? fromIPv4(address) : fromIPv6(address)
  const size = 1n << BigInt((family === 4 ? 32 : 128) - length)
  return { family, first, last: first + size - 1n, length, entry }
}

function fromIPv4(text: string): bigint {
  return text.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
}

function fromIPv6(text: string): bigint {
  const [head = '', tail = ''] = text.split('::')
  const before = head.split(':').filter(Boolean)
  const after = tail.split(':').filter(Boolean)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].reduce(
    (sum, group) => sum * 65_536n + BigInt(`0x${group}`),
    0n,
  )
}
