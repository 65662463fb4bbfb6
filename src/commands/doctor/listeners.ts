// Checks the addresses that the server listens on: whether they are free or held by it, whether its user may bind low ports,
// and what those that others reach offer without a key.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, isIPv6 } from 'node:net'
import type { Config } from '../../config/load.ts'
import { codeOf } from '../../errors.ts'
import { isLoopbackText } from '../../ip/address.ts'
import { parseListenAddress } from '../../nameserver/addresses.ts'
import { settings, words } from '../unit.ts'
import type { Finding, Installation } from './installation.ts'
import { holdersOf, type PortHolder } from './port-holder.ts'

export interface ListenPlace {
  /** The key of the configuration. */
  readonly key: 'dns.listen' | 'trapSmtp.listen' | 'admin.listen'
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
  /** HOST:PORT as it is configured. */
  readonly address: string
}

/** Every socket that the server opens. Those with port 0 take any free port and are left out. */
export function listenPlaces({ dns, trapSmtp, admin }: Config): ListenPlace[] {
  const place = (key: ListenPlace['key'], protocol: 'tcp' | 'udp') => (address: string) => {
    const { host, port } = parseListenAddress(address)
    return { key, protocol, host, port, address }
  }
  return [
    ...dns.listen.flatMap((each) => [
      place('dns.listen', 'udp')(each),
      place('dns.listen', 'tcp')(each),
    ]),
    ...(trapSmtp?.listen ?? []).map(place('trapSmtp.listen', 'tcp')),
    ...(admin ? [admin.listen] : []).map(place('admin.listen', 'tcp')),
  ].filter(({ port }) => port !== 0)
}

/** Run it as root if possible: only root may bind any port and sees who holds one. */
export async function checkListeners(installation: Installation): Promise<Finding[]> {
  const places = listenPlaces(installation.config)
  const findings: Finding[] = []
  for (const place of places) {
    const found = await checkPlace(place, installation)
    // One finding is enough for UDP and TCP of one address.
    const isKnown = findings.some(
      ({ check, mend }) => check === found?.check && mend === found.mend,
    )
    if (found !== undefined && !isKnown) findings.push(found)
  }
  return [...findings, ...offers(installation.config)]
}

async function checkPlace(
  place: ListenPlace,
  installation: Installation,
): Promise<Finding | undefined> {
  const { key, address, protocol, host, port } = place
  const { config, server, serverPid, isServerSilent, unit } = installation
  const code = await tryToBind(place)
  const restart = unit === undefined ? 'restart the server' : `systemctl restart ${unit.name}`
  const broken = { check: 'ports', level: 'broken' } as const
  if (code === 'EADDRINUSE') {
    const holders = holdersOf(protocol, host, port)
    const isOurs = holders.some(({ pid }) => pid === serverPid)
    const mayBeOurs = holders.length === 0 && (server !== undefined || isServerSilent)
    if (mayBeOurs || (isOurs && (server !== undefined || isServerSilent))) return undefined
    if (isOurs) {
      return {
        ...broken,
        what: `a server runs (process ${serverPid}), but its control socket ${config.control.socket} is gone`,
        why: 'No command can reach the server.',
        mend: restart,
      }
    }
    return {
      ...broken,
      what: `${key} ${address}: held by ${named(holders)}`,
      why: 'The server cannot listen there, so it does not start.',
      mend: stopOf(holders, `name other addresses in ${key} of ${config.file}`),
    }
  }
  if (code === 'EADDRNOTAVAIL') {
    return {
      ...broken,
      what: `${key} ${address}: this machine has no such address`,
      why: 'The server cannot listen there, so it does not start.',
      mend: `see the addresses with "ip -brief address", then edit ${key} in ${config.file}`,
    }
  }
  const isLow = port < firstOpenPort()
  // This user may not try, but the server may.
  if (code === 'EACCES' && isLow && mayBindLowPorts(installation)) return undefined
  if (isLow && !mayBindLowPorts(installation)) {
    return {
      ...broken,
      what: `${key} ${address}: ${installation.user.name} may not listen on a port below ${firstOpenPort()}`,
      why: 'Low ports need the capability CAP_NET_BIND_SERVICE, so the server does not start.',
      mend:
        unit === undefined
          ? 'run the server with data/backscatterd.service, which gives it this capability'
          : `systemctl edit ${unit.name}, add under [Service]: AmbientCapabilities=CAP_NET_BIND_SERVICE; then ${restart}`,
    }
  }
  if (server !== undefined && code === undefined) {
    return {
      check: 'ports',
      level: 'warning',
      what: `${key} ${address}: the running server does not listen there`,
      why: 'The configuration has changed since the server started.',
      mend: restart,
    }
  }
  if (code === undefined) return undefined
  return {
    ...broken,
    what: `${key} ${address}: cannot be bound (${code})`,
    why: 'The server cannot listen there, so it does not start.',
    mend: `edit ${key} in ${config.file}`,
  }
}

/** Binds the address for a moment. Returns the system's error code, or undefined if it worked. */
async function tryToBind({ protocol, host, port }: ListenPlace): Promise<string | undefined> {
  const ipv6Only = isIPv6(host)
  const socket =
    protocol === 'udp'
      ? createSocket({ type: ipv6Only ? 'udp6' : 'udp4', ipv6Only })
      : createServer()
  try {
    const listening = once(socket, 'listening')
    if ('bind' in socket) socket.bind({ address: host, port, exclusive: true })
    else socket.listen({ host, port, ipv6Only, exclusive: true })
    await listening
    const closed = once(socket, 'close')
    socket.close()
    await closed
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

function named(holders: readonly PortHolder[]): string {
  const [first] = holders
  return first === undefined ? 'another process' : `${first.program} (process ${first.pid})`
}

function stopOf([first]: readonly PortHolder[], otherwise: string): string {
  if (first === undefined) return `find the process with "ss -lntup", or ${otherwise}`
  if (first.program.startsWith('systemd-resolve')) return otherwise
  return `stop it (kill ${first.pid}, or systemctl stop its unit), or ${otherwise}`
}

/** The first port that every user may bind (ip_unprivileged_port_start in ip-sysctl). */
function firstOpenPort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
  } catch {
    return 1024
  }
}

const bindCapability = 'CAP_NET_BIND_SERVICE'

/** Whether the server, as its user, may bind them. A running server has done so. */
function mayBindLowPorts({ user, unit, server, isServerSilent }: Installation): boolean {
  if (user.uid === 0 || server !== undefined || isServerSilent) return true
  if (unit === undefined) return false
  const bounds = settings(unit, 'CapabilityBoundingSet')
  const isBounded = bounds.length > 0 && !bounds.join(' ').includes(bindCapability)
  return !isBounded && words(unit, 'AmbientCapabilities').includes(bindCapability)
}

/** Notes of what others are offered without a key. */
function offers(config: Config): Finding[] {
  const { dns, admin, file } = config
  const reached = listenPlaces(config).filter((place) => !isLoopbackText(place.host))
  const at = (key: ListenPlace['key']): string =>
    [...new Set(reached.filter((place) => place.key === key).map(({ address }) => address))].join(
      ', ',
    )
  const note = { check: 'offers', level: 'note' } as const
  const findings: Finding[] = []
  if (at('dns.listen') !== '') {
    const isLimited = dns.rateLimit.responsesPerSecond > 0
    const limit = isLimited ? 'with a rate limit' : 'without a rate limit'
    findings.push({
      ...note,
      what: `DNS on ${at('dns.listen')} answers everybody about the list, ${limit}`,
      why: isLimited
        ? 'A list is public; dns.access closes it to others.'
        : 'Answers to forged addresses can flood a victim; dns.access closes the list to others.',
      mend: isLimited ? 'none is needed' : `set dns.rateLimit.responsesPerSecond in ${file}`,
    })
  }
  if (at('trapSmtp.listen') !== '') {
    findings.push({
      ...note,
      what: `SMTP on ${at('trapSmtp.listen')} takes mail for traps from everybody`,
      why: 'It refuses all other mail and relays none.',
      mend: 'none is needed',
    })
  }
  if (at('admin.listen') !== '') {
    const removal = admin?.removal ? ', and the form to be removed' : ''
    findings.push({
      ...note,
      what: `HTTP on ${at('admin.listen')} offers everybody look-ups, notices and its description${removal}`,
      why: 'It is not encrypted: anybody on the network path can read the API keys.',
      mend: `set admin.listen to 127.0.0.1 in ${file}, and put a proxy with TLS in front`,
    })
  }
  return findings
}
