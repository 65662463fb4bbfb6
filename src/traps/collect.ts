// One received message → evidence for each trap it was sent to, recorded. Shared by every source; the one place where
// mail meets the blocklist.
import type { Classification } from '../bounce/classify.ts'
import type { Recorded, TrapList } from '../bounce/evidence.ts'
import { readHeaderSection } from '../bounce/header-section.ts'
import { traceFrom } from '../bounce/received.ts'
import { canonicalRecipient } from '../bounce/recipient.ts'
import { type Logger, OperationalError } from '../errors.ts'
import { type Address, formatAddress, unmapped } from '../ip/address.ts'
import { calloutEvidence, type Probe } from './callout.ts'
import {
  type Delivered,
  type DeliveryOptions,
  type LiveClient,
  liveDelivery,
  type StoredMessage,
  storedDelivery,
} from './delivery.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { MessageReader } from './message-reader.ts'

export interface CollectorOptions extends DeliveryOptions {
  readonly reader: MessageReader
  readonly memory: MemoryBudget
  readonly list: TrapList
  readonly log: Logger
}

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

interface Committed {
  readonly decisions: readonly Recorded[]
  /** The message could not be read to its end. It is recorded, and lists nobody. */
  readonly isStopped: boolean
}

export class Collector {
  readonly #options: CollectorOptions

  constructor(options: CollectorOptions) {
    this.#options = options
  }

  /**
   * Records a message from the wire, once for each recipient; its octets are in the memory budget already. Resolves after
   * the commit; rejects with `mail-deferred` when it was not read, and as record() does.
   */
  async receive({ raw, client, recipients, ...session }: LiveMessage): Promise<Committed> {
    const traps = [...new Set(recipients.map(canonicalRecipient))]
    const known = { ...session, recipients: traps, source: 'smtp' }
    return await this.#commit(raw, liveDelivery(raw, client, known, this.#options), false)
  }

  /**
   * Records a transaction that ended before DATA, if it was a sender callout and its client is known for certain.
   * Resolves after the commit; rejects as record() does.
   */
  async probed(client: LiveClient, probe: Omit<Probe, 'client' | 'at'>): Promise<void> {
    const { relays, now, list, log } = this.#options
    if (client === 'own-server') return
    // A trusted relay probes for a client of its own, and a probe has no trace field that names that client.
    const { client: known } = traceFrom(client, readHeaderSection(new Uint8Array()), relays)
    if (known === null) return
    const evidence = calloutEvidence({ ...probe, client: known, at: now() })
    if (evidence.length === 0) return
    const decisions = await list.record(evidence)
    log.info(
      {
        source: 'smtp',
        client: formatAddress(known),
        kind: 'callout',
        rule: evidence[0]?.rule,
        decisions: decisions.map(({ decision }) => decision),
      },
      'sender callout recorded',
    )
  }

  /**
   * Records a message from a mailbox, once there is memory for it. Resolves after the commit with no recipients left over,
   * and with whether all of it was recorded before; when the message was for no trap nothing is recorded, and the
   * recipients it names are the answer. Rejects as receive() does.
   */
  async read(
    stored: StoredMessage,
  ): Promise<{ passedOver: readonly string[] | null; isDuplicate: boolean }> {
    const { named, ...delivered } = storedDelivery(stored, this.#options)
    if (delivered.recipients.length === 0) return { passedOver: named, isDuplicate: false }
    using _held = await this.#options.memory.wait(stored.raw.length)
    const { decisions } = await this.#commit(stored.raw, delivered, true)
    const isDuplicate = decisions.every(({ decision }) => decision === 'duplicate')
    return { passedOver: null, isDuplicate }
  }

  /**
   * Records what a remote collector heard; one decision for each recipient, in order, after the commit. Rejects as
   * receive() does, and with `mail-deferred` when there is no memory for it.
   */
  async submit(submitted: SubmittedMessage): Promise<readonly Recorded[]> {
    const { raw, source } = submitted
    const client = submitted.client && unmapped(submitted.client)
    const recipients = submitted.recipients.map(canonicalRecipient)
    using _held = this.#hold(raw)
    const known = { recipients, source }
    const delivered = liveDelivery(raw, client ?? 'own-server', known, this.#options)
    const { decisions } = await this.#commit(raw, delivered, false)
    return decisions
  }

  /** The verdict on a message and the host that handed it to our own; nothing is recorded. Rejects as submit() does. */
  async classify(raw: Uint8Array): Promise<Classification & { readonly client: Address | null }> {
    using _held = this.#hold(raw)
    const known = { recipients: [], source: 'classify' }
    const delivered = liveDelivery(raw, 'own-server', known, this.#options)
    const { classification } = await this.#read(raw, delivered, false)
    return { ...classification, client: delivered.trace.client }
  }

  #hold(raw: Uint8Array): Disposable {
    const held = this.#options.memory.hold(raw.length)
    if (held === null) {
      throw new OperationalError('mail-deferred', 'message not read: no memory is left for it')
    }
    return held
  }

  #read(raw: Uint8Array, delivered: Delivered, isStored: boolean) {
    const { reader, now } = this.#options
    return reader.read({ raw, delivered, isStored, now: now() })
  }

  async #commit(raw: Uint8Array, delivered: Delivered, isStored: boolean): Promise<Committed> {
    const { list, log } = this.#options
    const { classification, evidence, isStopped } = await this.#read(raw, delivered, isStored)
    const decisions = await list.record(evidence)
    const { client } = delivered.trace
    log.info(
      {
        source: delivered.source,
        client: client && formatAddress(client),
        kind: classification.kind,
        rule: classification.rule,
        decisions: decisions.map(({ decision }) => decision),
      },
      'message recorded',
    )
    return { decisions, isStopped }
  }
}
