// Trace fields → the host that sent the message to our own MX, and when. Only fields that our own relays wrote are believed.
// Everything below the first field of a stranger may be forged.
import { type Address, contains, isLoopback, type Prefix, parsePrefix } from '../ip/address.ts'
import type { HeaderField, HeaderSection } from './header.ts'
import { hostName, parseReceivedField, type ReceivedField } from './received-field.ts'

/** Our own relays, from the key trace.trustedRelays. */
export interface TrustedRelays {
  /** Lower-case host names in the `by` clause; `*.example.org` matches every name below it. */
  readonly names: readonly string[]
  readonly addresses: readonly Prefix[]
}

export interface Trace {
  /** The host that sent us the message; null if unknown. */
  readonly client: Address | null
  /** The newest date among the believed fields, epoch seconds, or null. */
  readonly newestTime: number | null
  /** The addresses in `for` clauses of believed fields, top to bottom. */
  readonly recipients: readonly string[]
  /** The believed Received fields. Our own hosts added them to the message on its way. */
  readonly believed: readonly HeaderField[]
}

/** Sorts the texts of trace.trustedRelays into prefixes and names: everything that is not an address or prefix is a name. */
export function parseTrustedRelays(relays: readonly string[]): TrustedRelays {
  const names: string[] = []
  const addresses: Prefix[] = []
  for (const relay of relays) {
    const prefix = parsePrefix(relay)
    if ('value' in prefix) addresses.push(prefix.value)
    else names.push(relayName(relay))
  }
  return { names, addresses }
}

/** A leading `*.` stays. */
function relayName(relay: string): string {
  const [, wildcard = '', name = ''] = /^(\*\.)?(.*)$/s.exec(relay) ?? []
  return wildcard + (hostName(name) ?? name.toLowerCase())
}

const maxFields = 50

/**
 * Reads a stored message's Received fields from the top. A field is believed if one of our hosts wrote the field above it and got
 * the message from another of our hosts. Without trusted relays, the topmost field with an address counts as our own MX's. With
 * them, a field must name one in its `by` clause, or stand below a field that got the message from a trusted address. HELO and
 * reverse DNS names are never believed. Never throws.
 */
export function traceStored(header: HeaderSection, relays: TrustedRelays): Trace {
  return walk(header, relays, relays.names.length + relays.addresses.length > 0 ? 'named' : 'own')
}

/**
 * The trace of a message that we received ourselves from `peer`. If `peer` is a trusted relay, the Received fields tell which
 * host sent the message. Otherwise `peer` sent it, and no field is believed.
 */
export function traceFrom(
  peer: Address | null,
  header: HeaderSection,
  relays: TrustedRelays,
): Trace {
  if (peer !== null && isTrustedAddress(relays, peer)) return walk(header, relays, 'own')
  return { client: peer, newestTime: null, recipients: [], believed: [] }
}

/**
 * How far the next field is believed. 'own': one of our hosts wrote it. 'named': believe it only if its `by` clause names a
 * trusted relay, or if it got the message from a trusted address, which no stranger can have.
 */
type Standing = 'own' | 'named'

function walk(header: HeaderSection, relays: TrustedRelays, start: Standing): Trace {
  const believed: HeaderField[] = []
  const recipients: string[] = []
  let newestTime: number | null = null
  let standing = start
  let client: Address | null = null
  const received = header.fields.filter(({ name }) => name === 'received').slice(0, maxFields)
  for (const field of received) {
    const parsed = parseReceivedField(field.value)
    const next = step(parsed, standing, relays)
    if (next === 'unknown') break
    believed.push(field)
    if (parsed.recipient !== null) recipients.push(parsed.recipient)
    if (parsed.time !== null) newestTime = Math.max(newestTime ?? 0, parsed.time)
    if (typeof next === 'object') {
      client = next.client
      break
    }
    standing = next
  }
  return { client, newestTime, recipients, believed }
}

/** Reads one field. Returns the client, or how far the next field is believed, or 'unknown' if nothing below can be believed. */
function step(
  field: ReceivedField,
  standing: Standing,
  relays: TrustedRelays,
): { readonly client: Address | null } | Standing | 'unknown' {
  // Mail from sendmail(1) is internal too: content filters and mail fetchers pass mail on through it. The site must ensure that
  // nobody else does.
  if (field.isInternal) return standing
  if (field.from === null) return 'unknown'
  const isNamed = field.by !== null && isTrustedName(relays, field.by)
  if (isTrustedAddress(relays, field.from)) return 'own'
  // The same machine passed the message on, for example a content filter or a fetch from a mailbox.
  if (isLoopback(field.from)) return standing === 'own' || isNamed ? 'own' : 'named'
  if (isPrivate(field.from)) {
    // A private address means a hop inside the site. Only a relay's name can tell who wrote the next field.
    return relays.names.length > 0 ? 'named' : 'unknown'
  }
  return standing === 'own' || isNamed ? { client: field.from } : 'unknown'
}

function isTrustedName({ names }: TrustedRelays, host: string): boolean {
  return names.some((name) =>
    name.startsWith('*.') ? host.endsWith(name.slice(1)) : name === host,
  )
}

function isTrustedAddress({ addresses }: TrustedRelays, address: Address): boolean {
  return addresses.some((prefix) => contains(prefix, address))
}

/** Private and local addresses: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 §2.5.6. */
const privateUse = prefixes(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
)

function isPrivate(address: Address): boolean {
  return privateUse.some((prefix) => contains(prefix, address))
}

function prefixes(...texts: string[]): Prefix[] {
  return texts.flatMap((text) => {
    const parsed = parsePrefix(text)
    return 'value' in parsed ? [parsed.value] : []
  })
}
