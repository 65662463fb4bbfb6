// A bounce → whether the message that it returns was really ours. A signature of the trap's domain, or a tag that only we can
// make, proves that: the bounce is then genuine and lists nobody. Results of SPF, DKIM and DMARC are kept as evidence.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { getDomain } from 'tldts'
import type { Classification } from '../bounce/classify.ts'
import { allValues, readHeaderSection } from '../bounce/header-section.ts'
import type { Message } from '../bounce/message.ts'
import { returnedContent } from '../bounce/returned.ts'
import type { Resolved, ResolvedType } from '../resolver/resolver.ts'

export interface AuthenticityOptions {
  /** Rejects like node:dns/promises. If absent, results that need DNS are "unknown". */
  readonly resolver?: { resolve(name: string, type: ResolvedType): Promise<Resolved> }
  /** The secret of our own BATV tags. */
  readonly batvKey?: Uint8Array
  /** Whether our own mail servers gave that Message-ID, angle brackets and all. */
  isOurMessageId?(messageId: string): boolean
  /** Epoch seconds. */
  now(): number
  /** Results that are missing by then are "unknown", since an SMTP client waits for its 250. @default 2500 */
  readonly deadlineMs?: number
}

/** Results for the evidence; `unknown` if DNS gave no answer. */
interface Authenticity {
  /** Why it is a genuine bounce of a message of ours, or null. */
  readonly genuine: string | null
  /** Of the host that handed the returned message over, for the forged domain (RFC 7208 §2.6). */
  readonly spf?: string
  /** 'pass': for the trap's domain; 'other': in the name of another one alone, which proves nothing and is not checked. */
  readonly dkim?: string
  /** What the forged domain asks for (RFC 7489 §6.3), 'absent' when it asks for nothing. */
  readonly dmarcPolicy?: string
  /** The address that handed the returned message to the host that bounced it: the spoofer. */
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
  if (tagged !== undefined) return { genuine: 'its recipient carries our own BATV tag' }
  if (returned === null || !recipient.includes('@')) return { genuine: null }
  if (returned.messageId !== null && options.isOurMessageId?.(returned.messageId.trim())) {
    return { genuine: 'the message it returns bears a Message-ID of ours' }
  }
  const origin = returned.origin === null ? {} : { returnedOrigin: returned.origin }
  const { resolver } = options
  if (resolver === undefined) {
    return { genuine: null, spf: 'unknown', dkim: 'unknown', dmarcPolicy: 'unknown', ...origin }
  }
  const deadline = withDeadline(options.deadlineMs ?? 2500)
  try {
    // One after the other: the thread counts the processor time of whoever is not waiting for DNS.
    const dkim = await deadline.orUnknown(() => dkimOf(message, domain, resolver))
    const spfWord = await deadline.orUnknown(() => spfOf(returned.origin, domain, resolver))
    const dmarcPolicy = await deadline.orUnknown(() => dmarcPolicyOf(domain, resolver))
    const genuine =
      dkim === 'pass' ? 'the message it returns bears a valid DKIM signature of its domain' : null
    return { genuine, spf: spfWord, dkim, dmarcPolicy, ...origin }
  } finally {
    deadline.clear()
  }
}

/** Loaded when the first message is checked: where no resolver is configured, never. */
async function mailauth() {
  const [{ dkimVerify }, { dmarc }, { spf }] = await Promise.all([
    import('mailauth/lib/dkim/verify.js'),
    import('mailauth/lib/dmarc/index.js'),
    import('mailauth/lib/spf/index.js'),
  ])
  return { dkimVerify, dmarc, spf }
}

type Resolver = NonNullable<AuthenticityOptions['resolver']>

/** A resolver in the form that mailauth takes; its type leaves out MX. */
function asked(resolver: Resolver): (name: string, type: string) => Promise<string[]> {
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
    /** The word, or 'unknown' once the time is over or when the check itself fails. */
    orUnknown: (check: () => Promise<string>) =>
      isOver ? over : Promise.race([check().catch(() => 'unknown'), over]),
    clear: () => clearTimeout(timer),
  }
}

/** Real messages have fewer signatures; more would only keep us busy. */
const maxSignatures = 10

/**
 * mailauth unfolds a header section in a time that grows with the square of its lines, and trims with that of a run of
 * blanks. Real ones are far below these limits.
 */
const maxVerifiedBytes = 64 * 1024
const maxVerifiedLines = 1000
const blankRun = /[ \t\r\n]{500}/

function isVerifiable(headerSection: Uint8Array): boolean {
  if (headerSection.length > maxVerifiedBytes) return false
  const text = Buffer.from(headerSection).toString('latin1')
  return text.split('\n', maxVerifiedLines + 1).length <= maxVerifiedLines && !blankRun.test(text)
}

/** A returned message that is cut or has no body cannot be checked: it is neither genuine nor forged. */
async function dkimOf(message: Message, domain: string, resolver: Resolver): Promise<string> {
  const found = returnedContent(message)
  if (found === null) return 'unknown'
  const header = readHeaderSection(found.content)
  const signatures = allValues(header, 'dkim-signature')
  if (signatures.length === 0) return 'none'
  if (!found.isWhole || signatures.length > maxSignatures) return 'unknown'
  if (!isVerifiable(found.content.subarray(0, header.bodyStart))) return 'unknown'
  // Whoever forged the message may have signed it, with a key that nobody else asks for: to look that up would tell
  // him which of his forged addresses has somebody behind it who checks bounces.
  if (!signatures.some((signature) => isAligned(signerOf(signature), domain))) return 'other'
  const ask = asked(resolver)
  const { dkimVerify } = await mailauth()
  const { results } = await dkimVerify(withCrlf(found.content), {
    resolver: async (name, type) =>
      isAligned(name.replace(/^.*\._domainkey\./i, ''), domain) ? await ask(name, type) : [],
  })
  const verdicts = results.filter(
    ({ status, signingDomain }) =>
      // A signature over a part of the body does not vouch for the rest (RFC 6376 §8.2).
      isAligned(signingDomain, domain) && !('underSized' in status && status.underSized),
  )
  if (verdicts.some(({ status }) => status.result === 'pass')) return 'pass'
  return verdicts.some(({ status }) => status.result === 'temperror') ? 'unknown' : 'fail'
}

/**
 * The trap's domain signs itself, or one of the same organizational domain does: relaxed alignment (RFC 7489 §3.1.1,
 * §3.2). A registry's suffix, also one that a company runs for its customers, is nobody's domain.
 */
function isAligned(signing: string | undefined, domain: string): boolean {
  const signer = (signing ?? '').toLowerCase()
  if (signer === domain) return true
  const organization = getDomain(domain, { allowPrivateDomains: true })
  return organization !== null && getDomain(signer, { allowPrivateDomains: true }) === organization
}

/** The d= of a signature (RFC 6376 §3.5). */
function signerOf(signature: string): string {
  return /(?:^|;)\s*d\s*=\s*([^;\s]+)/i.exec(signature)?.[1] ?? ''
}

/**
 * For postmaster, as where no local part is known (RFC 7208 §4.3): a record with the macro %{l} has the local part asked for
 * in DNS, at whatever name servers that leads to. The name of the origin (mechanism ptr, macro %{p}) is never asked for: it
 * lies with whoever holds that address, often the forger, who can write another one into each message.
 */
async function spfOf(origin: string | null, domain: string, resolver: Resolver): Promise<string> {
  if (origin === null) return 'unknown'
  const ask = asked(resolver)
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

async function dmarcPolicyOf(domain: string, resolver: Resolver): Promise<string> {
  const { dmarc } = await mailauth()
  const found = await dmarc({
    headerFrom: [`postmaster@${domain}`],
    spfDomains: [],
    dkimDomains: [],
    resolver: asked(resolver),
  })
  if (found === false) return 'absent'
  if (found.status.result === 'temperror') return 'unknown'
  return typeof found.policy === 'string' ? found.policy : 'absent'
}

/** A tag is valid for about a week. One that ends later than this is not ours. */
const longestTagDays = 30
const secondsInDay = 86_400

/**
 * `prvs=KDDDSSSSSS=user@domain` (draft-levine-smtp-batv-01 §4): key number, the day modulo 1000 on which the tag ends,
 * and the first three octets of HMAC-SHA1 over both and the address itself.
 */
function isOurTag(recipient: string, { batvKey, now }: AuthenticityOptions): boolean {
  const match = /^prvs=(\d)(\d{3})([0-9a-f]{6})=(.+@.+)$/i.exec(recipient)
  if (batvKey === undefined || match === null) return false
  const [, key = '', day = '', hash = '', address = ''] = match
  const today = Math.floor(now() / secondsInDay) % 1000
  if ((Number(day) - today + 1000) % 1000 > longestTagDays) return false
  const mac = createHmac('sha1', batvKey).update(`${key}${day}${address}`).digest().subarray(0, 3)
  return timingSafeEqual(mac, Buffer.from(hash, 'hex'))
}

/** DKIM is computed over CRLF line ends (RFC 6376 §5.3); files have LF. */
function withCrlf(octets: Uint8Array): Buffer {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
  return Buffer.from(text.replaceAll(/\r?\n/g, '\r\n'), 'latin1')
}
