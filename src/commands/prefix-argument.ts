// Prefixes and addresses on the command line: what is malformed is wrong use (exit code 2) before anything is asked.
import {
  type Address,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  unmapped,
} from '../ip/address.ts'
import { wrongUse } from './context.ts'

/** `ADDRESS` or `ADDRESS/LENGTH` in canonical text. Throws OperationalError `usage-invalid` naming what is wrong. */
export function readPrefix(text: string): string {
  const parsed = parsePrefix(text)
  if ('why' in parsed) throw notAnAddress(text, parsed.why, 'give an address or a prefix')
  return formatPrefix(parsed.value)
}

/** Each prefix once, in the order given. */
export function readPrefixes(texts: readonly string[]): string[] {
  return [...new Set(texts.map(readPrefix))]
}

/**
 * One address; an IPv4-mapped one with a dotted tail, as dual-stack hosts log it (`::ffff:192.0.2.1`), is the IPv4 one.
 * Throws OperationalError `usage-invalid`.
 */
export function readAddress(text: string): Address {
  const parsed = parseAddress(text)
  if ('value' in parsed) return text.includes('.') ? unmapped(parsed.value) : parsed.value
  const prefix = parsePrefix(text)
  const why =
    'value' in prefix
      ? `a prefix; ask for one address, such as ${formatAddress(prefix.value)}`
      : parsed.why
  throw notAnAddress(text, why, 'give an address')
}

/** A name of letters, digits, hyphens and dots, not all of it digits: meant as a domain. */
const domainLike = /^(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i

function notAnAddress(text: string, why: string, instead: string): Error {
  return domainLike.test(text)
    ? wrongUse(`${text}: domain names are not listed by this version; ${instead}`)
    : wrongUse(`${text}: ${why}`)
}
