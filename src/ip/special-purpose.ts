// IANA's special-purpose ranges: no address in them is a host on the public internet. They are never listed, unless the
// operator names a range in policy.allowSpecial, as a test network does.
import ranges from '../../data/special-purpose.json' with { type: 'json' }
import { contains, formatPrefix, overlaps, type Prefix, parsePrefix } from './address.ts'

/** A reserved range as the IANA registry (or RFC 5771 / 4291 for multicast) gives it. */
export interface SpecialRange {
  readonly prefix: Prefix
  readonly name: string
  readonly source: string
}

/** Every special-purpose range in data/special-purpose.json, in file order. */
export const specialRanges: readonly SpecialRange[] = ranges.map(({ prefix, name, source }) => {
  const parsed = parsePrefix(prefix)
  if ('why' in parsed) throw new Error(`data/special-purpose.json: ${prefix}: ${parsed.why}`)
  return { prefix: parsed.value, name, source }
})

/**
 * The first special-purpose range that the prefix lies in or contains, or undefined. A range does not count if one of
 * `allowed` contains the prefix or the whole range.
 */
export function specialPurposeRange(
  prefix: Prefix,
  allowed: readonly Prefix[] = [],
): SpecialRange | undefined {
  if (allowed.some((range) => contains(range, prefix))) return undefined
  return specialRanges.find(
    (range) =>
      overlaps(range.prefix, prefix) && !allowed.some((other) => contains(other, range.prefix)),
  )
}

/** "192.168.0.0/16 (Private-Use, RFC 1918)": how an error names a range. */
export function describeSpecialRange(range: SpecialRange): string {
  return `${formatPrefix(range.prefix)} (${range.name}, ${range.source})`
}
