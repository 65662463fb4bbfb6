// One received message → evidence for each trap it was sent to, recorded. Shared by every source; the one place where
// mail meets the blocklist.
import { type Classification, classify } from '../bounce/classify.ts'
import { canonicalRecipient, type Delivery, type Evidence, evidenceOf } from '../bounce/evidence.ts'
import { type HeaderSection, readHeaderSection } from '../bounce/header-section.ts'
import { parseMessage } from '../bounce/message.ts'
import { type Trace, type TrustedRelays, traceFrom, traceStored } from '../bounce/received.ts'
import type { Logger } from '../errors.ts'
import { type Address, formatAddress } from '../ip/address.ts'
import { calloutEvidence, type Probe } from './callout.ts'

/** What the blocklist answers for each piece of evidence, as far as the traps care. */
export interface Recorded {
  readonly decision: string
  readonly why?: string
}

export interface CollectorOptions {
  readonly relays: TrustedRelays
  /** Whether an address, its domain in lower case, is a spam trap now. */
  isTrap(address: string): boolean
  /** Resolves only once the evidence is committed. */
  record(evidence: readonly Evidence[]): Promise<readonly Recorded[]>
  /** Epoch seconds. */
  now(): number
  readonly log: Logger
}

/**
 * The connection's peer, or whom a proxy named; null when the proxy did not know; 'own-server' when our own mail server
 * handed the message over by LMTP and named nobody: its trace fields tell.
 */
export type LiveClient = Address | 'own-server' | null

/** A message received over SMTP, with what the session knows. */
export interface LiveMessage {
  readonly raw: Uint8Array
  readonly client: LiveClient
  readonly helo: string
  /** Protocol and cipher. */
  readonly tls?: string
  /** Every recipient of the transaction, when there were others beside one trap. */
  readonly recipientsTried?: string
  readonly notes?: string
  /** '' is the null sender. */
  readonly reversePath: string
  /** Trap addresses. */
  readonly recipients: readonly string[]
}

/** A message found in a mailbox. */
export interface StoredMessage {
  readonly raw: Uint8Array
  readonly source: string
  /** Epoch seconds. */
  readonly storedAt: number
  /** Every message in that mailbox was for a trap. */
  readonly allTraps: boolean
}

/** A message that a remote collector heard for one of our traps. */
export interface SubmittedMessage {
  readonly raw: Uint8Array
  /** null: as its trace fields say. */
  readonly client: Address | null
  /** Trap addresses. */
  readonly recipients: readonly string[]
  /** Which collector. */
  readonly source: string
}

export class Collector {
  readonly #options: CollectorOptions

  constructor(options: CollectorOptions) {
    this.#options = options
  }

  /** Records a message from the wire, once for each recipient. Resolves after the commit; rejects as record() does. */
  async receive(live: LiveMessage): Promise<void> {
    const { raw, client, recipients, ...session } = live
    const { relays, now } = this.#options
    const header = readHeaderSection(raw)
    const trace =
      client === 'own-server' ? traceStored(header, relays) : traceFrom(client, header, relays)
    await this.#record(raw, trace, {
      ...session,
      recipients: [...new Set(recipients.map(canonicalRecipient))],
      seenAt: Math.min(trace.newestTime ?? now(), now()),
      source: 'smtp',
    })
  }

  /**
   * Records a transaction that ended before DATA, if it was a sender callout and its client is known for certain.
   * Resolves after the commit; rejects as record() does.
   */
  async probed(client: LiveClient, probe: Omit<Probe, 'client' | 'at'>): Promise<void> {
    const { relays, now, record, log } = this.#options
    if (client === 'own-server') return
    // What a trusted relay probes, it does not do for itself; and no trace field tells for whom.
    const { client: known } = traceFrom(client, readHeaderSection(new Uint8Array()), relays)
    if (known === null) return
    const evidence = calloutEvidence({ ...probe, client: known, at: now() })
    if (evidence.length === 0) return
    const decisions = await record(evidence)
    log.info(
      {
        ...{ source: 'smtp', client: formatAddress(known), kind: 'callout' },
        ...{ rule: evidence[0]?.rule, decisions: decisions.map(({ decision }) => decision) },
      },
      'sender callout recorded',
    )
  }

  /**
   * Records a message from a mailbox. Resolves after the commit with no recipients left over; when the message was for
   * no trap nothing is recorded, and the recipients it names are the answer. Rejects as record() does.
   */
  async read(stored: StoredMessage): Promise<{ passedOver: readonly string[] | null }> {
    const { raw, source, storedAt, allTraps } = stored
    const header = readHeaderSection(raw)
    const trace = traceStored(header, this.#options.relays)
    const named = deliveredTo(header, trace)
    const traps = named
      .find((each) => each.some(this.#options.isTrap))
      ?.filter(this.#options.isTrap)
    if (traps === undefined && !allTraps) return { passedOver: named.flat() }
    await this.#record(raw, trace, {
      recipients: traps ?? [named.flat()[0] ?? `mailbox:${source}`],
      seenAt: Math.min(trace.newestTime ?? storedAt, this.#options.now()),
      source,
    })
    return { passedOver: null }
  }

  /**
   * Records what a remote collector heard; one decision for each recipient, in order, after the commit. Rejects as
   * record() does.
   */
  async submit(submitted: SubmittedMessage): Promise<readonly Recorded[]> {
    const { raw, client, recipients, source } = submitted
    const { relays, now } = this.#options
    const header = readHeaderSection(raw)
    const trace = client === null ? traceStored(header, relays) : traceFrom(client, header, relays)
    return await this.#record(raw, trace, {
      recipients: recipients.map(canonicalRecipient),
      seenAt: Math.min(trace.newestTime ?? now(), now()),
      source,
    })
  }

  /** The verdict on a message and the host that handed it to our own; nothing is recorded. */
  async classify(raw: Uint8Array): Promise<Classification & { readonly client: Address | null }> {
    const { client } = traceStored(readHeaderSection(raw), this.#options.relays)
    return { ...classify(await parseMessage(raw)), client }
  }

  async #record(
    raw: Uint8Array,
    trace: Trace,
    delivery: Omit<Delivery, 'client' | 'recipient'> & { readonly recipients: readonly string[] },
  ): Promise<readonly Recorded[]> {
    const { recipients, ...common } = delivery
    const message = await parseMessage(raw)
    const { reversePath } = common
    const verdict = classify(message, reversePath === undefined ? {} : { reversePath })
    const deliveries = recipients.map((recipient) => ({
      ...common,
      client: trace.client,
      recipient,
    }))
    const evidence = evidenceOf(message, verdict, deliveries, trace.believed)
    const decisions = await this.#options.record(evidence)
    this.#options.log.info(
      {
        source: common.source,
        client: trace.client && formatAddress(trace.client),
        kind: verdict.kind,
        rule: verdict.rule,
        decisions: decisions.map(({ decision }) => decision),
      },
      'message recorded',
    )
    return decisions
  }
}

/**
 * Whom our own hosts delivered a stored message to, as the fields above the sender's part say: one list for each kind
 * of field, the surest first. X-Original-To and Envelope-To name the envelope recipient before aliases, which
 * Delivered-To may have replaced.
 */
export function deliveredTo(header: HeaderSection, trace: Trace): (readonly string[])[] {
  const end =
    trace.believed.at(-1)?.start ??
    header.fields.find(({ name }) => name === 'received')?.start ??
    header.bodyStart
  const addressesIn = (name: string): string[] =>
    header.fields
      .filter((field) => field.name === name && field.start < end)
      .flatMap(({ value }) => value.split(','))
      .map((text) => text.trim().replace(/^<|>$/g, ''))
      .filter((address) => /^[^\s@]+@[^\s@]+$/.test(address))
      .map(canonicalRecipient)
  return [
    addressesIn('x-original-to'),
    addressesIn('envelope-to'),
    trace.recipients.map(canonicalRecipient),
    addressesIn('delivered-to'),
  ]
}
