// Spam-trap patterns: parses them and matches addresses against them. The time of a match depends on the number of labels in
// the address's domain, not on the number of patterns. This file imports nothing of the store.
import { domainToASCII } from 'node:url'
import { canonicalRecipient, untagged } from '../classify/recipient.ts'
import type { Parsed } from '../ip/address.ts'

/** A parsed pattern. `text` is its canonical form. */
export interface TrapPattern {
  readonly text: string
  /** In lower case; undefined matches any. */
  readonly localPart: string | undefined
  /** In lower case and A-labels. */
  readonly domain: string
  /** true: the pattern matches the names under the domain, at any depth, but not the domain itself. */
  readonly isSubdomains: boolean
}

/** A local part and an address have at most this many octets (RFC 5321 §4.5.3.1). */
const maxLocalPartLength = 64
const maxAddressLength = 254

/**
 * Parses `user@example.org`, `@example.org` or `*@example.org` (any user there), and `*@*.example.org` (any user at its
 * subdomains). Case does not matter, even in the local part: no real mailbox differs from a trap only in case.
 */
export function parseTrapPattern(text: string): Parsed<TrapPattern> {
  const at = text.lastIndexOf('@')
  if (at < 0) return { why: 'a trap is user@example.org, @example.org or *@*.example.org' }
  const user = text.slice(0, at).toLowerCase()
  if (user !== '' && user !== '*') {
    if (Buffer.byteLength(user) > maxLocalPartLength) return { why: 'its local part is too long' }
    if (!isLocalPart(user)) return { why: 'its local part is not one of a mail address' }
  }
  const rest = text.slice(at + 1)
  const isSubdomains = rest.startsWith('*.')
  const domain = asciiDomain(isSubdomains ? rest.slice(2) : rest)
  if (domain === undefined) return { why: 'what follows the @ is not a domain name' }
  const localPart = user === '' || user === '*' ? undefined : user
  const canonical = `${localPart ?? '*'}@${isSubdomains ? '*.' : ''}${domain}`
  if (canonical.length > maxAddressLength) return { why: 'it is too long for a mail address' }
  return { value: { text: canonical, localPart, domain, isSubdomains } }
}

/** The patterns of one domain: local part → text of the pattern. The key '' stands for any local part. */
type Users = Map<string, string>

/**
 * Returns a function that finds the most specific pattern that an address matches, or undefined. It never throws. Patterns
 * that are not valid are ignored.
 */
export function trapMatcher(
  traps: readonly { readonly pattern: string }[],
): (address: string) => string | undefined {
  const domains = new Map<string, Users>()
  const parents = new Map<string, Users>()
  for (const { pattern } of traps) {
    const parsed = parseTrapPattern(pattern)
    if ('why' in parsed) continue
    const { text, localPart, domain, isSubdomains } = parsed.value
    const byDomain = isSubdomains ? parents : domains
    const users = byDomain.get(domain) ?? new Map()
    byDomain.set(domain, users)
    users.set(localPart ?? '', text)
  }
  return (address) => {
    const at = address.lastIndexOf('@')
    if (at < 1 || address.length > 4 * maxAddressLength) return undefined
    const user = address.slice(0, at).toLowerCase()
    const domain = asciiDomain(address.slice(at + 1))
    if (domain === undefined) return undefined
    const own = find(domains, domain, user)
    if (own !== undefined) return own
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
      const parent = find(parents, domain.slice(dot + 1), user)
      if (parent !== undefined) return parent
    }
    return undefined
  }
}

/**
 * Whether mail to this address reaches a trap. The address may be written in any form. A tag on the local part (`user+tag@`,
 * RFC 5233 §1) is ignored.
 */
export function isTrapMailbox(
  match: (address: string) => string | undefined,
  written: string,
): boolean {
  const address = canonicalRecipient(written)
  if (match(address) !== undefined) return true
  const at = address.lastIndexOf('@')
  const plus = address.indexOf('+')
  return plus > 0 && plus < at && match(address.slice(0, plus) + address.slice(at)) !== undefined
}

/** A pattern by which evidence is selected, and whether mail to a recipient is mail to such a trap. */
interface TrapSelection {
  readonly text: string
  readonly includes: (recipient: string) => boolean
}

/** Parses a trap pattern, or one trap's address, by which evidence is to be selected. */
export function parseTrapSelection(trap: string): Parsed<TrapSelection> {
  const pattern = parseTrapPattern(trap)
  if ('why' in pattern) return { why: `trap: ${pattern.why}` }
  const { text } = pattern.value
  const match = trapMatcher([{ pattern: text }])
  return { value: { text, includes: (recipient) => isTrapMailbox(match, recipient) } }
}

function find(byDomain: Map<string, Users>, domain: string, user: string): string | undefined {
  const users = byDomain.get(domain)
  return users?.get(user) ?? users?.get(untagged(user)) ?? users?.get('')
}

/** A dot-string or quoted string (RFC 5321 §4.1.2), or with UTF-8 (RFC 6531 §3.3). No library checks a local part alone. */
function isLocalPart(text: string): boolean {
  const atom = "[\\w!#$%&'*+/=?^`{|}~\\u0080-\\u{10ffff}-]+"
  const quoted = '"(?:[^"\\\\\\u0000-\\u001f\\u007f]|\\\\[\\u0020-\\u007e])*"'
  return new RegExp(`^(?:${atom}(?:\\.${atom})*|${quoted})$`, 'u').test(text)
}

/** The domain in lower case and A-labels. Undefined if it is not a domain name. */
function asciiDomain(text: string): string | undefined {
  const ascii = /^[\x21-\x7e]*$/.test(text) ? text.toLowerCase() : domainToASCII(text)
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/
  if (ascii.length > 253 || !ascii.split('.').every((each) => label.test(each))) return undefined
  return ascii
}
