// The hosts of a simulation and every message that they send to the traps. A message is a labelled one with another client,
// recipient, time and returned message.
import type { Evidence } from '../../src/classify/evidence.ts'
import { type Address, addressFromIPv4 } from '../../src/ip/address.ts'
import { Random } from './random.ts'
import type { Template } from './templates.ts'

export const poisonWays = [
  'bounces',
  'vacations',
  'challenges',
  'notices',
  'sign-ups',
  'relays',
  'large providers',
  'own hosts',
] as const
export type PoisonWay = (typeof poisonWays)[number]

export const forwarderGroups = [
  'forwarders',
  'forwarders without To',
  'rewriting forwarders',
] as const
export type Forwarders = (typeof forwarderGroups)[number]

export type Group =
  | 'offenders'
  | 'well-run hosts'
  | 'sites'
  | 'pool members'
  | Forwarders
  | `${PoisonWay}, ${number}`

export interface Host {
  readonly group: Group
  /** Its address or, for IPv6, one of the many in its /64. */
  readonly client: Address
  /** Its verified PTR. */
  readonly name: string
  /** When it sends, in order. */
  readonly sendsAt: readonly number[]
}

interface Sending {
  readonly template: Template
  readonly recipient: string
  readonly seenAt: number
  /** To whom the message says it is, and in whose name the returned message is. @default the recipient */
  readonly addressee?: { readonly to: string; readonly author: string }
  /** Names the returned message. @default another one than any other */
  readonly returned?: string
}

/** Sends all that a host sends. */
export type Life = (host: { readonly random: Random; send(sending: Sending): void }) => void

export const daySeconds = 86_400
/** Midnight. */
export const startsAt = 1_799_971_200

/** The ranges of benchmarks (RFC 2544, RFC 5180): no host of the internet is named. */
export const ranges = ['198.18.0.0/15', '2001:2::/48']

export class World {
  readonly seed: number
  readonly days: number
  readonly traps: readonly string[]
  readonly hosts: Host[] = []
  readonly #messages: { readonly host: Host; readonly evidence: Evidence }[] = []

  constructor(seed: number, days: number, traps: number) {
    this.seed = seed
    this.days = days
    this.traps = Array.from({ length: traps }, (_, index) => `t${index}@traps.example`)
  }

  /** All messages, in order of time. */
  get messages(): readonly { readonly host: Host; readonly evidence: Evidence }[] {
    return this.#messages.toSorted((a, b) => a.evidence.seenAt - b.evidence.seenAt)
  }

  /** Adds a host and what it sends. What it would send after the last day is left out. */
  addHost(group: Group, name: string, life: Life, isIPv6 = false): void {
    const number = this.hosts.length
    const random = new Random(this.seed, `${group} ${number}`)
    const address = (): Address =>
      isIPv6
        ? { family: 6, w0: 0x2001_0002, w1: number, w2: random.below(2 ** 32), w3: 1 }
        : addressFromIPv4(0xc612_0000 + number)
    const sendsAt: number[] = []
    const host = { group, name, client: address(), sendsAt }
    life({
      random,
      send: (sending) => {
        if (sending.seenAt >= startsAt + this.days * daySeconds) return
        sendsAt.push(sending.seenAt)
        this.#messages.push({ host, evidence: evidenceOf(sending, address(), random) })
      },
    })
    sendsAt.sort((a, b) => a - b)
    this.hosts.push(host)
  }
}

/** A time of the given day. */
export function timeOf(day: number, random: Random): number {
  return startsAt + day * daySeconds + random.below(daySeconds)
}

function evidenceOf(
  { template, recipient, seenAt, addressee, returned }: Sending,
  client: Address,
  random: Random,
): Evidence {
  const { evidence, hasTo, hasAuthor } = template
  const content = random.digest()
  const { to = recipient, author = recipient } = addressee ?? {}
  return {
    ...evidence,
    client: evidence.client && client,
    recipient,
    content,
    returned: evidence.returned === evidence.content ? content : (returned ?? random.digest()),
    seenAt,
    addressed: { to: hasTo ? [to] : [], returnedAuthors: hasAuthor ? [author] : [] },
  }
}
