// Checks that mail to the trap domains finds its way here: each domain's MX records, and what answers at their addresses.
import type { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { parseTrapPattern } from '../../blocklist/traps.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { contains, parseAddress } from '../../ip/address.ts'
import { allItems } from '../client.ts'
import { checkedPrefix } from '../options.ts'
import type { Finding, Installation } from './installation.ts'
import { addressesOf, isPrivate, makeResolver } from './zone.ts'

const smtpPort = 25
const greetingMs = 5000

/** Run it as root: only root and the server's user may ask the running server for its traps. */
export async function checkTrapMail(installation: Installation): Promise<Finding[]> {
  if (isPrivate(installation)) return []
  const resolver = makeResolver(installation)
  const domains = await trapDomains(installation)
  const findings = await Promise.all(
    domains.map(async (domain) => await checkDomain(domain, installation, resolver)),
  )
  return findings.flat()
}

/** The domains of all traps. Patterns for subdomains name none, so they are left out. */
async function trapDomains({ config, server }: Installation): Promise<string[]> {
  const byHand =
    server === undefined ? [] : await allItems<{ pattern: string }>(server.client, '/v1/traps')
  const patterns = [
    ...config.trap.map(({ address }) => address),
    ...byHand.map(({ pattern }) => pattern),
  ]
  const domains = patterns.flatMap((pattern) => {
    const parsed = parseTrapPattern(pattern)
    return 'value' in parsed && !parsed.value.isSubdomains ? [parsed.value.domain] : []
  })
  return [...new Set(domains)]
}

async function checkDomain(
  domain: string,
  installation: Installation,
  resolver: Resolver,
): Promise<Finding[]> {
  const { config } = installation
  const found = { check: 'trap mail', level: 'broken' } as const
  const hosts = await mailHosts(domain, resolver)
  if ('why' in hosts) {
    const { why, isUnknown } = hosts
    return [
      {
        ...found,
        what: isUnknown
          ? `the MX record of ${domain} cannot be looked up (${why})`
          : `${domain} gets no mail: ${why}`,
        why: 'No bounce reaches the traps in this domain.',
        mend: isUnknown
          ? `see that this machine can look up names: dig MX ${domain}`
          : `add to the zone of ${domain}: ${domain}. MX 10 ${config.trapSmtp?.hostname ?? 'and the name of your mail host'}`,
      },
    ]
  }
  const names = hosts.value
  const addresses = (
    await Promise.all(names.map(async (host) => await addressesOf(host, resolver)))
  ).flat()
  if (addresses.length === 0) {
    return [
      {
        ...found,
        what: `${domain} gets no mail: ${names.join(', ')} has no address`,
        why: 'No bounce reaches the traps in this domain.',
        mend: `add to the zone of that name: ${names[0]}. A ADDRESS`,
      },
    ]
  }
  const local = addresses.filter(isOfThisMachine)
  if (local.length > 0)
    return (await Promise.all(local.map(async (each) => await checkPort(domain, each)))).flat()
  const { trapSmtp, mailbox } = config
  const relays = [...(trapSmtp?.proxies ?? []), ...(trapSmtp?.proxyProtocol ?? [])].map(
    checkedPrefix,
  )
  const isRelay = (address: string): boolean => {
    const parsed = parseAddress(address)
    return 'value' in parsed && relays.some((each) => contains(each, parsed.value))
  }
  if (trapSmtp === undefined || mailbox.length > 0 || addresses.some(isRelay)) return []
  return [
    {
      ...found,
      level: 'warning',
      what: `the mail of ${domain} goes to ${names.join(', ')} (${addresses.join(', ')}), which is not this machine`,
      why: 'The traps in this domain hear nothing, unless that host hands their mail over.',
      mend: `point the MX record of ${domain} at this machine; or name that host in trapSmtp.proxies, or read its mail with [[mailbox]]`,
    },
  ]
}

/** The hosts that take a domain's mail, or why there are none (RFC 5321 §5.1, RFC 7505). */
async function mailHosts(
  domain: string,
  resolver: Resolver,
): Promise<{ value: string[] } | { why: string; isUnknown?: true }> {
  const found = await resolver.resolveMx(domain).catch(codeOf)
  if (typeof found !== 'string') {
    const value = found
      .map(({ exchange }) => exchange)
      .filter((name) => name !== '' && name !== '.')
    return value.length > 0 ? { value } : { why: 'its MX record says so' }
  }
  if (found === 'ENOTFOUND') return { why: 'there is no such domain' }
  if (found !== 'ENODATA') return { why: found, isUnknown: true }
  const isHost = (await addressesOf(domain, resolver)).length > 0
  return isHost ? { value: [domain] } : { why: 'it has no MX record' }
}

function isOfThisMachine(address: string): boolean {
  return Object.values(networkInterfaces())
    .flat()
    .some((each) => each?.address === address)
}

async function checkPort(domain: string, address: string): Promise<Finding[]> {
  const problem = await greetingProblem(address)
  if (problem === undefined) return []
  return [
    {
      check: 'trap mail',
      level: 'broken',
      what: `the MX record of ${domain} leads to ${address}, where port ${smtpPort} does not greet: ${problem}`,
      why: 'No bounce reaches the traps in this domain.',
      mend: `let trapSmtp.listen name ${address}:${smtpPort}, or start your mail server there`,
    },
  ]
}

/** Undefined if a mail server greets there (RFC 5321 §3.1). */
async function greetingProblem(address: string): Promise<string | undefined> {
  const socket = connect({ host: address, port: smtpPort, timeout: greetingMs })
  socket.on('timeout', () => socket.destroy(new Error('no answer')))
  try {
    const [greeting] = await once(socket, 'data')
    return String(greeting).startsWith('220')
      ? undefined
      : `it says ${JSON.stringify(String(greeting).slice(0, 60))}`
  } catch (error) {
    return messageOf(error)
  } finally {
    socket.on('error', () => undefined).end('QUIT\r\n')
    socket.destroySoon()
  }
}
