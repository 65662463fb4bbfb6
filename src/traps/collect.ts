// One received message → evidence for each trap it was sent to, and the blocklist's decisions on it. Every source uses this file;
// only here does mail reach the blocklist.
import type { Classification } from '../classify/classify.ts'
import type { Evidence, Recorded, TrapList } from '../classify/evidence.ts'
import type { Certainty } from '../classify/kinds.ts'
import { canonicalRecipient } from '../classify/recipient.ts'
import { type Logger, OperationalError } from '../errors.ts'
import { type Address, formatAddress, unmapped } from '../ip/address.ts'
import { readHeaderSection } from '../mail/header.ts'
import { traceFrom } from '../mail/trace.ts'
import { calloutEvidence, type Probe } from './callout.ts'
import {
  type Delivered,
  type DeliveryOptions,
  type LiveClient,
  liveDelivery,
  type StoredMessage,
  storedDelivery,
} from './delivery.ts'
import type { HostAsker } from './host-asker.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { MessageReader } from './message-reader.ts'

export interface CollectorOptions extends DeliveryOptions {
  readonly reader: MessageReader
  readonly memory: MemoryBudget
  readonly list: TrapList
  /** Absent: DNS is not asked about the hosts. */
  readonly hosts?: HostAsker | undefined
  readonly log: Logger
}

/** A message received over SMTP, and what the session tells about it. */
export interface LiveMessage {
  readonly raw: Uint8Array
  readonly client: LiveClient
  /** The client's HELO name; absent if a proxy does not tell it. */
  readonly helo?: string
  /** TLS protocol and cipher; absent without TLS. */
  readonly tls?: string
  /** All recipients of the transaction, also refused ones; absent if there was only one. */
  readonly recipientsTried?: string
  readonly notes?: string
  /** '' is the null sender. */
  readonly reversePath: string
  /** Trap addresses. */
  readonly recipients: readonly string[]
}

/** A message that a remote collector received for one of our traps. */
export interface SubmittedMessage {
  readonly raw: Uint8Array
  /** The host that sent it to the collector; null if the message's trace fields must tell. */
  readonly client: Address | null
  /** '' is the null sender. Absent: the message's Return-Path tells, if it has one. */
  readonly reversePath?: string
  /** Trap addresses. */
  readonly recipients: readonly string[]
  /** Name of the collector. */
  readonly source: string
}

interface Committed {
  /** null if the message is not backscatter. */
  readonly certainty: Certainty | null
  readonly decisions: readonly Recorded[]
  /** Reading the message was stopped before its end. It is recorded, but lists nobody. */
  readonly isStopped: boolean
}

export class Collector {
  readonly #options: CollectorOptions

  constructor(options: CollectorOptions) {
    this.#options = options
  }

  /**
   * Records a message from an SMTP session, once for each recipient. The caller must have reserved memory for it. Resolves after
   * the commit. Rejects with `mail-deferred` if the message was not read, and as TrapList.record() does.
   */
  async receive({ raw, client, recipients, ...session }: LiveMessage): Promise<Committed> {
    const traps = [...new Set(recipients.map(canonicalRecipient))]
    const known = { ...session, recipients: traps, source: 'smtp' }
    return await this.#commit(raw, liveDelivery(raw, client, known, this.#options), false)
  }

  /**
   * Records a transaction that ended before DATA, if it was a sender callout and its client is known for certain. Resolves after
   * the commit; rejects as TrapList.record() does.
   */
  async recordCallout(client: LiveClient, probe: Omit<Probe, 'client' | 'at'>): Promise<void> {
    const { relays, now, log } = this.#options
    if (client === 'own-server') return
    // A trusted relay asks on behalf of another host. Without a message there are no trace fields to name that host.
    const { client: known } = traceFrom(client, readHeaderSection(new Uint8Array()), relays)
    if (known === null) return
    const evidence = calloutEvidence({ ...probe, client: known, at: now() })
    if (evidence.length === 0) return
    const decisions = await this.#record(evidence)
    log.info(
      {
        source: 'smtp',
        client: formatAddress(known),
        kind: 'callout',
        certainty: evidence[0]?.certainty,
        rule: evidence[0]?.rule,
        decisions: decisions.map(({ decision }) => decision),
      },
      'sender callout recorded',
    )
  }

  /**
   * Records a message from a mailbox, once there is memory for it. If it was for a trap, resolves after the commit with
   * `passedOver: null`; `isDuplicate` tells whether all of its evidence was recorded before. Otherwise records nothing, and
   * `passedOver` has the recipients that the message names. Rejects as receive() does.
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
   * Records what a remote collector received. Resolves after the commit with the certainty of the verdict and one decision for
   * each recipient, in order. Rejects as receive() does, and with `mail-deferred` if there is no memory for the message.
   */
  async submit({ raw, client, ...known }: SubmittedMessage): Promise<Omit<Committed, 'isStopped'>> {
    const recipients = known.recipients.map(canonicalRecipient)
    using _held = this.#hold(raw)
    const peer = client === null ? 'own-server' : unmapped(client)
    const delivered = liveDelivery(raw, peer, { ...known, recipients }, this.#options)
    return await this.#commit(raw, delivered, false)
  }

  /** Returns the verdict on a message and the host that sent it to our own host; records nothing. Rejects as submit() does. */
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
      throw new OperationalError('mail-deferred', 'message not read: no memory left')
    }
    return held
  }

  #read(raw: Uint8Array, delivered: Delivered, isStored: boolean) {
    const { reader, now } = this.#options
    return reader.read({ raw, delivered, isStored, now: now() })
  }

  async #commit(raw: Uint8Array, delivered: Delivered, isStored: boolean): Promise<Committed> {
    const { classification, evidence, isStopped } = await this.#read(raw, delivered, isStored)
    const decisions = await this.#record(evidence)
    const { client } = delivered.trace
    const { kind, certainty, rule } = classification
    this.#options.log.info(
      {
        source: delivered.source,
        client: client && formatAddress(client),
        kind,
        certainty,
        rule,
        decisions: decisions.map(({ decision }) => decision),
      },
      'message recorded',
    )
    return { certainty, decisions, isStopped }
  }

  async #record(evidence: readonly Evidence[]): Promise<readonly Recorded[]> {
    const { list, hosts } = this.#options
    await hosts?.askBefore(evidence)
    return await list.record(evidence)
  }
}
