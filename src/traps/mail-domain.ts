// Asks DNS which records a host's domain publishes against forged senders: SPF, DKIM and DMARC. The questions hold the host's address
// and names alone, and only a page that somebody opens asks them.
import { getDomain } from 'tldts'
import { codeOf } from '../errors.ts'
import { type Address, unmapped } from '../ip/address.ts'
import type { NameResolver } from './authenticity.ts'
import { nameOf } from './host-facts.ts'

/** unknown: no server gave a usable answer in time. */
type Published = 'yes' | 'no' | 'several' | 'unknown'

export interface MailDomain {
  /** The host's verified name. */
  readonly name: string
  /** The organisational domain of that name. */
  readonly domain: string
  readonly spf: Published
  /** Whether there is any name below _domainkey. Which key is used only a message says. */
  readonly dkim: Published
  readonly dmarc: Published
}

interface MailDomainsOptions {
  readonly resolver: NameResolver
  /** The whole time for a page. @default 2500 */
  readonly deadlineMs?: number
  /** Milliseconds since any fixed moment. @default performance.now */
  now?(): number
}

/** Beyond this number of hosts under way nothing is asked. */
const maxUnderWay = 20
/**
 * What is known of a host is kept for so long, whatever the TTLs. The owner of its reverse zone chooses names of strangers and a
 * TTL of 0, so pages would else send as many questions to strangers as he likes.
 */
const keptMs = 60_000
/** With more hosts than this, the one that was asked about first is forgotten. */
const maxKept = 1000

interface Kept {
  readonly answer: MailDomain | undefined
  readonly until: number
}

export class MailDomains {
  readonly #options: Required<MailDomainsOptions>
  readonly #underWay = new Map<string, Promise<MailDomain | undefined>>()
  /** Insertion order is the order in which the answers came. */
  readonly #kept = new Map<string, Kept>()

  constructor(options: MailDomainsOptions) {
    this.#options = { deadlineMs: 2500, now: () => performance.now(), ...options }
  }

  /** Resolves with undefined if the host has no verified name, or if none is known in time. Never rejects. */
  async ask(address: Address): Promise<MailDomain | undefined> {
    const { deadlineMs, now } = this.#options
    const host = unmapped(address)
    const key = JSON.stringify(host)
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.until > now()) return kept.answer
    let asking = this.#underWay.get(key)
    if (asking === undefined) {
      if (this.#underWay.size >= maxUnderWay) return undefined
      asking = this.#askAndKeep(host, key).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, asking)
    }
    const { promise: over, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => resolve(undefined), deadlineMs)
    return await Promise.race([asking, over]).finally(() => clearTimeout(timer))
  }

  async #askAndKeep(host: Address, key: string): Promise<MailDomain | undefined> {
    const { resolver, now } = this.#options
    const answer = await askAbout(host, resolver)
    this.#kept.delete(key)
    const [first] = this.#kept.keys()
    if (first !== undefined && this.#kept.size >= maxKept) this.#kept.delete(first)
    this.#kept.set(key, { answer, until: now() + keptMs })
    return answer
  }
}

async function askAbout(host: Address, resolver: NameResolver): Promise<MailDomain | undefined> {
  const name = (await nameOf(host, resolver))?.name
  const domain = name && getDomain(name, { allowPrivateDomains: true })
  if (!name || !domain) return undefined
  const [spf, dkim, dmarc] = await Promise.all([
    recordsOf(domain, /^v=spf1( |$)/i, resolver),
    nameBelow(`_domainkey.${domain}`, resolver),
    recordsOf(`_dmarc.${domain}`, /^v=DMARC1\s*(;|$)/, resolver),
  ])
  return { name, domain, spf, dkim, dmarc }
}

/** Whether the name has exactly one TXT record of this form: more are an error (RFC 7208 §4.5, RFC 7489 §6.6.3). */
async function recordsOf(name: string, form: RegExp, resolver: NameResolver): Promise<Published> {
  try {
    const found = (await resolver.resolve(name, 'TXT')).filter((record) =>
      form.test(Array.isArray(record) ? record.join('') : ''),
    )
    if (found.length > 1) return 'several'
    return found.length === 1 ? 'yes' : 'no'
  } catch (error) {
    const code = codeOf(error)
    return code === 'ENOTFOUND' || code === 'ENODATA' ? 'no' : 'unknown'
  }
}

/** NXDOMAIN says that there is nothing below a name either (RFC 8020). Some servers wrongly give it for a name with names below. */
async function nameBelow(name: string, resolver: NameResolver): Promise<Published> {
  try {
    await resolver.resolve(name, 'TXT')
    return 'yes'
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENODATA') return 'yes'
    return code === 'ENOTFOUND' ? 'no' : 'unknown'
  }
}
