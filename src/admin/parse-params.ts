// Prefixes, addresses and terms as requests write them. What is malformed becomes a 400 that names it.
import {
  type Address,
  formatPrefix,
  type Parsed,
  type Prefix,
  parseAddress,
  parsePrefix,
  unmapped,
} from '../ip/address.ts'
import { parseDuration } from '../quantity.ts'
import { type Problem, problem, shown } from './problem.ts'

/** A prefix, or a problem that says what is wrong with it. */
export function readPrefix(text: string): Prefix | Problem {
  const parsed = parsePrefix(text)
  return 'value' in parsed
    ? parsed.value
    : problem(400, 'malformed', `${shown(text)}: ${parsed.why}`)
}

/** Each prefix once, in the order given, or a problem that names every malformed one. */
export function readPrefixes(texts: readonly string[]): Prefix[] | Problem {
  const prefixes = new Map<string, Prefix>()
  const faults: { at: string; why: string }[] = []
  for (const text of texts) {
    const parsed = parsePrefix(text)
    if ('why' in parsed) faults.push({ at: shown(text), why: parsed.why })
    else prefixes.set(formatPrefix(parsed.value), parsed.value)
  }
  if (faults.length === 0) return [...prefixes.values()]
  const detail = faults.slice(0, 3).map(({ at, why }) => `${at}: ${why}`)
  return problem(400, 'malformed', detail.join('; '), faults.slice(0, 20))
}

/**
 * One address. An IPv4-mapped one with a dotted tail, as dual-stack hosts log it (`::ffff:192.0.2.1`), means the IPv4
 * address; in hexadecimal it stays what it is.
 */
export function readAddress(text: string): Parsed<Address> {
  const parsed = parseAddress(text)
  return 'value' in parsed && text.includes('.') ? { value: unmapped(parsed.value) } : parsed
}

/** RFC 3339 has four digits for the year. */
const endOfTime = Date.UTC(10_000, 0)

/**
 * The end of a term in epoch seconds: null for ever, undefined when the request leaves it to the policy. At most one
 * of the two may be given.
 */
export function readExpiry(
  body: { readonly expiresAt?: string | null; readonly duration?: string },
  now: number,
): { readonly expiresAt: number | null | undefined } | Problem {
  const { expiresAt, duration } = body
  if (duration === undefined) {
    if (expiresAt === undefined || expiresAt === null) return { expiresAt }
    const milliseconds = Date.parse(expiresAt)
    if (milliseconds < endOfTime) return { expiresAt: Math.floor(milliseconds / 1000) }
    const why = Number.isNaN(milliseconds) ? 'not a time' : 'too far away (null is for ever)'
    return problem(400, 'malformed', `expiresAt: ${why}`)
  }
  if (expiresAt !== undefined) {
    return problem(400, 'malformed', 'expiresAt and duration exclude each other')
  }
  const parsed = parseDuration(duration)
  if ('why' in parsed) return problem(400, 'malformed', `duration: ${parsed.why}`)
  return { expiresAt: now + parsed.value }
}
