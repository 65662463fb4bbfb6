// A message's header section → how the message reached us: from which hosts, for which recipients, and when. It reads only header
// fields, so it is fast enough for the main thread.
import type { Delivery, TrapList } from '../classify/evidence.ts'
import { canonicalRecipient } from '../classify/recipient.ts'
import type { Address } from '../ip/address.ts'
import { addressesNamed } from '../mail/addresses.ts'
import { type HeaderSection, readHeaderSection } from '../mail/header.ts'
import { type Trace, type TrustedRelays, traceFrom, traceStored } from '../mail/trace.ts'
import { countedClient } from './client-limits.ts'

/**
 * The connection's peer, or the client that a proxy named. null: a proxy named no client. 'own-server': our own mail server
 * passed the message on by LMTP and named no client, so the trace fields tell.
 */
export type LiveClient = Address | 'own-server' | null

/** A message found in a mailbox. */
export interface StoredMessage {
  readonly raw: Uint8Array
  readonly source: string
  /** Epoch seconds; null if not known. */
  readonly storedAt: number | null
  /** Every message in that mailbox counts as sent to a trap. */
  readonly allTraps: boolean
}

/** How a message reached us, by its trace fields and its session. */
export interface Delivered extends Omit<Delivery, 'client' | 'recipient'> {
  readonly trace: Trace
  /** Trap addresses; empty if the message was for no trap. */
  readonly recipients: readonly string[]
  /** The traps in its To fields, whether it was sent to them or not. */
  readonly trapsInTo?: readonly string[]
}

export interface DeliveryOptions {
  readonly relays: TrustedRelays
  readonly list: Pick<TrapList, 'isTrap'>
  /** Epoch seconds. */
  now(): number
}

/** Describes a message whose client is known from its connection. `session` has what else the connection tells. */
export function liveDelivery(
  raw: Uint8Array,
  client: LiveClient,
  session: Omit<Delivered, 'trace' | 'seenAt' | 'trapsInTo'>,
  { relays, list, now }: DeliveryOptions,
): Delivered {
  const header = readHeaderSection(raw)
  const trace =
    client === 'own-server' ? traceStored(header, relays) : traceFrom(client, header, relays)
  const seenAt = Math.min(trace.newestTime ?? now(), now())
  return { ...session, trace, seenAt, trapsInTo: trapsInTo(header, list) }
}

/** Describes a message found in a mailbox. `named` has all recipients that its header fields name, traps or not. Never throws. */
export function storedDelivery(
  { raw, source, storedAt, allTraps }: StoredMessage,
  { relays, list, now }: DeliveryOptions,
): Delivered & { readonly named: readonly string[] } {
  const header = readHeaderSection(raw)
  const trace = traceStored(header, relays)
  const kinds = deliveredTo(header, trace)
  const isTrap = (address: string): boolean => list.isTrap(address)
  const named = kinds.flat()
  const traps = kinds.find((each) => each.some(isTrap))?.filter(isTrap)
  const others = allTraps ? [named[0] ?? `mailbox:${source}`] : []
  const seenAt = Math.min(trace.newestTime ?? storedAt ?? now(), now())
  return {
    ...{ trace, recipients: traps ?? others, named, seenAt, source, allTraps },
    trapsInTo: trapsInTo(header, list),
  }
}

function trapsInTo(header: HeaderSection, list: DeliveryOptions['list']): string[] {
  return addressesNamed(header, 'to')
    .map(canonicalRecipient)
    .filter((each) => list.isTrap(each))
}

/** The key by which senders take turns: the client's network (IPv4 address or IPv6 /64), or the mailbox. */
export function sourceKey({
  source,
  trace: { client },
}: Pick<Delivered, 'source' | 'trace'>): string {
  return (source === 'smtp' && countedClient(client)) || source
}

/** The most recipients read from one kind of field. A server must take this many for one message (RFC 5321 §4.5.3.1.8). */
const maxNamed = 100

/**
 * The recipients that a stored message's header names, one list for each kind of field, surest kind first. Only fields that our
 * own hosts wrote are read; those stand above the sender's. X-Original-To and Envelope-To come first because they name the
 * recipient before aliases are applied; Delivered-To may name it after.
 */
export function deliveredTo(header: HeaderSection, trace: Trace): (readonly string[])[] {
  const end =
    trace.believed.at(-1)?.start ??
    header.fields.find(({ name }) => name === 'received')?.start ??
    header.bodyStart
  const addressesIn = (name: string): string[] => {
    const found: string[] = []
    for (const field of header.fields) {
      if (field.name !== name || field.start >= end) continue
      for (const text of field.value.split(',')) {
        const address = text.trim().replace(/^<|>$/g, '')
        if (/^[^\s@]+@[^\s@]+$/.test(address)) found.push(canonicalRecipient(address))
        if (found.length === maxNamed) return found
      }
    }
    return found
  }
  return [
    addressesIn('x-original-to'),
    addressesIn('envelope-to'),
    trace.recipients.map(canonicalRecipient),
    addressesIn('delivered-to'),
  ]
}
