// What a running mirror says of itself over DNS: it has no control socket.
import { existsSync } from 'node:fs'
import type { Config } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { readStatus } from '../mirror/mirrored-zone.ts'
import { reachedAt } from '../nameserver/addresses.ts'
import { formatTimestamp } from '../quantity.ts'
import { answersTo, ask } from '../resolver/lookup.ts'
import { type CommandContext, type Json, print } from './command.ts'
import { formatColumns, formatUntil, styleFault } from './format.ts'
import { mirrorFile } from './options.ts'

export interface MirrorStatus {
  readonly zone: string
  readonly configuration: string
  readonly primary: string
  readonly file: string
  /** `other`: it answers, but neither as a mirror with a zone nor as one without. */
  readonly state: 'fresh' | 'stale' | 'no-zone' | 'other'
  /** Null if there is no zone, or if stale answers are withheld. */
  readonly serial: number | null
  readonly entries: number | null
  readonly generatedAt: string | null
  readonly validUntil: string | null
}

const timeoutMs = 4000
const servfail = 2

/** Throws OperationalError `server-unreachable` if no mirror answers. */
export async function printMirrorStatus(
  config: Config,
  context: CommandContext,
  options: Json,
): Promise<number> {
  const found = await askMirror(config)
  if (found === undefined) {
    const where = `no answer from ${ownAddress(config)}`
    throw new OperationalError('server-unreachable', `no server is running (${where})`)
  }
  return print(context, options, found, formatMirror)
}

/** Undefined if nothing answers at the first address in dns.listen. */
export async function askMirror(config: Config): Promise<MirrorStatus | undefined> {
  const { origin, primary, staleServfail } = config.zone
  const server = ownAddress(config)
  const file = mirrorFile(config)
  const base = { zone: origin, configuration: config.file, primary, file }
  const nothing = { serial: null, entries: null, generatedAt: null, validUntil: null }
  const name = `_status.${origin}`
  const [status, soa] = await Promise.all([
    ask({ server, name, type: 'TXT', timeoutMs }).catch(() => undefined),
    ask({ server, name: origin, type: 'SOA', timeoutMs }).catch(() => undefined),
  ])
  if (status === undefined || soa === undefined) return undefined
  if (status.header.rcode === servfail) {
    const isStale = staleServfail && existsSync(file)
    return { ...base, ...nothing, state: isStale ? 'stale' : 'no-zone' }
  }
  const [record] = answersTo(status, name, 'TXT').records
  const read = readStatus([record?.data].flat().join(''))
  if (read === undefined) return { ...base, ...nothing, state: 'other' }
  const { entries, generatedAt, validUntil } = read
  return {
    ...base,
    state: validUntil * 1000 < Date.now() ? 'stale' : 'fresh',
    serial: answersTo(soa, origin, 'SOA').records[0]?.serial ?? null,
    entries,
    generatedAt: formatTimestamp(generatedAt),
    validUntil: formatTimestamp(validUntil),
  }
}

function ownAddress({ dns: { listen } }: Config): string {
  return reachedAt(listen[0] ?? '')
}

const faults: Readonly<Record<MirrorStatus['state'], string | undefined>> = {
  fresh: undefined,
  stale: 'the zone is stale: nothing came from the primary in time; the log says why',
  'no-zone': 'no zone has come yet, so every question is answered with SERVFAIL; the log says why',
  other: 'another server answers there, or dns.access refuses this machine',
}

function formatMirror(status: MirrorStatus): string {
  const { zone, configuration, primary, file, state, serial, entries, validUntil } = status
  const fault = faults[state]
  const rows = [
    ['zone', zone],
    ['configuration', configuration],
    ['mirror of', primary],
    ['file', file],
  ]
  if (validUntil !== null) {
    rows.push(['serial', String(serial)])
    rows.push(['valid', formatUntil(validUntil, Date.now() / 1000)])
    rows.push(['entries', String(entries)])
  }
  return `${fault === undefined ? '' : `${styleFault('wrong')}  ${fault}\n\n`}${formatColumns(rows)}`
}
