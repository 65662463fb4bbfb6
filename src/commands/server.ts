// `status` shows the state of a running server. `backup` copies its database. `migrate` updates the database's schema.
import { resolve } from 'node:path'
import type { ServerStatus } from '../admin/schemas/server.ts'
import type { Mailbox } from '../admin/schemas/traps.ts'
import { loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'
import { expectDone, serverClient } from './client.ts'
import { type CommandContext, exitCodes, type Json, print } from './command.ts'
import { formatColumns, formatTime, formatUntil, printable, roughDuration } from './format.ts'

/** Prints the state of the running server. Throws OperationalError `server-unreachable` if there is none. */
export async function status(context: CommandContext, options: Json): Promise<number> {
  const config = loadConfig(context)
  const client = await serverClient(config)
  if (client === undefined) {
    const where = `nothing listens on ${config.control.socket}`
    throw new OperationalError('server-unreachable', `no server is running (${where})`)
  }
  const stats = expectDone<ServerStatus>(await client.request('GET', '/v1/stats'))
  await client.close()
  return print(context, options, stats, formatStatus)
}

function formatStatus(stats: ServerStatus): string {
  const { entries, tree, udp, dns, writeFailure, clockHeld } = stats
  const rows = [
    ['version', stats.version],
    ['up for', roughDuration(stats.uptimeSeconds)],
    ['serial', String(stats.serial)],
    ['valid', formatFreshness(stats.validUntil)],
  ]
  if (writeFailure) {
    rows.push(['database', `FAILS since ${writeFailure.since}: ${writeFailure.why}`])
  }
  if (clockHeld) {
    const { since, wallClock } = clockHeld
    rows.push([
      'clock',
      `HELD since ${since}: the wall clock jumped to ${wallClock}; SIGHUP confirms it`,
    ])
  }
  const full = tree.nearlyFull ? ', nearly full' : ''
  rows.push(
    ['entries', `${entries.ipv4} IPv4, ${entries.ipv6} IPv6`],
    ['tree', `${mebibytes(tree.usedBytes)} used of ${formatSize(tree.capacityBytes)}${full}`],
    ['DNS workers', String(stats.workers)],
  )
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
  if (stats.queuedRemovals > 0) {
    const wait = stats.queuedRemovals === 1 ? '1 waits' : `${stats.queuedRemovals} wait`
    rows.push(['removals', `${wait} for a decision: see /v1/removals`])
  }
  for (const { network, messages, spfFail } of stats.forgers.slice(0, 5)) {
    rows.push(['forges traps', `${network}  ${messages} messages, ${spfFail} against SPF`])
  }
  for (const mailbox of stats.mailboxes) rows.push(['mailbox', formatMailbox(mailbox)])
  return formatColumns(rows)
}

/** Until when the published list counts as fresh, or since when it is stale. */
function formatFreshness(validUntil: string): string {
  const now = Date.now() / 1000
  return now < Date.parse(validUntil) / 1000
    ? formatUntil(validUntil, now)
    : `STALE since ${formatTime(validUntil)}: nothing was published within zone.validFor; the log says why`
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

/** `name  key value, key value`. */
function formatMailbox({ name, ...facts }: Mailbox): string {
  const known = Object.entries(facts).filter(([, value]) => value !== null)
  return printable(`${name}  ${known.map(([key, value]) => `${key} ${value}`).join(', ')}`)
}

/** Makes a consistent copy of the database. A server may be running meanwhile. */
export async function backup(context: CommandContext, file: string): Promise<number> {
  const { store } = loadConfig(context)
  const { backupDatabase } = await import('../store/backup.ts')
  backupDatabase(store.path, resolve(context.cwd, file))
  context.write(`${store.path} has been copied to ${file}.\n`)
  return exitCodes.done
}

/** Opens the database, which migrates it. Throws OperationalError `database-locked` while a server is running. */
export async function migrate(context: CommandContext): Promise<number> {
  const { store } = loadConfig(context)
  const { openStore } = await import('../store/database.ts')
  const { schemaVersion } = await import('../store/migrate.ts')
  openStore(store.path).close()
  context.write(`${store.path} has schema version ${schemaVersion}.\n`)
  return exitCodes.done
}
