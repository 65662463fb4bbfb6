// `status`: what a running server says of itself, with what is wrong first.
import { statSync } from 'node:fs'
import { faultsOf } from '../admin/faults.ts'
import type { ServerStatus } from '../admin/schemas/server.ts'
import type { Mailbox } from '../admin/schemas/traps.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { formatSize, formatTime } from '../quantity.ts'
import { expectDone, withServer } from './client.ts'
import { type CommandContext, type Json, print } from './command.ts'
import {
  formatColumns,
  formatTable,
  formatUntil,
  printable,
  roughDuration,
  styleFault,
} from './format.ts'
import { printMirrorStatus } from './mirror-status.ts'

const unread = 'changed after the server read it: “backscatterd reload” makes the server use it'

interface Status extends ServerStatus {
  readonly zone: string
  readonly configuration: string
  readonly database: string
}

/** Prints the state of the running server. Throws OperationalError `server-unreachable` if there is none. */
export async function status(context: CommandContext, options: Json): Promise<number> {
  const config = loadConfig(context)
  if (config.zone.primary !== '') return await printMirrorStatus(config, context, options)
  const stats = await askStatus(config)
  const named = {
    zone: config.zone.origin,
    configuration: config.file,
    database: config.store.path,
  }
  return print(context, options, { ...named, ...stats }, formatStatus)
}

/** Throws OperationalError `server-unreachable` if no server is running. */
export async function askStatus(config: Config): Promise<ServerStatus> {
  return await withServer(config, async (client) =>
    expectDone<ServerStatus>(await client.request('GET', '/v1/stats')),
  )
}

/** Whether the file was changed after the server read it, to the second. */
export function isChangedSinceRead(file: string, { configReadAt }: ServerStatus): boolean {
  const changedAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs
  if (configReadAt === undefined || changedAt === undefined) return false
  return Math.floor(changedAt / 1000) > Date.parse(configReadAt) / 1000
}

function formatStatus(stats: Status): string {
  const { entries, tree, zone, configuration, database } = stats
  const faults = faultsOf(stats, formatTime).map(({ what, remedy }) => {
    const sentence = remedy === '' ? what : `${what}; ${remedy}`
    return `${styleFault('wrong')}  ${printable(sentence)}\n`
  })
  const rows = [
    ['zone', zone],
    ['configuration', configuration],
    ...(isChangedSinceRead(configuration, stats) ? [['', unread]] : []),
    ['database', database],
    ['version', stats.version],
    ['up for', roughDuration(stats.uptimeSeconds)],
    ['serial', String(stats.serial)],
    ['valid', formatUntil(stats.validUntil, Date.now() / 1000)],
    ['entries', `${entries.ipv4} IPv4, ${entries.ipv6} IPv6`],
    ['tree', `${mebibytes(tree.usedBytes)} used of ${formatSize(tree.capacityBytes)}`],
    ['DNS workers', String(stats.workers)],
    ...dnsRows(stats),
    ...secondaryRows(stats),
  ]
  if (stats.queuedRemovals > 0) {
    const wait = stats.queuedRemovals === 1 ? '1 waits' : `${stats.queuedRemovals} wait`
    rows.push(['removals', `${wait} for a decision: see “backscatterd removals”`])
  }
  for (const { network, messages, spfFail } of stats.forgers.slice(0, 5)) {
    const sent = `${messages} ${messages === 1 ? 'message' : 'messages'} in a trap’s name`
    rows.push(['forgers', `${network}  ${sent}, ${spfFail} against SPF`])
  }
  const mailboxes = stats.mailboxes.length > 0 ? `\n${formatMailboxes(stats.mailboxes)}` : ''
  return [...faults, faults.length > 0 ? '\n' : '', formatColumns(rows), mailboxes].join('')
}

function dnsRows({ udp, dns }: Status): string[][] {
  const rows: string[][] = []
  if (udp) {
    const how = udp.transport === 'batch' ? 'in batches' : 'one by one'
    const buffer = `receive buffer ${mebibytes(udp.receiveBufferBytes)}`
    rows.push(['DNS datagrams', `${how}, ${buffer}, ${udp.dropped} dropped by the kernel`])
  }
  if (dns) {
    rows.push(['DNS queries', `${dns.queries.udp} UDP, ${dns.queries.tcp} TCP`])
    for (const [outcome, count] of Object.entries(dns.outcomes)) {
      const words = outcome.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
      if (count > 0) rows.push(['', `${count} ${words}`])
    }
  }
  return rows
}

function secondaryRows({ secondaries = [] }: Status): string[][] {
  return secondaries.map(({ address, state, answeredAt, answeredSerial }, index) => {
    const last =
      answeredAt === null ? '' : `, serial ${answeredSerial} at ${formatTime(answeredAt)}`
    const words = {
      ...{ waiting: 'no answer yet', ok: 'answers NOTIFY', refused: 'refuses NOTIFY' },
      silent: 'silent',
    }[state]
    return [index === 0 ? 'secondaries' : '', `${address}  ${words}${last}`]
  })
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

function formatMailboxes(mailboxes: readonly Mailbox[]): string {
  return formatTable(
    ['mailbox', 'type', 'state', 'last read', 'recorded', 'passed over', 'refused', 'unreadable'],
    mailboxes.map(
      ({ name, type, state, lastReadAt, recorded, passedOver, refused, unreadable }) => [
        printable(name),
        type,
        state === 'failing' ? styleFault(state) : state,
        lastReadAt === null ? 'never' : formatTime(lastReadAt),
        ...[recorded, passedOver, refused, unreadable].map(String),
      ],
    ),
    '',
  )
}
