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

/** The network that a client's messages are counted for and that would be listed. */
export function judgedPrefix(client: Address, policy: PolicyOptions): Prefix {
  return client.family === 4 ? hostPrefix(client) : networkOf(client, policy.ipv6Prefix)
}

/** Keeps or counts one message's evidence and acts on it; 'duplicate' when it is here already, and nothing is done. */
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
    // However many traps one message was sent to, it returns one forged message.
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
 * Whether the message is stored: while its network has sent fewer of its kind that day than `evidencePerDay`; then, if it is
 * for a trap or returns a message that the day lacks, while the day has fewer of those. So no repetition of one message
 * keeps out what a threshold asks for. What is ignored takes no room from what counts.
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
 * Who handed the returned message to the host that bounced it is counted, and never listed for it: that is the word of
 * whoever sent the bounce, so it counts no more often than messages are stored.
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
  // What is only counted extends what is listed for its kind already, and reaches no threshold.
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

/** Whom the message may list, and for what; or why it is ignored. */
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
 * Whom the message was for, if not for a trap: its To fields name addresses, none of them is a trap, and nothing it returns
 * has a trap for its author. Somebody handed it on, by a forward or an alias, and the client is his server.
 */
function strangerAddressed({ trapOf }: Context, { addressed }: Evidence): string | undefined {
  if (addressed === undefined) return undefined
  const { to, returnedAuthors } = addressed
  const isTrap = (address: string): boolean => isTrapMailbox(trapOf, address)
  return to.some(isTrap) || returnedAuthors.some(isTrap) ? undefined : to[0]
}

/** Why nothing that this client sends can list it, if so. */
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
  // Where the kind is listed already no threshold is asked.
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
