// Checks that mail to the trap domains finds its way here: each domain's MX records, what answers at their addresses, and
// whether a mail server of this machine takes mail to the traps. It sends no mail.
import type { Resolver } from 'node:dns/promises'
import { connect } from 'node:net'
import { parseTrapPattern } from '../../blocklist/traps.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { contains, parseAddress } from '../../ip/address.ts'
import { allItems } from '../client.ts'
import { checkedPrefix } from '../options.ts'
import type { Finding, Installation } from './installation.ts'
import { listenPlaces } from './listeners.ts'
import { addressesOf, isOfThisMachine, isPrivate, makeResolver } from './zone.ts'

const smtpPort = 25
/** Postfix greets a stranger after 6 seconds (postscreen). */
const patienceMs = 10_000
/** A longer reply is no reply of SMTP. */
const maxReplyChars = 65_536
const notChecked = 'Whether bounces reach the traps in this domain was not checked.'

/** Run it as root: only root and the server's user may ask the running server for its traps. */
export async function checkTrapMail(installation: Installation): Promise<Finding[]> {
  if (isPrivate(installation)) return []
  const resolver = makeResolver(installation)
  const traps = await trapOfEachDomain(installation)
  const findings = await Promise.all(
    [...traps].map(
      async ([domain, trap]) => await checkDomain(domain, trap, installation, resolver),
    ),
  )
  return findings.flat()
}

/** Domain → address of a trap in it, for all traps. Patterns for subdomains name no domain, so they are left out. */
async function trapOfEachDomain({
  config,
  server,
}: Installation): Promise<ReadonlyMap<string, string>> {
  const byHand =
    server === undefined ? [] : await allItems<{ pattern: string }>(server.client, '/v1/traps')
  const patterns = [
    ...config.trap.map(({ address }) => address),
    ...byHand.map(({ pattern }) => pattern),
  ]
  const traps = patterns.flatMap((pattern) => {
    const parsed = parseTrapPattern(pattern)
    if (!('value' in parsed) || parsed.value.isSubdomains) return []
    const { localPart, domain } = parsed.value
    return [[domain, `${localPart ?? 'backscatterd-doctor'}@${domain}`] as const]
  })
  return new Map(traps)
}

async function checkDomain(
  domain: string,
  trap: string,
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
        why: isUnknown ? notChecked : 'No bounce reaches the traps in this domain.',
        mend: isUnknown
          ? `see that this machine can look up names: dig MX ${domain}`
          : `add to the zone of ${domain}: ${domain}. MX 10 ${config.trapSmtp?.hostname ?? 'and the name of your mail host'}`,
      },
    ]
  }
  const names = hosts.value
  const lookUps = await Promise.all(names.map(async (host) => await addressesOf(host, resolver)))
  const addresses = lookUps.flatMap((each) => (typeof each === 'string' ? [] : each))
  const failed = lookUps.findIndex((each) => typeof each === 'string')
  if (addresses.length === 0 && failed >= 0) {
    return [
      {
        ...found,
        what: `the address of ${names[failed]}, which takes the mail of ${domain}, cannot be looked up (${lookUps[failed]})`,
        why: notChecked,
        mend: `see that this machine can look up names: dig A ${names[failed]}`,
      },
    ]
  }
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
  const { trapSmtp, mailbox } = config
  if (local.length > 0) {
    // Our own listener knows its traps, and would take the question for a sender callout.
    const isOurs = trapSmtp !== undefined && !trapSmtp.lmtp
    const from = config.zone.nameservers[0] ?? 'localhost'
    const words = isOurs ? [] : [`HELO ${from}`, 'MAIL FROM:<>', `RCPT TO:<${trap}>`]
    const checks = local.map(async (each) => await checkPort(domain, each, words, installation))
    return (await Promise.all(checks)).flat()
  }
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
      why: 'The traps in this domain get no mail, unless that host hands their mail over.',
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
  const own = await addressesOf(domain, resolver)
  if (typeof own === 'string') return { why: own, isUnknown: true }
  return own.length > 0 ? { value: [domain] } : { why: 'it has no MX record' }
}

async function checkPort(
  domain: string,
  address: string,
  words: readonly string[],
  { config, server }: Installation,
): Promise<Finding[]> {
  const { replies, problem } = await converse(address, words)
  const [greeting] = replies
  if (greeting?.startsWith('220') !== true) {
    const isOurs = listenPlaces(config).some(
      ({ key, host, port }) =>
        key === 'trapSmtp.listen' && port === smtpPort && [address, '0.0.0.0', '::'].includes(host),
    )
    const said = greeting && `it says ${JSON.stringify(greeting.slice(0, 60))}`
    return [
      {
        check: 'trap mail',
        level: 'broken',
        what: `the MX record of ${domain} leads to ${address}, where port ${smtpPort} does not greet: ${said ?? problem}`,
        why: 'No bounce reaches the traps in this domain.',
        mend:
          isOurs && server === undefined
            ? 'start the server: trapSmtp.listen names this address'
            : `let trapSmtp.listen name ${address}:${smtpPort}, or start your mail server there`,
      },
    ]
  }
  const answer = replies[words.length]
  if (answer === undefined || words.length === 0) return []
  const isRelaying = /relay/i.test(answer)
  // Greylisting and the like (4yz) pass. Other refusals may be meant for this client alone.
  if (!isRelaying && !answer.startsWith('5')) return []
  return [
    {
      check: 'trap mail',
      level: isRelaying || /^55[013]/.test(answer) ? 'broken' : 'warning',
      what: `the mail server on ${address} refuses a bounce to a trap in ${domain}: ${reasonOf(answer)}`,
      why: 'Bounces to the traps in this domain do not reach it.',
      mend: `let it accept this mail; data/guide/traps.md has the lines for Postfix, with ${domain} in virtual_mailbox_domains`,
    },
  ]
}

/** A reply on one line, without the trap that it may repeat. */
function reasonOf(reply: string): string {
  return reply
    .replaceAll(/\r?\n\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} )?/g, ' ')
    .replaceAll(/<[^<>]*>:? ?/g, '')
    .slice(0, 200)
}

/**
 * Reads the greeting of a mail server, says one word after the other, and takes leave (RFC 5321 §3). It ends early with a reply
 * that is not positive. Resolves with the replies, the greeting first, and with what went wrong if the connection failed.
 */
async function converse(
  address: string,
  words: readonly string[],
): Promise<{ replies: string[]; problem: string }> {
  const replies: string[] = []
  const left = [...words]
  const socket = connect({ host: address, port: smtpPort, timeout: patienceMs })
  socket.setEncoding('latin1')
  socket.on('timeout', () => socket.destroy(new Error('no answer')))
  let received = ''
  try {
    for await (const chunk of socket) {
      if (socket.writableEnded) continue
      received += chunk
      const isReply = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/.test(received)
      const isNone = received.length > maxReplyChars || /^(?!\d{3})[^\n]*\n/.test(received)
      if (!isReply && !isNone) continue
      replies.push(received.trim())
      const word = /^[23]/.test(received) ? left.shift() : undefined
      received = ''
      if (word === undefined) socket.end('QUIT\r\n')
      else socket.write(`${word}\r\n`)
      if (isNone) break
    }
    return { replies, problem: 'it ends the connection' }
  } catch (error) {
    return { replies, problem: messageOf(error) }
  }
}
