// One trapped message's evidence → stored once with the decision on it, or only counted if its network sent enough that
// day; and its client listed, or its listing extended, as the policy says. Runs inside a transaction.
import { statfsSync } from 'node:fs'
import type { Evidence } from '../bounce/evidence.ts'
import { boundedDetails } from '../bounce/evidence-details.ts'
import type { BackscatterKind } from '../bounce/kinds.ts'
import { trapMailbox } from '../bounce/recipient.ts'
import { type Logger, OperationalError } from '../errors.ts'
import {
  type Address,
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
import { formatSize } from '../quantity.ts'
import type { CurrentListing } from '../store/listings.ts'
import { auditRow, type Context, currentListing, standingAt } from './listings.ts'
import {
  heldUntil,
  hitsToWeigh,
  initialState,
  type Judgement,
  judge,
  type PolicyOptions,
} from './policy.ts'
import { isTrapMailbox } from './traps.ts'
import { type Decision, kindsMask, listingOf } from './types.ts'

const lookEveryMs = 1000
/** Of a small disk the minimum of free space is this share of it. */
const minFreeShare = 0.05

/** The network that would be listed for a client's messages, and that they count for. */
export function judgedPrefix(client: Address, policy: PolicyOptions): Prefix {
  return client.family === 4 ? hostPrefix(client) : networkOf(client, policy.ipv6Prefix)
}

/** Stores or counts one message's evidence and acts on it. 'duplicate': it is stored already, and nothing is done. */
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
    return { decision: 'duplicate', why: 'this message is recorded already' }
  }
  const { decision, isStored } = decide(context, evidence)
  if (isStored) {
    // A message may go to many traps; it still returns one forged message.
    if (!store.evidence.hasMessage(evidence.client, evidence.content)) {
      countForgery(context, evidence)
    }
    store.evidence.insert(evidence, now, decision)
  } else {
    countOnly(context, evidence)
  }
  return decision
}

/**
 * Whether the message is stored. The first `evidencePerDay` messages of one kind from a network on one day are. After that a
 * message is stored only if its trap, or the message it returns, is new that day, and only up to `evidencePerDay` of each. So
 * repeating one message cannot keep out what a threshold needs. Ignored messages are limited apart from those that count.
 */
function hasRoom({ store, policy }: Context, evidence: Evidence, isIgnored: boolean): boolean {
  const { client, kind, seenAt } = evidence
  const network = client && judgedPrefix(client, policy)
  const day = { network, kind, seenAt, areIgnored: isIgnored }
  const most = policy.evidencePerDay
  if (!store.evidence.hasOfDay(day, most)) return true
  const variety = store.evidence.varietyOfDay(day, evidence)
  return (
    (variety.toRecipient === 0 && variety.recipients < most) ||
    (variety.ofReturned === 0 && variety.returned < most)
  )
}

function countOnly({ store, policy, trapOf }: Context, evidence: Evidence): void {
  const { client, kind, source, seenAt, recipient } = evidence
  const network = client && judgedPrefix(client, policy)
  store.evidenceCounters.count({ network, kind, trap: trapOf(recipient), source, seenAt })
}

/**
 * Counts the host that sent the forged message to the one that bounced it. It is never listed for that: only the bounce says
 * so. Called once for each stored message, so that its sender cannot raise the count at will.
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
  const { kind, prefix } = suspect
  const row = standingAt(context, prefix).find(({ origin }) => origin === 'trap')
  const judgement = weigh(context, evidence, kind, prefix, row)
  const isStored = hasRoom(context, evidence, judgement.decision === 'ignored')
  const shown = (decided: Decided): Decided =>
    row ? { ...decided, listing: listingOf(row) } : decided
  if (judgement.decision === 'ignored') return { decision: shown(judgement), isStored }
  // A message that is only counted extends a listing for its kind, but counts for no threshold.
  const isListed = row !== undefined && (row.kinds & kindsMask([kind])) !== 0
  if (!isStored && !isListed) {
    const why = `${kind}: over ${context.policy.evidencePerDay} that day, so only counted`
    return { decision: shown({ decision: 'counted', why }), isStored }
  }
  const decision = 'kinds' in judgement ? act(context, prefix, row, judgement) : shown(judgement)
  return { decision, isStored }
}

interface Suspect {
  readonly kind: BackscatterKind
  readonly prefix: Prefix
}

/** What the message may list, and for which kind; or why it is ignored. */
function suspectOf(context: Context, evidence: Evidence): Suspect | Decided {
  const { client, kind } = evidence
  if (kind === null) return ignored(`not recognised as backscatter (${evidence.rule})`)
  if (evidence.genuine !== undefined) return ignored(`a genuine bounce: ${evidence.genuine}`)
  if (evidence.reportsSuccess) return ignored('a report of success: anyone can order one')
  const stranger = strangerAddressed(context, evidence)
  if (stranger !== undefined) {
    const told = 'addressed to somebody else than a trap, and it returns no message of a trap'
    return { ...ignored(`${told}: ${stranger}`), told }
  }
  if (client === null) return ignored('the host that handed it over cannot be known')
  const prefix = judgedPrefix(client, context.policy)
  const why = whyNever(context, client, prefix)
  return why === undefined ? { kind, prefix } : ignored(why)
}

/**
 * The first address in its To fields, if the message was for somebody else: no address there is a trap, and no message it
 * returns was written by a trap. Then a forward or an alias passed it on, and the client is the server that did so.
 */
function strangerAddressed({ trapOf }: Context, { addressed }: Evidence): string | undefined {
  if (addressed === undefined) return undefined
  const { to, returnedAuthors } = addressed
  const isTrap = (address: string): boolean => isTrapMailbox(trapOf, address)
  return to.some(isTrap) || returnedAuthors.some(isTrap) ? undefined : to[0]
}

/** Why this client can never be listed; undefined: it can. */
function whyNever({ store, policy }: Context, client: Address, prefix: Prefix): string | undefined {
  const special = specialPurposeRange(prefix, policy.allowSpecial)
  if (special) return `${formatAddress(client)} is in ${describeSpecialRange(special)}`
  const exemption = store.exemptions.covering(client)
  if (exemption) {
    const note = exemption.note ? ` (${exemption.note})` : ''
    return `exempt: ${formatPrefix(exemption.prefix)}${note}`
  }
  return store.exclusions.has(prefix) ? `${formatPrefix(prefix)} is excluded` : undefined
}

function weigh(
  { store, policy, now }: Context,
  evidence: Evidence,
  kind: BackscatterKind,
  prefix: Prefix,
  row: CurrentListing | undefined,
): Judgement {
  const { seenAt, returned, recipient } = evidence
  const removal = store.listings.lastRemoval(prefix)
  if (seenAt < removal.at) {
    return { decision: 'ignored', why: 'from before the listing was removed by hand' }
  }
  const reach = policy.threshold[kind].windowSeconds - 1
  // If the kind is listed already, no threshold matters.
  const isListed = row !== undefined && (row.kinds & kindsMask([kind])) !== 0
  return judge(
    {
      kind,
      hit: { seenAt, returned, recipient },
      others: isListed
        ? []
        : store.evidence.hits(
            prefix,
            kind,
            { from: Math.max(seenAt - reach, removal.at), to: seenAt + reach, mark: removal.mark },
            hitsToWeigh(kind, policy),
          ),
      standing: row && {
        kinds: row.kinds,
        episode: row.episode,
        lastHitAt: row.lastHitAt ?? row.createdAt,
        expiresAt: row.expiresAt ?? Number.MAX_SAFE_INTEGER,
      },
      lastEpisode: row ? row.episode : store.listings.lastEpisode(prefix),
      now,
    },
    policy,
  )
}

/** Writes what the judgement says: a new row, or a change of the row that there is. */
function act(
  context: Context,
  prefix: Prefix,
  row: CurrentListing | undefined,
  judgement: Extract<Judgement, { kinds: number }>,
): Decided {
  const { store, publisher, policy, now } = context
  const { decision, why, newHits, ...becomes } = judgement
  const firstState = initialState(becomes.kinds, publisher.publishedKinds, policy)
  if (!row) {
    const id = store.listings.insert({
      prefix,
      ...becomes,
      state: firstState,
      origin: 'trap',
      reason: null,
      createdAt: now,
      heldUntil: firstState === 'held' ? heldUntil(now, policy) : null,
      hits: newHits,
    })
    return { decision, why, listing: auditRow(context, { name: 'trap' }, 'list', id, null) }
  }
  // A shadow begins to show as a new listing does. What shows already is not held back for a further code.
  const state = row.state === 'shadow' ? firstState : row.state
  const isHeldNow = state === 'held' && row.state !== 'held'
  store.listings.change(row, {
    ...row,
    ...becomes,
    state,
    hits: row.hits + newHits,
    heldUntil: isHeldNow ? heldUntil(now, policy) : row.heldUntil,
  })
  return { decision, why, listing: currentListing(context, row.id) }
}

function ignored(why: string): Decided {
  return { decision: 'ignored', why }
}

/** Whether the disk has room for mail. With less free space than a minimum none is taken, so that the list can go on. */
export class DiskRoom {
  readonly #path: string
  readonly #minFreeBytes: number
  readonly #log: Logger
  readonly #rarely = new OncePerMinute()
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #isLow = false

  /** `path`: a file on that disk. The minimum is `minFreeBytes`, or 5 % of a small disk; 0: there is always room. */
  constructor(path: string, minFreeBytes: number, log: Logger) {
    this.#path = path
    this.#minFreeBytes = minFreeBytes
    this.#log = log
  }

  /** Throws OperationalError 'disk-low' if there is too little. Looks once a second. */
  require(): void {
    if (this.#minFreeBytes === 0) return
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs >= lookEveryMs) {
      this.#lookedAtMs = nowMs
      const { bavail, blocks, bsize } = statfsSync(this.#path)
      const freeBytes = bavail * bsize
      const neededBytes = Math.ceil(Math.min(this.#minFreeBytes, blocks * bsize * minFreeShare))
      this.#isLow = freeBytes < neededBytes
      if (this.#isLow) {
        const fields = { freeBytes, neededBytes }
        const text = 'the disk of the database is nearly full: no mail is taken'
        this.#rarely.run(() => this.#log.warn(fields, text))
      }
    }
    if (!this.#isLow) return
    const least = formatSize(this.#minFreeBytes)
    throw new OperationalError('disk-low', `${this.#path}: less than ${least} free on its disk`)
  }
}
