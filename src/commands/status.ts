// `status`: what a running server says of itself. Without one: exit code 1.
import { loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'
import { expectDone, serverClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson } from './context.ts'
import { formatColumns, formatTime, formatUntil, printable, roughDuration } from './format.ts'

/** The answer of /v1/stats. */
interface Stats {
  readonly version: string
  readonly serial: number
  /** RFC 3339: the list that DNS answers from is fresh until then. */
  readonly validUntil: string
  readonly entries: { readonly ipv4: number; readonly ipv6: number; readonly domains: number }
  readonly workers: number
  readonly uptimeSeconds: number
  readonly writeFailure?: { readonly since: string; readonly why: string }
  readonly clockHeld?: { readonly since: string; readonly wallClock: string }
  readonly udp?: {
    readonly transport: string
    readonly receiveBufferBytes: number
    readonly dropped: number
  }
  readonly tree: {
    readonly usedBytes: number
    readonly capacityBytes: number
    readonly nearlyFull?: boolean
  }
  readonly dns?: {
    readonly queries: { readonly udp: number; readonly tcp: number }
    readonly outcomes: Readonly<Record<string, number>>
  }
  readonly forgers: readonly { network: string; messages: number; spfFail: number }[]
  readonly mailboxes: readonly Readonly<Record<string, unknown>>[]
}

export async function status(
  context: CommandContext,
  options: { readonly json?: true },
): Promise<number> {
  const config = loadConfig(context)
  const client = await serverClient(config)
  if (client === undefined) {
    const where = `nothing listens on ${config.control.socket}`
    throw new OperationalError('server-unreachable', `no server is running (${where})`)
  }
  const stats = expectDone(await client.request('GET', '/v1/stats')) as Stats
  await client.close()
  if (options.json) {
    writeJson(context, stats)
    return exitCodes.done
  }
  const { entries, tree, udp } = stats
  const rows = [
    ['version', stats.version],
    ['up for', roughDuration(stats.uptimeSeconds)],
    ['serial', String(stats.serial)],
    ['valid', validLine(stats.validUntil, Date.now() / 1000)],
    ...troubleRows(stats),
    ['entries', `${entries.ipv4} IPv4, ${entries.ipv6} IPv6`],
    [
      'tree',
      `${mebibytes(tree.usedBytes)} used of ${formatSize(tree.capacityBytes)}${tree.nearlyFull ? ', nearly full' : ''}`,
    ],
    ['DNS workers', String(stats.workers)],
    ...(udp === undefined ? [] : [['DNS datagrams', datagramsLine(udp)]]),
    ...(stats.dns === undefined ? [] : dnsRows(stats.dns)),
    ...stats.forgers
      .slice(0, 5)
      .map(({ network, messages, spfFail }) => [
        'forges traps',
        `${network}  ${messages} messages, ${spfFail} against SPF`,
      ]),
    ...stats.mailboxes.map((mailbox) => ['mailbox', mailboxLine(mailbox)]),
  ]
  context.write(formatColumns(rows))
  return exitCodes.done
}

/** What an operator has to know first; none: all is well. */
function troubleRows({ writeFailure, clockHeld }: Stats): string[][] {
  return [
    ...(writeFailure
      ? [['database', `FAILS since ${writeFailure.since}: ${writeFailure.why}`]]
      : []),
    ...(clockHeld
      ? [
          [
            'clock',
            `HELD since ${clockHeld.since}: the wall clock jumped to ${clockHeld.wallClock}; SIGHUP confirms it`,
          ],
        ]
      : []),
  ]
}

/** Until when the published list counts as fresh, or that it is stale; `now` is in epoch seconds. */
function validLine(validUntil: string, now: number): string {
  const late = Math.floor(now - Date.parse(validUntil) / 1000)
  return late < 0
    ? formatUntil(validUntil, now)
    : `STALE since ${formatTime(validUntil)}: nothing was published for longer than zone.validFor; the log says why`
}

function datagramsLine(udp: NonNullable<Stats['udp']>): string {
  const how = udp.transport === 'batch' ? 'in batches' : 'one by one'
  const buffer = `receive buffer ${mebibytes(udp.receiveBufferBytes)}`
  return `${how}, ${buffer}, ${udp.dropped} dropped by the kernel`
}

/** Questions by transport, and what became of them; what never happened is left out. */
function dnsRows({ queries, outcomes }: NonNullable<Stats['dns']>): string[][] {
  const happened = Object.entries(outcomes).filter(([, count]) => count > 0)
  const words = (name: string): string =>
    name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return [
    ['DNS queries', `${queries.udp} UDP, ${queries.tcp} TCP`],
    ...happened.map(([name, count]) => ['', `${count} ${words(name)}`]),
  ]
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

/** `name  key value, key value`: mailboxes of different kinds say different things. */
function mailboxLine({ name, ...facts }: Readonly<Record<string, unknown>>): string {
  const known = Object.entries(facts).filter(([, value]) => value !== null)
  const parts = known.map(
    ([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return printable(`${String(name)}  ${parts.join(', ')}`)
}
