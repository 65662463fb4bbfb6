// Checks whether the message that a bounce returns was really ours. A DKIM signature of the trap's domain proves it, and so does
// a BATV tag or Message-ID that only we can make. The bounce is then genuine and lists nobody. The results of SPF, DKIM and DMARC
// are kept as evidence.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { getDomain } from 'tldts'
import type { Classification } from '../classify/classify.ts'
import { allValues } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'
import type { Resolved, ResolvedType } from '../resolver/resolver.ts'

/** Looks names up in DNS. Rejects like node:dns/promises. */
export interface NameResolver {
  resolve(name: string, type: ResolvedType): Promise<Resolved>
}

export interface AuthenticityOptions {
  /** Without it, each result that needs DNS is "unknown". */
  readonly resolver?: NameResolver | undefined
  /** The secret that signs our own BATV tags. */
  readonly batvKey?: Uint8Array | undefined
  /** Whether one of our own mail servers made this Message-ID; it is given with its angle brackets. */
  isOurMessageId?(messageId: string): boolean
  /** Epoch seconds. */
  now(): number
  /**
   * A result that is missing after this time is "unknown". It is short because an SMTP client waits for its reply. @default 2500
   */
  readonly deadlineMs?: number
}

/** Results for the evidence; `unknown` if DNS gave no answer. */
interface Authenticity {
  /** Why the bounce answers a message that we really sent, or null. */
  readonly genuine: string | null
  /** SPF result for the forged domain and the host that sent the returned message (RFC 7208 §2.6). */
  readonly spf?: string
  /** 'pass': signed by the trap's domain. 'other': signed only by other domains, which proves nothing and is not checked. */
  readonly dkim?: string
  /** The DMARC policy of the forged domain (RFC 7489 §6.3); 'absent' if it has none. */
  readonly dmarcPolicy?: string
  /** Address of the host that sent the returned message to the host that bounced it: the forger's. */
  readonly returnedOrigin?: string
}

/** Checks one message. Never throws, and never takes much longer than the deadline. */
export async function checkAuthenticity(
  message: Message,
  { kind, returned }: Classification,
  recipients: readonly string[],
  options: AuthenticityOptions,
): Promise<Authenticity> {
  if (kind === null) return { genuine: null }
  const tagged = recipients.find((each) => isOurTag(each, options))
  const recipient = recipients[0] ?? ''
  const domain = recipient.slice(recipient.lastIndexOf('@') + 1)
  if (tagged !== undefined) return { genuine: 'its recipient has our own BATV tag' }
  if (returned === null || !recipient.includes('@')) return { genuine: null }
  if (returned.messageId !== null && options.isOurMessageId?.(returned.messageId.trim())) {
    return { genuine: 'the returned message has one of our Message-IDs' }
  }
  const origin = returned.origin === null ? {} : { returnedOrigin: returned.origin }
  const { resolver } = options
  if (resolver === undefined) {
    return { genuine: null, spf: 'unknown', dkim: 'unknown', dmarcPolicy: 'unknown', ...origin }
  }
  const deadline = withDeadline(options.deadlineMs ?? 2500)
  try {
    // Run the checks one after the other: while one waits for DNS, the thread counts no processor time for this message.
    const dkim = await deadline.orUnknown(() => dkimOf(message, domain, resolver))
    const spfWord = await deadline.orUnknown(() => spfOf(returned.origin, domain, resolver))
    const dmarcPolicy = await deadline.orUnknown(() => dmarcPolicyOf(domain, resolver))
    const genuine =
      dkim === 'pass' ? 'the returned message has a valid DKIM signature of its domain' : null
    return { genuine, spf: spfWord, dkim, dmarcPolicy, ...origin }
  } finally {
    deadline.clear()
  }
}

/** Loads mailauth when the first message is checked; without a resolver it is never loaded. */
async function mailauth() {
  const [{ dkimVerify }, { dmarc }, { spf }] = await Promise.all([
    import('mailauth/lib/dkim/verify.js'),
    import('mailauth/lib/dmarc/index.js'),
    import('mailauth/lib/spf/index.js'),
  ])
  return { dkimVerify, dmarc, spf }
}

/** Wraps the resolver in the form that mailauth takes; mailauth's type leaves out MX. */
function forMailauth(resolver: NameResolver): (name: string, type: string) => Promise<string[]> {
  return async (name, type) => (await resolver.resolve(name, type as ResolvedType)) as string[]
}

function withDeadline(milliseconds: number) {
  const { promise: over, resolve } = Promise.withResolvers<string>()
  let isOver = false
  const timer = setTimeout(() => {
    isOver = true
    resolve('unknown')
  }, milliseconds)
  return {
    /** The result of the check; 'unknown' if the check fails or the time is over. */
    orUnknown: (check: () => Promise<string>) =>
      isOver ? over : Promise.race([check().catch(() => 'unknown'), over]),
    clear: () => clearTimeout(timer),
  }
}

/** Real messages have fewer signatures than this. */
const maxSignatures = 10

/**
 * A message over these limits is not verified: mailauth needs quadratic time to unfold header lines and to trim runs of blanks.
 * Real header sections are far below them.
 */
const maxVerifiedBytes = 64 * 1024
const maxVerifiedLines = 1000
const longestBlankRun = 500

function isVerifiable(content: Uint8Array): boolean {
  const text = Buffer.from(content.subarray(0, maxVerifiedBytes)).toString('latin1')
  const end = text.search(/\n\r?\n/)
  if (end < 0) return false
  const header = text.slice(0, end)
  return (
    header.split('\n', maxVerifiedLines + 1).length <= maxVerifiedLines &&
    header.split(/[^ \t\r\n]+/).every((blanks) => blanks.length < longestBlankRun)
  )
}

/** A returned message that is cut short or has no body cannot be checked: the result is 'unknown'. */
async function dkimOf(message: Message, domain: string, resolver: NameResolver): Promise<string> {
  const found = message.returned
  if (found === null) return 'unknown'
  const signatures = allValues(found.header, 'dkim-signature')
  if (signatures.length === 0) return 'none'
  if (!found.isWhole || signatures.length > maxSignatures) return 'unknown'
  if (!isVerifiable(found.content)) return 'unknown'
  // A forger may have signed the message with a key of his own domain, one key for each address. If we looked that key up, he
  // would learn which addresses have somebody who checks bounces.
  if (!signatures.some((signature) => isAligned(signerOf(signature), domain))) return 'other'
  const ask = forMailauth(resolver)
  const { dkimVerify } = await mailauth()
  const { results } = await dkimVerify(withCrlf(found.content), {
    resolver: async (name, type) =>
      isAligned(name.replace(/^.*\._domainkey\./i, ''), domain) ? await ask(name, type) : [],
  })
  const verdicts = results.filter(
    ({ status, signingDomain }) =>
      // A signature over a part of the body says nothing of the rest (RFC 6376 §8.2).
      isAligned(signingDomain, domain) && !('underSized' in status && status.underSized),
  )
  if (verdicts.some(({ status }) => status.result === 'pass')) return 'pass'
  return verdicts.some(({ status }) => status.result === 'temperror') ? 'unknown' : 'fail'
}

/**
 * Whether the signing domain is the trap's domain or belongs to the same organizational domain: relaxed alignment (RFC 7489
 * §3.1.1, §3.2). Two names under a public suffix do not belong together, also if a company runs the suffix for its customers.
 */
function isAligned(signing: string | undefined, domain: string): boolean {
  const signer = (signing ?? '').toLowerCase()
  if (signer === domain) return true
  const organization = getDomain(domain, { allowPrivateDomains: true })
  return organization !== null && getDomain(signer, { allowPrivateDomains: true }) === organization
}

/** The value of a signature's tag d=, its signing domain (RFC 6376 §3.5). */
function signerOf(signature: string): string {
  return /(?:^|;)\s*d\s*=\s*([^;\s]+)/i.exec(signature)?.[1] ?? ''
}

/**
 * Checks SPF for postmaster@, not for the trap's local part (RFC 7208 §4.3 does so if none is known). With the real local part,
 * a record with the macro %{l} would reveal it to other name servers. PTR records of the sending address (mechanism ptr, macro
 * %{p}) are never looked up either: the forger may run that zone and give each message its own name.
 */
async function spfOf(
  origin: string | null,
  domain: string,
  resolver: NameResolver,
): Promise<string> {
  if (origin === null) return 'unknown'
  const ask = forMailauth(resolver)
  let needsName = false
  const { spf } = await mailauth()
  const { status } = await spf({
    sender: `postmaster@${domain}`,
    ip: origin,
    helo: domain,
    mta: 'backscatterd',
    resolver: async (name, type) => {
      if (type !== 'PTR') return await ask(name, type)
      needsName = true
      return []
    },
  })
  const result = typeof status === 'object' ? status.result : 'unknown'
  return result === 'temperror' || needsName ? 'unknown' : result
}

async function dmarcPolicyOf(domain: string, resolver: NameResolver): Promise<string> {
  const { dmarc } = await mailauth()
  const found = await dmarc({
    headerFrom: [`postmaster@${domain}`],
    spfDomains: [],
    dkimDomains: [],
    resolver: forMailauth(resolver),
  })
  if (found === false) return 'absent'
  if (found.status.result === 'temperror') return 'unknown'
  return typeof found.policy === 'string' ? found.policy : 'absent'
}

/** A tag is valid for about a week. A tag that is valid for longer than this is not ours. */
const longestTagDays = 30
const secondsInDay = 86_400

/**
 * A tag is `prvs=KDDDSSSSSS=user@domain` (draft-levine-smtp-batv-01 §4). K is the key number. DDD is the day on which the tag
 * ends, modulo 1000. SSSSSS are the first three octets of HMAC-SHA1 over K, DDD and the address.
 */
function isOurTag(recipient: string, { batvKey, now }: AuthenticityOptions): boolean {
  const match = /^prvs=(\d)(\d{3})([0-9a-f]{6})=(.+@.+)$/is.exec(recipient)
  if (batvKey === undefined || match === null) return false
  const [, key = '', day = '', hash = '', address = ''] = match
  const today = Math.floor(now() / secondsInDay) % 1000
  if ((Number(day) - today + 1000) % 1000 > longestTagDays) return false
  const mac = createHmac('sha1', batvKey).update(`${key}${day}${address}`).digest().subarray(0, 3)
  return timingSafeEqual(mac, Buffer.from(hash, 'hex'))
}

/** DKIM signs CRLF line ends (RFC 6376 §5.3), but stored messages may have LF. */
function withCrlf(octets: Uint8Array): Buffer {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
  return Buffer.from(text.replaceAll(/\r?\n/g, '\r\n'), 'latin1')
}
