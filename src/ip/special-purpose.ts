// IANA's special-purpose ranges. No address in them is a host on the public internet, so they are never listed, unless the
// operator names a range in policy.allowSpecial, for example in a test network.
import ranges from '../../data/special-purpose.json' with { type: 'json' }
import { contains, formatPrefix, overlaps, type Prefix, parsePrefix } from './address.ts'

/** A reserved range from the IANA registry or, for multicast, from RFC 5771 or RFC 4291. */
export interface SpecialRange {
  readonly prefix: Prefix
  readonly name: string
  readonly source: string
}

/** Every range in data/special-purpose.json, in file order. */
export const specialRanges: readonly SpecialRange[] = ranges.map(({ prefix, name, source }) => {
  const parsed = parsePrefix(prefix)
  if ('why' in parsed) throw new Error(`data/special-purpose.json: ${prefix}: ${parsed.why}`)
  return { prefix: parsed.value, name, source }
})

/**
 * Finds the first special-purpose range that contains the prefix or lies in it. Undefined if there is none, or if one of
 * `allowed` contains the prefix. Skips ranges that lie wholly in one of `allowed`.
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

/** Names a range for an error message: "192.168.0.0/16 (Private-Use, RFC 1918)". */
export function describeSpecialRange(range: SpecialRange): string {
  return `${formatPrefix(range.prefix)} (${range.name}, ${range.source})`
}
