// Looks up names for us, only at the configured servers, behind a cache that keeps answers for their TTL. Answers and errors have
// the shape of node:dns/promises.
import { Packet } from 'dns2'
import { answersTo, ask, canonicalName } from './lookup.ts'

export type ResolvedType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'PTR' | 'TXT'

/** TXT: the strings of each record. MX: `{exchange, priority}`. Other types: the text of each record. */
export type Resolved = string[] | string[][] | { exchange: string; priority: number }[]

/**
 * ENOTFOUND: there is no such name. ENODATA: the name has no record of that type. EBADNAME: the name is not valid. ETIMEOUT,
 * ESERVFAIL, EREFUSED: no server gave a usable answer; the code tells what went wrong with the last one.
 */
export class ResolveError extends Error {
  readonly code: string

  constructor(code: string, name: string, type: string) {
    super(`${type} ${name}: ${code}`)
    this.name = 'ResolveError'
    this.code = code
  }
}

export interface ResolverOptions {
  /** `host:port` or `[v6]:port`, asked in this order. */
  readonly servers: readonly string[]
  /** The whole time for one server, retries and TCP included. @default 1000 */
  readonly timeoutMs?: number
  /** The most answers in the cache. If it is full, the answer that was used longest ago is removed. @default 10000 */
  readonly maxAnswers?: number
  /** The most memory for the cache, in octets. @default 16 MiB */
  readonly maxOctets?: number
  /** Milliseconds since any fixed moment. @default performance.now */
  now?(): number
}

type Outcome = { readonly value: Resolved } | { readonly code: string }

interface Kept {
  readonly outcome: Outcome
  readonly until: number
  /** Roughly how much memory the answer takes. */
  readonly octets: number
}

/** The longest time for which a negative answer is kept; the SOA may set less (RFC 2308 §5, §7). */
const longestNegativeSeconds = 900
const longestPositiveSeconds = 3600
const failureSeconds = 5

export class Resolver {
  readonly #options: Required<ResolverOptions>
  readonly #kept = new Map<string, Kept>()
  #keptOctets = 0
  readonly #asked = new Map<string, Promise<Outcome>>()

  constructor(options: ResolverOptions) {
    this.#options = {
      timeoutMs: 1000,
      maxAnswers: 10_000,
      maxOctets: 16 * 1024 ** 2,
      now: () => performance.now(),
      ...options,
    }
  }

  /** Looks up a name. Throws ResolveError. If the same question is asked twice at once, it is sent once. */
  async resolve(name: string, type: ResolvedType): Promise<Resolved> {
    const canonical = canonicalName(name)
    if (!isName(canonical)) throw new ResolveError('EBADNAME', name, type)
    const outcome = await this.#outcome(canonical, type)
    if ('code' in outcome) throw new ResolveError(outcome.code, name, type)
    return structuredClone(outcome.value)
  }

  async #outcome(name: string, type: ResolvedType): Promise<Outcome> {
    const { now } = this.#options
    const key = `${type} ${name}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      this.#forget(key, kept)
      if (kept.until > now()) {
        this.#keep(key, kept)
        return kept.outcome
      }
    }
    const asked = this.#asked.get(key)
    if (asked !== undefined) return await asked
    const asking = this.#ask(name, type)
      .then(({ outcome, seconds }) => {
        const octets = 2 * (key.length + JSON.stringify(outcome).length)
        this.#keep(key, { outcome, until: now() + seconds * 1000, octets })
        return outcome
      })
      .finally(() => this.#asked.delete(key))
    this.#asked.set(key, asking)
    return await asking
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.set(key, kept)
    this.#keptOctets += kept.octets
    const { maxAnswers, maxOctets } = this.#options
    for (const [oldestKey, oldest] of this.#kept) {
      if (this.#kept.size <= maxAnswers && this.#keptOctets <= maxOctets) return
      this.#forget(oldestKey, oldest)
    }
  }

  #forget(key: string, { octets }: Kept): void {
    this.#kept.delete(key)
    this.#keptOctets -= octets
  }

  /** Asks one server after another until one gives a usable answer, which may be a negative one. */
  async #ask(name: string, type: ResolvedType): Promise<{ outcome: Outcome; seconds: number }> {
    const { servers, timeoutMs } = this.#options
    let code = 'ETIMEOUT'
    for (const server of servers) {
      try {
        const response = await ask({ server, name, type, timeoutMs })
        const known = read(response, name, type)
        if (known !== undefined) return known
        code = response.header.rcode === Packet.RCODE.REFUSED ? 'EREFUSED' : 'ESERVFAIL'
      } catch {
        code = 'ETIMEOUT'
      }
    }
    return { outcome: { code }, seconds: failureSeconds }
  }
}

/** Whether the text fits into a domain name (RFC 1035 §2.3.4). No label may be empty: it would end the name early. */
function isName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= 253 &&
    name.split('.').every((label) => {
      const length = Buffer.byteLength(label)
      return length > 0 && length < 64
    })
  )
}

/**
 * Reads a response; undefined if its rcode is an error. The server is recursive, so it has followed aliases already (RFC 1034
 * §4.3.1).
 */
function read(
  response: Packet,
  name: string,
  type: ResolvedType,
): { outcome: Outcome; seconds: number } | undefined {
  const { rcode } = response.header
  if (rcode !== Packet.RCODE.NOERROR && rcode !== Packet.RCODE.NXDOMAIN) return undefined
  const { records, aliases, owner } = answersTo(response, name, type)
  if (records.length > 0) {
    const ttls = [...aliases, ...records].map(({ ttl }) => ttl)
    const seconds = Math.min(longestPositiveSeconds, ...ttls)
    return { outcome: { value: records.map((each) => valueIn(each, type)) as Resolved }, seconds }
  }
  const soa = response.authorities.find((record) => {
    const zone = canonicalName(record.name)
    const isAbove = zone === '' || `.${owner}`.endsWith(`.${zone}`)
    return record.type === Packet.TYPE.SOA && isAbove
  })
  const seconds = Math.min(longestNegativeSeconds, soa?.ttl ?? 0, soa?.minimum ?? 0)
  const code = rcode === Packet.RCODE.NXDOMAIN ? 'ENOTFOUND' : 'ENODATA'
  return { outcome: { code }, seconds }
}

function valueIn(record: Packet['answers'][number], type: ResolvedType) {
  switch (type) {
    case 'TXT':
      return [record.data].flat().map(String)
    case 'MX':
      return { exchange: String(record.exchange), priority: Number(record.priority) }
    case 'A':
    case 'AAAA':
      return String(record.address)
    default:
      return String(record.domain)
  }
}
