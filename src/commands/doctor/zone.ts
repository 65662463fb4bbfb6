// Checks what others see of the zone: that it is delegated, that each name server answers for it, and that the link in the TXT
// answer leads to a page.
import { Resolver } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Config } from '../../config/load.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { isLoopbackText } from '../../ip/address.ts'
import { answersTo, ask, canonicalName } from '../../resolver/lookup.ts'
import type { Finding, Installation } from './installation.ts'
import { listenPlaces } from './listeners.ts'

const timeoutMs = 4000
const linkTimeoutMs = 10_000
const dnsPort = 53
const refused = 5
/** NOERROR and NXDOMAIN. Any other code says nothing of the zone. */
const usableCodes: readonly number[] = [0, 3]
/** An address that every list answers as listed (RFC 5782 §5). */
const testEntry = '127.0.0.2'

/** Asks `resolver.servers`, else the resolver of this machine. */
export function makeResolver({ config }: Installation): Resolver {
  // The second try waits twice as long.
  const resolver = new Resolver({ timeout: timeoutMs / 2, tries: 2 })
  if (config.resolver.servers.length > 0) resolver.setServers(config.resolver.servers)
  return resolver
}

/** Whether the list is for this machine alone: DNS listens on loopback addresses only. */
export function isPrivate({ config }: Installation): boolean {
  const places = listenPlaces(config).filter(({ key }) => key === 'dns.listen')
  return places.every(({ host }) => isLoopbackText(host))
}

export async function checkZone(installation: Installation): Promise<Finding[]> {
  if (isPrivate(installation)) {
    return [
      {
        check: 'zone',
        level: 'note',
        what: 'DNS listens on loopback only, so only this machine can ask',
        why: 'Delegation, MX records and the link in the TXT answer were not checked.',
        mend: `to publish the list, name public addresses in dns.listen of ${installation.config.file}`,
      },
    ]
  }
  const resolver = makeResolver(installation)
  const [delegation, link] = await Promise.all([
    checkDelegation(installation, resolver),
    checkLink(installation),
  ])
  return [...delegation, ...link]
}

async function checkDelegation(installation: Installation, resolver: Resolver): Promise<Finding[]> {
  const { origin, nameservers } = installation.config.zone
  const wanted = nameservers.map(canonicalName)
  const records = wanted.map((name) => `${origin}. NS ${name}.`).join(', ')
  const names = await delegatedTo(origin, resolver)
  if (typeof names === 'string' || names.length === 0) {
    return [
      {
        check: 'delegation',
        level: 'broken',
        what:
          typeof names === 'string'
            ? `the delegation of ${origin} cannot be looked up (${names})`
            : `${origin} is not delegated: its parent zone has no NS record for it`,
        why:
          typeof names === 'string'
            ? 'Whether mail servers find the list was not checked.'
            : 'No mail server finds the list.',
        mend:
          typeof names === 'string'
            ? `see that this machine can look up names: dig +trace NS ${origin}`
            : `add to the parent zone: ${records}`,
      },
    ]
  }
  const differing = wanted
    .filter((name) => !names.includes(name))
    .concat(names.filter((name) => !wanted.includes(name)))
  const findings: Finding[] = []
  if (differing.length > 0) {
    findings.push({
      check: 'delegation',
      level: 'warning',
      what: `${origin} has the name servers ${names.join(', ')}, but zone.nameservers names ${wanted.join(', ')}`,
      why: 'Resolvers ask servers that may not know the zone, or miss one that does.',
      mend: `have the parent zone say: ${records}; or edit zone.nameservers`,
    })
  }
  const servers = [...new Set([...wanted, ...names])]
  const answers = await Promise.all(
    servers.map(async (name) => await checkNameserver(name, installation, resolver)),
  )
  return [...findings, ...answers.flat()]
}

/**
 * The name servers that the parent zone names for the zone; none if it names none. Asks the parent's own servers at once, since
 * a resolver tells what the zone says of itself (RFC 2181 §5.4.1). Returns an error code if none of them answers.
 */
async function delegatedTo(origin: string, resolver: Resolver): Promise<string[] | string> {
  let parents: string[] = []
  let parent = origin
  while (parents.length === 0 && parent !== '') {
    parent = parent.split('.').slice(1).join('.')
    const found = await resolver.resolveNs(parent).catch(codeOf)
    // A resolver that is silent once is not asked again and again.
    if (found === 'ETIMEOUT') return found
    if (typeof found !== 'string') parents = found
  }
  const asked = parents.map(async (name) => await askParent(name, origin, resolver))
  try {
    return await Promise.any(asked)
  } catch {
    const found = await resolver.resolveNs(origin).catch(codeOf)
    return typeof found === 'string' ? found : found.map(canonicalName)
  }
}

/** The name servers that this server of the parent zone names for the zone. Throws if it says nothing of the zone. */
async function askParent(name: string, origin: string, resolver: Resolver): Promise<string[]> {
  const asked = (await resolver.resolve4(name)).map(async (address) => {
    const server = `${address}:${dnsPort}`
    const question = { server, name: origin, type: 'NS', timeoutMs } as const
    const { header, answers, authorities } = await ask(question)
    if (!usableCodes.includes(header.rcode)) throw new Error(`rcode ${header.rcode}`)
    const records = [...answers, ...authorities]
    const own = records.filter((each) => canonicalName(each.name) === canonicalName(origin))
    return own.flatMap(({ ns }) => (ns === undefined ? [] : [canonicalName(ns)]))
  })
  return await Promise.any(asked)
}

async function checkNameserver(
  name: string,
  installation: Installation,
  resolver: Resolver,
): Promise<Finding[]> {
  const addresses = await addressesOf(name, resolver)
  const isInside = name.endsWith(`.${canonicalName(installation.config.zone.origin)}`)
  if (typeof addresses === 'string') return await withoutLookUp(name, addresses, installation)
  if (addresses.length === 0) {
    return [
      {
        check: 'name server',
        level: 'broken',
        what: `${name} has no address`,
        why: 'Nobody can ask this name server.',
        mend: isInside
          ? `give its address in zone.records and in the parent zone: ${name}. A ADDRESS`
          : `add to the zone of that name: ${name}. A ADDRESS`,
      },
    ]
  }
  const reachable = addresses.filter((address) => !isIPv6(address) || hasIPv6())
  const answers = await Promise.all(
    reachable.map(async (each) => await askForZone(name, each, installation)),
  )
  return answers.flat()
}

/**
 * A name server whose address cannot be looked up (`failure`). If its name lies in the zone itself, we know the address, and a
 * resolver that has met it silent does not ask it again for some time.
 */
async function withoutLookUp(
  name: string,
  failure: string,
  installation: Installation,
): Promise<Finding[]> {
  const known = knownAddresses(installation.config.zone, name)
  const answers = await Promise.all(known.map((each) => askForZone(name, each, installation)))
  if (answers.flat().length > 0) return answers.flat()
  const isAnswering = known.length > 0
  return [
    {
      check: 'name server',
      level: isAnswering ? 'warning' : 'broken',
      what: `the address of ${name} cannot be looked up (${failure})${isAnswering ? `, but it answers on ${known.join(', ')}` : ''}`,
      why: isAnswering
        ? 'A resolver that found it silent waits before it asks again.'
        : 'Nobody can ask this name server.',
      mend: `${isAnswering ? 'if it was down, wait a minute; otherwise ' : ''}see what resolvers see: dig +trace A ${name}`,
    },
  ]
}

/** The addresses that zone.records gives a name. */
function knownAddresses({ origin, records }: Config['zone'], name: string): string[] {
  return records.flatMap((record) => {
    const fields = record.trim().split(/\s+/)
    const [owner = '', type = '', address = ''] = [fields[0], fields.at(-2), fields.at(-1)]
    const full = owner === '@' ? origin : owner.endsWith('.') ? owner : `${owner}.${origin}`
    return /^A(AAA)?$/i.test(type) && canonicalName(full) === name ? [address] : []
  })
}

async function askForZone(
  name: string,
  address: string,
  { config, server }: Installation,
): Promise<Finding[]> {
  const { origin } = config.zone
  const host = isIPv6(address) ? `[${address}]` : address
  const found = { check: 'name server', level: 'broken' } as const
  const test = `dig @${address} SOA ${origin}`
  try {
    const answer = await ask({ server: `${host}:${dnsPort}`, name: origin, type: 'SOA', timeoutMs })
    const serial = answersTo(answer, origin, 'SOA').records[0]?.serial
    if (serial === undefined || answer.header.aa !== 1) {
      const isRefused = answer.header.rcode === refused
      return [
        {
          ...found,
          what: `${name} (${address}) does not serve ${origin}${isRefused ? ': it refuses' : ''}`,
          why: 'Resolvers that ask it get no answer about the list.',
          mend: `start backscatterd with this zone there, or remove its NS record; see: ${test}`,
        },
      ]
    }
    if (server === undefined || serial === server.status.serial) return []
    // Our own serial may have changed since it was asked for.
    if (serial > server.status.serial && isOfThisMachine(address)) return []
    return [
      {
        check: 'name server',
        level: 'note',
        what: `${name} (${address}) has serial ${serial}, ours is ${server.status.serial}`,
        why: 'It gets the list in another way, or it is behind.',
        mend: `if it should be the same, look at how it gets the list; see: ${test}`,
      },
    ]
  } catch (error) {
    return [
      {
        ...found,
        what: `${name} (${address}) does not answer: ${messageOf(error)}`,
        why: 'Resolvers that ask it wait for nothing before they ask another one.',
        mend: `open port ${dnsPort} (UDP and TCP) in the firewall, and see that the server runs: ${test}`,
      },
    ]
  }
}

/** The IPv4 and IPv6 addresses of a name. An error code if none was found and it is not certain that there is none. */
export async function addressesOf(name: string, resolver: Resolver): Promise<string[] | string> {
  const found = await Promise.all([
    resolver.resolve4(name).catch(codeOf),
    resolver.resolve6(name).catch(codeOf),
  ])
  const addresses = found.flatMap((each) => (typeof each === 'string' ? [] : each))
  const failure = found.find(
    (each) => typeof each === 'string' && each !== 'ENOTFOUND' && each !== 'ENODATA',
  )
  return addresses.length === 0 && typeof failure === 'string' ? failure : addresses
}

export function isOfThisMachine(address: string): boolean {
  return Object.values(networkInterfaces())
    .flat()
    .some((each) => each?.address === address)
}

/** Whether this machine has an IPv6 address that leads beyond its own network. */
function hasIPv6(): boolean {
  const addresses = Object.values(networkInterfaces()).flat()
  return addresses.some(
    (each) =>
      each?.family === 'IPv6' && !each.address.startsWith('fe80:') && each.address !== '::1',
  )
}

async function checkLink({ config }: Installation): Promise<Finding[]> {
  const [link] = /https?:\/\/[^\s"<>]+/.exec(config.zone.text.replaceAll('{ip}', testEntry)) ?? []
  if (link === undefined) return []
  const problem = await linkProblem(link, linkTimeoutMs)
  if (problem === undefined) return []
  return [
    {
      check: 'TXT link',
      level: 'warning',
      what: `${link}: ${problem}`,
      why: 'Everybody whose mail is refused is sent to this page.',
      mend: `let the web server pass the requests for this page on to admin.listen, or name another page in zone.text of ${config.file}`,
    },
  ]
}

/** What is wrong with the page, as the end of a sentence; undefined if it answers within `limitMs`. */
export async function linkProblem(link: string, limitMs: number): Promise<string | undefined> {
  try {
    const response = await fetch(link, { signal: AbortSignal.timeout(limitMs) })
    await response.body?.cancel()
    return response.status < 400 ? undefined : `answers ${response.status}`
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return messageOf(cause)
  }
}
