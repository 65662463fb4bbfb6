// Asks DNS about a host: its verified name, the shared pool that the name belongs to, and whether a DNS whitelist has it.
// The questions hold the host's address and names alone, nothing of a message or a trap.
import type { HostFacts, HostQuestions } from '../classify/evidence.ts'
import { codeOf } from '../errors.ts'
import { type Address, parseAddress, sameAddress } from '../ip/address.ts'
import { canonicalName, queryName } from '../resolver/lookup.ts'
import type { Resolved, ResolvedType } from '../resolver/resolver.ts'
import type { NameResolver } from './authenticity.ts'
import { poolOf } from './shared-pools.ts'

/** Names of a host beyond these are not looked at: the owner of its reverse zone can give any number. */
const maxNames = 5

/**
 * Resolves with the answers, or with undefined if a question that matters has none: then nobody knows whether the host is a
 * member of something. Never rejects.
 */
export async function askAbout(
  { host, pools, whitelists }: HostQuestions,
  resolver: NameResolver,
): Promise<HostFacts | undefined> {
  const [named, whitelist] = await Promise.all([
    pools ? nameOf(host, resolver) : noName,
    whitelistOf(host, whitelists, resolver),
  ])
  const isMember = Boolean(named?.pool ?? whitelist)
  if (!isMember && (named === undefined || whitelist === undefined)) return undefined
  return { ...(named ?? noName), whitelist: whitelist ?? null }
}

type Named = Pick<HostFacts, 'name' | 'pool'>

const noName: Named = { name: null, pool: null }

/**
 * The host's verified name: one that its PTR records give and whose addresses include the host's (RFC 1912 §2.1, "iprev" of
 * RFC 8601 §3). Names of pools come first. undefined: unknown.
 */
export async function nameOf(host: Address, resolver: NameResolver): Promise<Named | undefined> {
  const reverseZone = host.family === 4 ? 'in-addr.arpa' : 'ip6.arpa'
  const found = await lookUp(resolver, queryName(host, reverseZone), 'PTR')
  if (found === undefined) return undefined
  const names = found.slice(0, maxNames).map(canonicalName).filter(isHostName)
  for (const name of names.toSorted((a, b) => Number(isOfPool(b)) - Number(isOfPool(a)))) {
    const addresses = await lookUp(resolver, name, host.family === 4 ? 'A' : 'AAAA')
    if (addresses?.some((text) => isAddress(text, host))) return { name, pool: poolOf(name) }
    if (addresses === undefined && isOfPool(name)) return undefined
  }
  return noName
}

function isOfPool(name: string): boolean {
  return poolOf(name) !== null
}

/** Whether a name has only the characters of a host name (RFC 1123 §2.1), or "_". */
function isHostName(name: string): boolean {
  return /^[a-z0-9_.-]{1,253}$/.test(name)
}

function isAddress(text: string, host: Address): boolean {
  const parsed = parseAddress(text)
  return 'value' in parsed && sameAddress(parsed.value, host)
}

/** The first whitelist that has the host (RFC 5782 §2.1, §2.4); null if none has it. undefined: unknown. */
async function whitelistOf(
  host: Address,
  whitelists: readonly string[],
  resolver: NameResolver,
): Promise<string | null | undefined> {
  let isUnknown = false
  for (const zone of whitelists) {
    const values = await lookUp(resolver, queryName(host, zone), 'A')
    if (values?.some(isEntry)) return zone
    isUnknown ||= values === undefined || values.some(isRefusal)
  }
  return isUnknown ? undefined : null
}

/** Whether the value of an A record says that the list has the host. Other values than 127/8 are no list's (RFC 5782 §2.1). */
function isEntry(value: string): boolean {
  return value.startsWith('127.') && !isRefusal(value)
}

/** Values by which large lists refuse to answer: 127.255.255.0/24, and 127.0.0.255 of dnswl.org. */
function isRefusal(value: string): boolean {
  return value === '127.0.0.255' || value.startsWith('127.255.255.')
}

const noSuchRecord = new Set<unknown>(['ENOTFOUND', 'ENODATA', 'EBADNAME'])

/** The records of a name, without a record an empty list. undefined if no server gave a usable answer. */
async function lookUp(
  resolver: NameResolver,
  name: string,
  type: ResolvedType,
): Promise<string[] | undefined> {
  try {
    return texts(await resolver.resolve(name, type))
  } catch (error) {
    return noSuchRecord.has(codeOf(error)) ? [] : undefined
  }
}

function texts(records: Resolved): string[] {
  return records.filter((each) => typeof each === 'string')
}
