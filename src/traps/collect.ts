// One received message → evidence for each trap it was sent to, recorded. Shared by every source; the one place where
// mail meets the blocklist.
import { type Classification, classify } from '../bounce/classify.ts'
import { canonicalRecipient, type Delivery, type Evidence, evidenceOf } from '../bounce/evidence.ts'
import { type HeaderSection, readHeaderSection } from '../bounce/header-section.ts'
import { parseMessage } from '../bounce/message.ts'
import { type Trace, type TrustedRelays, traceFrom, traceStored } from '../bounce/received.ts'
import type { Logger } from '../errors.ts'
import { type Address, formatAddress } from '../ip/address.ts'
import { type AuthenticityOptions, checkAuthenticity } from './authenticity.ts'
import { calloutEvidence, type Probe } from './callout.ts'

/** What the blocklist answers for each piece of evidence, as far as the traps care. */
export interface Recorded {
  readonly decision: string
  /** For the operator alone. */
  readonly why?: string
  /** What anybody else may be told in place of `why`. */
  readonly told?: string
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
  /** Whether what a message returns was forged; none: nobody asks. */
  readonly authenticity?: AuthenticityOptions
}

/**
 * The connection's peer, or whom a proxy named; null when the proxy named nobody, or did not know; 'own-server' when our
 * own mail server handed the message over by LMTP and named nobody: its trace fields tell.
 */
export type LiveClient = Address | 'own-server' | null

/** A message received over SMTP, with what the session knows. */
export interface LiveMessage {
  readonly raw: Uint8Array
  readonly client: LiveClient
  /** The client's; absent when a proxy does not tell it. */
  readonly helo?: string
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
    const source = 'smtp'
    const read = await readMessage(
      raw,
      {
        ...session,
        trace,
        recipients: [...new Set(recipients.map(canonicalRecipient))],
        seenAt: Math.min(trace.newestTime ?? now(), now()),
        source,
      },
      this.#options.authenticity,
    )
    await this.#commit(source, read)
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
   * Records a message from a mailbox. Resolves after the commit with no recipients left over, and with whether all of it
   * was recorded before; when the message was for no trap nothing is recorded, and the recipients it names are the
   * answer. Rejects as record() does.
   */
  async read(
    stored: StoredMessage,
  ): Promise<{ passedOver: readonly string[] | null; isDuplicate: boolean }> {
    const delivered = storedDelivery(stored, this.#options)
    if (delivered.recipients.length === 0)
      return { passedOver: delivered.named, isDuplicate: false }
    const decisions = await this.#commit(
      stored.source,
      await readMessage(stored.raw, delivered, this.#options.authenticity),
    )
    const isDuplicate = decisions.every(({ decision }) => decision === 'duplicate')
    return { passedOver: null, isDuplicate }
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
    const read = await readMessage(
      raw,
      {
        trace,
        recipients: recipients.map(canonicalRecipient),
        seenAt: Math.min(trace.newestTime ?? now(), now()),
        source,
      },
      this.#options.authenticity,
    )
    return await this.#commit(source, read)
  }

  /** The verdict on a message and the host that handed it to our own; nothing is recorded. */
  async classify(raw: Uint8Array): Promise<Classification & { readonly client: Address | null }> {
    const { client } = traceStored(readHeaderSection(raw), this.#options.relays)
    return { ...classify(await parseMessage(raw)), client }
  }

  async #commit(
    source: string,
    { evidence, trace, classification }: ReadMessage,
  ): Promise<readonly Recorded[]> {
    const decisions = await this.#options.record(evidence)
    this.#options.log.info(
      {
        source,
        client: trace.client && formatAddress(trace.client),
        kind: classification.kind,
        rule: classification.rule,
        decisions: decisions.map(({ decision }) => decision),
      },
      'message recorded',
    )
    return decisions
  }
}

/** A message as evidence against whoever handed it over. */
export interface ReadMessage {
  readonly classification: Classification
  readonly trace: Trace
  /** One for each trap that it was sent to. */
  readonly evidence: readonly Evidence[]
}

/** How a message came to the traps: by its trace fields, and by what the session knows. */
export interface Delivered extends Omit<Delivery, 'client' | 'recipient'> {
  readonly trace: Trace
  /** Traps; none: it was for nobody of ours. */
  readonly recipients: readonly string[]
}

/** How a message got into a mailbox. `named` are all recipients that its fields tell, traps or not. Never throws. */
export function storedDelivery(
  { raw, source, storedAt, allTraps }: StoredMessage,
  { relays, isTrap, now }: Pick<CollectorOptions, 'relays' | 'isTrap' | 'now'>,
): Delivered & { readonly named: readonly string[] } {
  const header = readHeaderSection(raw)
  const trace = traceStored(header, relays)
  const kinds = deliveredTo(header, trace)
  const named = kinds.flat()
  const traps = kinds.find((each) => each.some(isTrap))?.filter(isTrap)
  const others = allTraps ? [named[0] ?? `mailbox:${source}`] : []
  const seenAt = Math.min(trace.newestTime ?? storedAt, now())
  return { trace, recipients: traps ?? others, named, seenAt, source, allTraps }
}

/** Classifies a message; its evidence has one piece for each trap. Records nothing. Never throws. */
export async function readMessage(
  raw: Uint8Array,
  delivered: Delivered,
  authenticity?: AuthenticityOptions,
): Promise<ReadMessage> {
  const { recipients, trace, ...common } = delivered
  const message = await parseMessage(raw)
  const { reversePath } = common
  const classification = classify(message, {
    recipients,
    ...(reversePath !== undefined && { reversePath }),
  })
  const deliveries = recipients.map((recipient) => ({
    ...common,
    client: trace.client,
    recipient,
  }))
  const plain = evidenceOf(message, classification, deliveries, trace.believed)
  if (authenticity === undefined) return { classification, trace, evidence: plain }
  const checked = await checkAuthenticity(message, classification, recipients, authenticity)
  const { genuine, ...words } = checked
  const evidence = plain.map((each) => ({
    ...each,
    ...(genuine !== null && { genuine }),
    details: { ...each.details, ...words },
  }))
  return { classification, trace, evidence }
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
