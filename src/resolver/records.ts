// The configured zone → its own records in wire form: SOA, NS and zone.records. dns2 encodes them.
import { createHash } from 'node:crypto'
import { Packet } from 'dns2'
import { OperationalError } from '../errors.ts'
import { type PresentedRecord, parseName, parseRecord } from './presentation.ts'

export interface ZoneOptions {
  readonly origin: string
  /** At least one; the first is the primary in the SOA. */
  readonly nameservers: readonly string[]
  /** Mailbox of the zone's administrator, with a dot in place of the @ (RFC 1035 §3.3.13). */
  readonly hostmaster: string
  /** The zone's own records in presentation form. Owners are relative to the origin unless they end in a dot. */
  readonly records: readonly string[]
  readonly ttlSeconds: number
  readonly negativeTtlSeconds: number
  readonly text: string
  readonly retired: boolean
}

/** SOA timers in seconds: when a secondary asks for changes, when it asks again after a failure, when it gives up the zone. */
const refreshSeconds = 900
const retrySeconds = 300
const expireSeconds = 604_800

const retiredText =
  'This list is retired and lists nobody: please take it out of your configuration.'

/**
 * Encodes the zone, in the shape of dns/'s ZoneData. Throws OperationalError 'record-invalid' naming the record and what is
 * wrong with it: it is malformed; its type is not supported; it is outside the zone; it is at or under the name of an address
 * or of `_status`, which the server answers itself; it stands beside a CNAME; or its TTL differs from others of its RRset.
 */
export function encodeZone(options: ZoneOptions) {
  const { ttlSeconds: ttl, negativeTtlSeconds: negativeTtl, text, retired } = options
  const { origin, primary, nameservers, admin } = readNames(options)
  const serials = { serial: 0, refresh: refreshSeconds, retry: retrySeconds }
  const timers = { ...serials, expiration: expireSeconds, minimum: negativeTtl }
  const own = readRecords(options.records, origin)
  const records = [
    encode(origin, ttl, { type: 'SOA', primary, admin, ...timers }),
    ...nameservers.map((ns) => encode(origin, ttl, { type: 'NS', ns })),
    ...(retired ? [encode(origin, ttl, { type: 'TXT', data: [Buffer.from(retiredText)] })] : []),
    ...own.map((record) => encode(record.owner, record.ttl ?? ttl, record.data)),
  ]
  const wireOrigin = records[0]?.owner ?? new Uint8Array()
  return { origin: wireOrigin, records, ttl, negativeTtl, text, retired }
}

/**
 * Encodes the catalog zone `name`, whose only member is the zone in `options` (RFC 9432 §4). Throws as `encodeZone` does for
 * names.
 */
export function encodeCatalog(name: string, options: ZoneOptions) {
  const { origin } = readNames(options)
  // A zone keeps its label for ever: with a new one, secondaries would throw the zone away and fetch it again (RFC 9432 §5.4).
  const label = createHash('sha256').update(origin).digest('hex').slice(0, 32)
  const records = ['version TXT 2', `${label}.zones PTR ${origin}.`]
  const nameservers = ['invalid']
  return encodeZone({ ...options, origin: name, nameservers, records, text: '', retired: false })
}

/**
 * The lines of a zone file (RFC 1035 §5.1) before the entries: what `encodeZone` encodes, under this serial. Throws as
 * `encodeZone` does for names.
 */
export function zoneFileHead(options: ZoneOptions, serial: number): string {
  const { ttlSeconds, negativeTtlSeconds, records, retired } = options
  const { origin, primary, nameservers, admin } = readNames(options)
  const timers = [serial, refreshSeconds, retrySeconds, expireSeconds, negativeTtlSeconds]
  const lines = [
    `$ORIGIN ${origin}.`,
    `$TTL ${ttlSeconds}`,
    `@ SOA ${primary}. ${admin}. ${timers.join(' ')}`,
    ...nameservers.map((name) => `@ NS ${name}.`),
    ...(retired ? [`@ TXT "${retiredText}"`] : []),
    ...records,
  ]
  return `${lines.join('\n')}\n`
}

/** The names in `options`, absolute and without the final dot; each name server once, in lower case. */
function readNames({ origin: zone, nameservers: names, hostmaster }: ZoneOptions) {
  const origin = absoluteName(zone, 'zone.origin').toLowerCase()
  if (origin === '') throw invalid('zone.origin', 'the root cannot be a list')
  const nameservers = names.map((name) => absoluteName(name, 'zone.nameservers'))
  const [primary] = nameservers
  if (primary === undefined) throw invalid('zone.nameservers', 'expected at least one name')
  if (hostmaster.includes('@')) {
    throw invalid('zone.hostmaster', `${hostmaster}: write a dot in place of the @`)
  }
  const admin = absoluteName(hostmaster, 'zone.hostmaster')
  const unique = [...new Set(nameservers.map((name) => name.toLowerCase()))]
  return { origin, primary, nameservers: unique, admin }
}

function readRecords(texts: readonly string[], origin: string): PresentedRecord[] {
  const records: PresentedRecord[] = []
  for (const text of texts) {
    const parsed = parseRecord(text, origin)
    const why =
      'why' in parsed
        ? parsed.why
        : (ownerFault(parsed.value.owner, origin) ??
          aliasFault(parsed.value, origin) ??
          neighbourFault(parsed.value, records))
    if (why !== undefined) throw invalid('zone.records', `${JSON.stringify(text)}: ${why}`)
    if ('value' in parsed) records.push(parsed.value)
  }
  return records
}

function ownerFault(owner: string, origin: string): string | undefined {
  if (owner !== origin && !owner.endsWith(`.${origin}`)) {
    return `${owner || '.'} is not in the zone ${origin}`
  }
  const labels = owner.slice(0, -origin.length - 1).split('.')
  if (labels.at(-1) === '_status') return 'the server answers _status itself'
  const isIPv4 = labels.length >= 4 && labels.slice(-4).every((label) => isOctet(label))
  const isIPv6 = labels.length >= 32 && labels.slice(-32).every((label) => /^[0-9a-f]$/.test(label))
  return isIPv4 || isIPv6 ? 'the owner is the name of an address, or below one' : undefined
}

function isOctet(label: string): boolean {
  return /^(0|[1-9]\d{0,2})$/.test(label) && Number(label) <= 255
}

/**
 * Why a CNAME is refused; undefined if it is not. At the origin, RFC 1034 §3.6.2 forbids it. If its target is in the zone, the
 * server would have to follow it.
 */
function aliasFault({ owner, data }: PresentedRecord, origin: string): string | undefined {
  if (data.type !== 'CNAME') return undefined
  if (owner === origin) return 'a CNAME cannot stand at the origin, beside SOA and NS'
  const target = data.domain.toLowerCase()
  return target === origin || target.endsWith(`.${origin}`)
    ? 'a CNAME into the zone itself is not supported: give the name its own records'
    : undefined
}

function neighbourFault(
  record: PresentedRecord,
  earlier: readonly PresentedRecord[],
): string | undefined {
  for (const other of earlier) {
    if (other.owner !== record.owner) continue
    const isSameType = other.data.type === record.data.type
    // A CNAME may not have other data beside it, nor a second CNAME (RFC 1034 §3.6.2).
    if (record.data.type === 'CNAME' || other.data.type === 'CNAME') {
      return 'a CNAME cannot stand beside other records'
    }
    // The TTLs of an RRset must be equal, and no record may be there twice (RFC 2181 §5.2, §5).
    if (isSameType && other.ttl !== record.ttl) {
      return `all ${record.data.type} records of one name need the same TTL`
    }
    if (JSON.stringify(other.data) === JSON.stringify(record.data))
      return 'the record is there twice'
  }
  return undefined
}

/**
 * Encodes one record; `data` has the fields that dns2 has for the type. dns2 writes the owner, ten fixed octets and RDATA,
 * without compression.
 */
function encode(
  owner: string,
  ttl: number,
  data: { readonly type: keyof typeof Packet.TYPE; readonly [field: string]: unknown },
) {
  const type = Packet.TYPE[data.type]
  const fields = { ...data, name: owner, type, class: Packet.CLASS.IN, ttl }
  const resource = new Packet.Resource(fields)
  const bytes = Uint8Array.from(Packet.Resource.encode(resource, new Packet.Writer()))
  const ownerLength = owner.length + 2
  return {
    owner: bytes.slice(0, ownerLength),
    type,
    ttl,
    rdata: bytes.slice(ownerLength + 10),
  }
}

function absoluteName(text: string, key: string): string {
  const name = parseName(text)
  if ('why' in name) throw invalid(key, name.why)
  return name.value
}

function invalid(key: string, why: string): OperationalError {
  return new OperationalError('record-invalid', `${key}: ${why}`)
}
