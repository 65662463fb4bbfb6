// Handles the evidence of one trapped message: stores it with the decision, or only counts it if the client's network has
// sent enough that day. If the policy decides so, lists the client or extends the client's listing. Runs inside a transaction.
import { statfsSync } from 'node:fs'
import type { Evidence } from '../classify/evidence.ts'
import { boundedDetails } from '../classify/evidence-details.ts'
import type { BackscatterKind, Certainty } from '../classify/kinds.ts'
import { trapMailbox } from '../classify/recipient.ts'
import { type Logger, OperationalError } from '../errors.ts'
import {
  type Address,
  type Family,
  formatAddress,
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
  parseAddress,
  unmapped,
} from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { formatDuration, formatSize } from '../quantity.ts'
import type { Context } from './context.ts'
import { judge, offenderAt } from './judge.ts'
import { standingAt } from './listings.ts'
import type { PolicyOptions } from './policy.ts'
import { isTrapMailbox } from './traps.ts'
import type { Decision } from './types.ts'

const lookEveryMs = 1000
/** On a small disk, the minimum of free space is this share of the disk. */
const minFreeShare = 0.05

/** The network that a client's messages count for, and that would be listed for them. */
export function judgedPrefix(client: Address, policy: PolicyOptions): Prefix {
  return client.family === 4 ? hostPrefix(client) : networkOf(client, policy.ipv6Prefix)
}

/** Rows of one network. */
interface RowsOfNetwork<Row> {
  readonly prefix: Prefix
  readonly rows: Row[]
}

/** Sorts rows by the network that they count for. Rows of unknown clients, whose family is 0, are left out. */
export function byNetwork<Row extends Omit<Address, 'family'> & { readonly family: Family | 0 }>(
  rows: readonly Row[],
  policy: PolicyOptions,
): Iterable<RowsOfNetwork<Row>> {
  const networks = new Map<string, RowsOfNetwork<Row>>()
  for (const row of rows) {
    const { family, w0, w1, w2, w3 } = row
    if (family === 0) continue
    const prefix = judgedPrefix({ family, w0, w1, w2, w3 }, policy)
    const key = formatPrefix(prefix)
    const known = networks.get(key)
    if (known) known.rows.push(row)
    else networks.set(key, { prefix, rows: [row] })
  }
  return networks.values()
}

/** Stores or counts the evidence of one message and acts on it. A message that is stored already is a 'duplicate'. */
export function recordOne(context: Context, reported: Evidence): Decision {
  const { store, now } = context
  const evidence = {
    ...reported,
    client: reported.client && unmapped(reported.client),
    recipient: trapMailbox(reported.recipient),
    seenAt: Math.min(reported.seenAt, now),
    details: boundedDetails(reported.details),
  }
  if (store.evidence.has(evidence.client, evidence.recipient, evidence.content)) {
    return { decision: 'duplicate', why: 'this message was recorded before' }
  }
  const { decision, isStored } = decide(context, evidence)
  if (isStored) {
    // A message to many traps is stored for each of them, but it counts as one forgery.
    if (!store.evidence.hasMessage(evidence.client, evidence.content)) {
      countForgery(context, evidence)
    }
    store.evidence.insert(evidence, now, decision)
  } else {
    countOnly(context, evidence, decision.decision === 'ignored')
  }
  return decision
}

/**
 * Whether the message is stored. The limit is `evidencePerDay` messages of one kind and certainty from a network on one day.
 * Above the limit, a message is stored only if its trap or its returned message is new that day, and at most that many traps
 * and that many returned messages can be new. So nobody can use up the limit by repeating one message. Ignored messages have a
 * limit of their own.
 */
function hasRoom({ store, policy }: Context, evidence: Evidence, isIgnored: boolean): boolean {
  const { client, kind, certainty, seenAt } = evidence
  const network = client && judgedPrefix(client, policy)
  const day = { network, kind, certainty, seenAt, areIgnored: isIgnored }
  const most = policy.evidencePerDay
  if (!store.evidence.hasOfDay(day, most)) return true
  const variety = store.evidence.varietyOfDay(day, evidence)
  return (
    (variety.toRecipient === 0 && variety.recipients < most) ||
    (variety.ofReturned === 0 && variety.returned < most)
  )
}

function countOnly(
  { store, policy, trapOf }: Context,
  evidence: Evidence,
  isIgnored: boolean,
): void {
  const { client, kind, source, seenAt, recipient } = evidence
  const certainty = isIgnored ? null : evidence.certainty
  const network = client && judgedPrefix(client, policy)
  const trap = trapOf(recipient)
  store.evidenceCounters.count({ network, kind, certainty, trap, source, seenAt })
}

/**
 * Counts a forgery for the host that sent the forged message to the bouncing host. The host is never listed for it, since only
 * the bounce says that it sent the message. Called once for each stored message, so that nobody can raise the count by
 * repeating a message.
 */
function countForgery(context: Context, evidence: Evidence): void {
  const { kind, genuine, seenAt, details } = evidence
  const { returnedOrigin, spf } = details
  if (kind === null || genuine !== undefined || returnedOrigin === undefined) return
  if (strangerAddressed(context, evidence) !== undefined) return
  const origin = parseAddress(returnedOrigin)
  if ('value' in origin)
    context.store.forgeries.count(unmapped(origin.value), seenAt, spf === 'fail')
}

type Decided = Decision & { readonly decision: Exclude<Decision['decision'], 'duplicate'> }

function decide(context: Context, evidence: Evidence): { decision: Decided; isStored: boolean } {
  const suspect = suspectOf(context, evidence)
  if ('decision' in suspect) {
    return { decision: suspect, isStored: hasRoom(context, evidence, true) }
  }
  const { kind, certainty, prefix } = suspect
  const { seenAt, returned, recipient } = evidence
  const offender = offenderAt(context, prefix)
  if (seenAt < offender.cutAt) {
    const decision = ignored('from before the listing was removed by hand')
    return { decision, isStored: hasRoom(context, evidence, true) }
  }
  const isStored = hasRoom(context, evidence, false)
  const row = standingAt(context, prefix).find(({ origin }) => origin === 'trap')
  const sent = isStored
    ? { id: Number.MAX_SAFE_INTEGER, kind, certainty, seenAt, returned, recipient }
    : { kind, certainty, seenAt, messages: 1 }
  return { decision: judge(context, prefix, offender, sent, row), isStored }
}

interface Suspect {
  readonly kind: BackscatterKind
  readonly certainty: Certainty
  readonly prefix: Prefix
}

const forOthers = 'not addressed to a trap, and it returns no message of a trap'
/** What stands before an address or other text of the message, in this version and in those before. */
const toldPattern = /^(a genuine bounce|.* it returns no message of a trap): /s

/** The stored reason of a message without addresses and other text of the message, for those who are not the operator. */
export function toldWhy(why: string): string {
  return toldPattern.exec(why)?.[1] ?? why
}

/** The prefix and kind that the message may list, and how certain it is; or why it is ignored. */
function suspectOf(context: Context, evidence: Evidence): Suspect | Decided {
  const { client, kind, certainty } = evidence
  if (kind === null || certainty === null)
    return ignored(`not recognised as backscatter (${evidence.rule})`)
  if (evidence.genuine !== undefined) return ignored(`a genuine bounce: ${evidence.genuine}`)
  if (evidence.reportsSuccess) return ignored('a report of success: any sender can request one')
  const stranger = strangerAddressed(context, evidence)
  if (stranger !== undefined) {
    return { ...ignored(`${forOthers}: ${stranger}`), told: forOthers }
  }
  if (client === null) return ignored('no client address is known')
  const prefix = judgedPrefix(client, context.policy)
  const why = whyNeverListed(context, client, prefix)?.why ?? whyTooOld(context, evidence.seenAt)
  return why === undefined ? { kind, certainty, prefix } : ignored(why)
}

function whyTooOld({ policy, now }: Context, seenAt: number): string | undefined {
  const longest = policy.longestListingSeconds
  return seenAt < now - longest ? `history: older than ${formatDuration(longest)}` : undefined
}

/**
 * Detects forwarded mail. Returns an address for which the message was, if none of those in its To fields is a trap and no
 * returned message names a trap as its author. Then a forward or an alias brought the message here, and the client is only the
 * forwarding server. A message that names nobody at all counts.
 */
function strangerAddressed({ trapOf }: Context, { addressed }: Evidence): string | undefined {
  if (addressed === undefined) return undefined
  const named = [...addressed.to, ...addressed.returnedAuthors]
  return named.some((address) => isTrapMailbox(trapOf, address)) ? undefined : named[0]
}

interface NeverListed {
  readonly state: 'special-purpose' | 'exempt' | 'excluded'
  readonly why: string
}

/** Why this client can never be listed. Undefined if it can. */
export function whyNeverListed(
  { store, policy }: Pick<Context, 'store' | 'policy'>,
  client: Address,
  prefix: Prefix,
): NeverListed | undefined {
  const special = specialPurposeRange(prefix, policy.allowSpecial)
  if (special) {
    const why = `${formatAddress(client)} is in ${describeSpecialRange(special)}`
    return { state: 'special-purpose', why }
  }
  const exemption = store.exemptions.covering(client)
  if (exemption) {
    const note = exemption.note ? ` (${exemption.note})` : ''
    return { state: 'exempt', why: `exempt: ${formatPrefix(exemption.prefix)}${note}` }
  }
  return store.exclusions.has(prefix)
    ? { state: 'excluded', why: `${formatPrefix(prefix)} is excluded` }
    : undefined
}

function ignored(why: string): Decided {
  return { decision: 'ignored', why }
}

/** Free space on the disk of that path, and how much mail needs: `minFreeBytes`, or 5 % of the disk if that is less. */
export function freeRoom(
  path: string,
  minFreeBytes: number,
): { freeBytes: number; neededBytes: number } {
  const { bavail, blocks, bsize } = statfsSync(path)
  const neededBytes = Math.ceil(Math.min(minFreeBytes, blocks * bsize * minFreeShare))
  return { freeBytes: bavail * bsize, neededBytes }
}

/** Checks that the disk has room for mail. Below a minimum no mail is recorded, so that other changes can still be written. */
export class DiskRoom {
  readonly #path: string
  readonly #minFreeBytes: number
  readonly #log: Logger
  readonly #rarely = new OncePerMinute()
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #isLow = false

  /** `path`: a file on that disk. `minFreeBytes`: 0 turns the check off. */
  constructor(path: string, minFreeBytes: number, log: Logger) {
    this.#path = path
    this.#minFreeBytes = minFreeBytes
    this.#log = log
  }

  /** The free space now. Undefined if the check is off. */
  room(): ReturnType<typeof freeRoom> | undefined {
    return this.#minFreeBytes === 0 ? undefined : freeRoom(this.#path, this.#minFreeBytes)
  }

  /** Throws OperationalError 'disk-low' if there is too little space. Checks the disk once a second at most. */
  require(): void {
    if (this.#minFreeBytes === 0) return
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs >= lookEveryMs) {
      this.#lookedAtMs = nowMs
      const { freeBytes, neededBytes } = freeRoom(this.#path, this.#minFreeBytes)
      this.#isLow = freeBytes < neededBytes
      if (this.#isLow) {
        const fields = { freeBytes, neededBytes }
        const text = 'the disk of the database is nearly full: no mail is accepted'
        this.#rarely.run(() => this.#log.warn(fields, text))
      }
    }
    if (!this.#isLow) return
    const least = formatSize(this.#minFreeBytes)
    throw new OperationalError('disk-low', `${this.#path}: less than ${least} free on its disk`)
  }
}
