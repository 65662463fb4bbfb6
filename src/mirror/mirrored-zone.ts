// What a mirror holds of its primary's zone, and the records of one response → the next zone (RFC 5936 §2.2, RFC 1995 §4).
// Nothing of a response is used before its last record has come.
import { types } from '../dns/wire.ts'
import type { ZoneData } from '../dns/zone.ts'
import type { Prefix } from '../ip/address.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import { isNewer } from '../transfer/request.ts'
import { type NetworkReader, prefixOfName } from './received-names.ts'
import { type ReceivedRecord, soaFields } from './records.ts'
import type { ListedName } from './zone-entries.ts'

/** A whole zone. It is never changed. */
export interface MirroredZone {
  readonly serial: number
  /** Seconds, of the SOA record. */
  readonly timers: { readonly refresh: number; readonly retry: number; readonly expire: number }
  /** Records of names that are no addresses, the SOA first; also the TXT record of `_status`. */
  readonly own: ZoneData['records']
  /** TTL of the listings; 0 if there are none. */
  readonly ttl: number
  readonly status: ZoneStatus
  /** In address order. */
  readonly names: readonly ListedName[]
}

/** What `_status` says. Times in epoch seconds. */
interface ZoneStatus {
  readonly entries: number
  readonly generatedAt: number
  readonly validUntil: number
}

export interface ReceiverOptions {
  /** The zone's name in wire form, lower case. */
  readonly origin: Uint8Array
  readonly networks: NetworkReader
  /** More names than this are refused; also more together in the zone before and the differences from it. */
  readonly maxNames: number
}

/** 'more': records are still to come. 'current': there is nothing newer. `fault`: the response must not be believed. */
export type Progress =
  | 'more'
  | 'current'
  | { readonly zone: MirroredZone }
  | { readonly fault: string }

/** A name while its records come. */
interface Draft {
  readonly prefix: Prefix
  codes: number
  networkLength: number | undefined
}

const tooManyNames = 'it has too many names for the memory of Node (see --max-old-space-size)'
/** If the records that are not of listings take more octets than this, they are nonsense. */
const maxOwnOctets = 1_048_576

/** Takes the records of one response in order. */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #before: MirroredZone | undefined
  /** Drafts by the prefix, of names that the differences touch; for a whole zone undefined. */
  #touched: Map<string, Draft> | undefined
  #names: ListedName[] = []
  #draft: Draft | undefined
  readonly #own = new Map<string, ReceivedRecord>()
  #ownOctets = 0
  #first: ReceivedRecord | undefined
  #serial = 0
  #ttl = 0
  #count = 0
  /** Of differences: whether the records now are deleted ones, and the serial of the last SOA. */
  #isDeleting = false
  #reached = 0
  #owner = new Uint8Array()
  #prefix: Prefix | undefined

  constructor(options: ReceiverOptions, before: MirroredZone | undefined) {
    this.#options = options
    this.#before = before
  }

  /** Whether this is the whole zone, not differences. */
  get isWhole(): boolean {
    return this.#touched === undefined
  }

  /** The answer records of one message. After anything but 'more' the receiver is done. */
  take(records: readonly ReceivedRecord[]): Progress {
    for (const [index, record] of records.entries()) {
      const progress = this.#takeOne(record)
      if (progress === 'more') continue
      if (progress !== 'current' && 'zone' in progress && index < records.length - 1) {
        return { fault: 'records come after the last one' }
      }
      return progress
    }
    const isSingle = this.#count === 1 && this.#serial === this.#before?.serial
    return isSingle ? 'current' : 'more'
  }

  #takeOne(record: ReceivedRecord): Progress {
    this.#count += 1
    if (record.type === types.SOA) return this.#takeSoa(record)
    if (this.#count === 1) return { fault: 'the first record is not the SOA record' }
    const fault = this.#takeRecord(record)
    return fault === undefined ? 'more' : { fault }
  }

  #takeSoa(record: ReceivedRecord): Progress {
    const { origin } = this.#options
    const serial = soaFields(record)?.serial
    if (Buffer.compare(record.owner, origin) !== 0 || serial === undefined) {
      return { fault: 'it is of another zone' }
    }
    const before = this.#before
    if (this.#count === 1) {
      if (before && serial !== before.serial && !isNewer(serial, before.serial)) {
        return { fault: `its serial ${serial} is older than ours, ${before.serial}` }
      }
      this.#first = record
      this.#serial = serial
      return 'more'
    }
    if (this.#count === 2 && before && serial === before.serial && serial !== this.#serial) {
      this.#beginDifferences(before)
      return 'more'
    }
    return this.#touched === undefined ? this.#endWhole(serial) : this.#nextDifference(serial)
  }

  #beginDifferences(before: MirroredZone): void {
    this.#touched = new Map()
    this.#isDeleting = true
    this.#reached = before.serial
    this.#ttl = before.ttl
    for (const record of before.own.slice(1)) this.#own.set(keyOf(record), record)
  }

  #endWhole(serial: number): Progress {
    if (serial !== this.#serial) return { fault: 'its two SOA records differ' }
    const fault = this.#finishDraft()
    if (fault !== undefined) return { fault }
    const names = this.#names.sort((a, b) => comparePrefixes(a.prefix, b.prefix))
    const isTwice = names.some((name, index) => {
      const before = names[index - 1]
      return before !== undefined && comparePrefixes(before.prefix, name.prefix) === 0
    })
    return isTwice ? { fault: 'the records of a name do not come together' } : this.#zoneOf(names)
  }

  /** SOA records part the differences: from the old serial to the new one, and so on to the newest. */
  #nextDifference(serial: number): Progress {
    if (this.#isDeleting) {
      this.#isDeleting = false
      if (!isNewer(serial, this.#reached)) return { fault: 'its differences go back' }
      this.#reached = serial
      return 'more'
    }
    if (serial !== this.#reached) return { fault: 'its differences do not follow each other' }
    if (serial !== this.#serial) {
      this.#isDeleting = true
      return 'more'
    }
    const names = this.#applied()
    return names === undefined
      ? { fault: 'its differences do not fit our zone' }
      : this.#zoneOf(names)
  }

  /** The names with the touched ones put in. */
  #applied(): ListedName[] | undefined {
    const touched = [...(this.#touched?.values() ?? [])]
    if (
      touched.some(({ codes, networkLength }) => (codes === 0) !== (networkLength === undefined))
    ) {
      return undefined
    }
    const waiting = touched.sort((a, b) => comparePrefixes(b.prefix, a.prefix))
    const names: ListedName[] = []
    const put = ({ prefix, codes, networkLength }: Draft): void => {
      if (networkLength !== undefined) names.push({ prefix, codes, networkLength })
    }
    for (const name of this.#before?.names ?? []) {
      let next = waiting.at(-1)
      while (next !== undefined && comparePrefixes(next.prefix, name.prefix) < 0) {
        put(next)
        waiting.pop()
        next = waiting.at(-1)
      }
      if (next === undefined || comparePrefixes(next.prefix, name.prefix) > 0) names.push(name)
    }
    for (const next of waiting.reverse()) put(next)
    return names.length > this.#options.maxNames ? undefined : names
  }

  #zoneOf(names: readonly ListedName[]): Progress {
    const soa = this.#first
    const timers = soa && soaFields(soa)
    const records = [...this.#own.values()]
    const told = records.find((record) => isStatus(record, this.#options.origin))
    const status = told && statusOf(told)
    if (soa === undefined || timers === undefined || status === undefined) {
      return { fault: 'it has no _status record, so its primary is not backscatterd' }
    }
    const own = [soa, ...records]
    return { zone: { serial: this.#serial, timers, own, ttl: this.#ttl, status, names } }
  }

  #takeRecord(record: ReceivedRecord): string | undefined {
    const isSame = Buffer.compare(record.owner, this.#owner) === 0
    if (!isSame) {
      const labels = labelsBelow(record.owner, this.#options.origin)
      if (labels === undefined) return 'it has a name of another zone'
      const prefix = prefixOfName(labels)
      if (prefix === 'both') return `the wildcard ${labels.join('.')} answers IPv4 and IPv6 names`
      this.#prefix = prefix
      this.#owner = Uint8Array.from(record.owner)
    }
    if (this.#prefix === undefined) return this.#takeOwn(record)
    const draft = this.#draftOf(this.#prefix)
    return typeof draft === 'string' ? draft : this.#takeListed(draft, record)
  }

  #takeOwn(record: ReceivedRecord): string | undefined {
    const key = keyOf(record)
    if (this.#isDeleting) return this.#own.delete(key) ? undefined : 'it deletes an unknown record'
    this.#own.set(key, record)
    this.#ownOctets += record.owner.length + record.rdata.length
    return this.#ownOctets > maxOwnOctets
      ? 'it has too many records that are no listings'
      : undefined
  }

  #draftOf(prefix: Prefix): Draft | string {
    if (this.#touched !== undefined) {
      const key = Object.values(prefix).join()
      const names = this.#before?.names ?? []
      const { codes = 0, networkLength } = findName(names, prefix) ?? {}
      const draft = this.#touched.get(key) ?? { prefix, codes, networkLength }
      this.#touched.set(key, draft)
      const count = names.length + this.#touched.size
      return count > this.#options.maxNames ? tooManyNames : draft
    }
    if (this.#draft?.prefix === prefix) return this.#draft
    const fault = this.#finishDraft()
    if (fault !== undefined) return fault
    this.#draft = { prefix, codes: 0, networkLength: undefined }
    return this.#draft
  }

  /** Takes the last name of a whole zone, whose records have all come. */
  #finishDraft(): string | undefined {
    const draft = this.#draft
    this.#draft = undefined
    if (draft === undefined) return undefined
    const { prefix, codes, networkLength } = draft
    if (codes === 0 || networkLength === undefined) return 'a name lacks its A or its TXT record'
    this.#names.push({ prefix, codes, networkLength })
    return this.#names.length > this.#options.maxNames ? tooManyNames : undefined
  }

  #takeListed(draft: Draft, { type, ttl, rdata }: ReceivedRecord): string | undefined {
    if (!this.#isDeleting) this.#ttl = ttl
    if (type === types.TXT) {
      const length = this.#options.networks.networkLength(rdata, draft.prefix)
      if (length === undefined) {
        const told = JSON.stringify(Buffer.from(rdata.subarray(1)).toString('utf8'))
        return `its TXT records are not made of our zone.text, such as ${told}: set zone.text as on the primary`
      }
      if ((draft.networkLength === undefined) === this.#isDeleting)
        return 'a TXT record does not fit'
      draft.networkLength = this.#isDeleting ? undefined : length
      return undefined
    }
    const [a, b, c, code = 0] = rdata
    const isCode = type === types.A && rdata.length === 4 && a === 127 && b === 0 && c === 0
    if (!isCode || code < 2 || code > 31) return 'an address has a record that is no listing'
    const bit = 2 ** code
    if (((draft.codes & bit) !== 0) !== this.#isDeleting) return 'an A record does not fit'
    draft.codes ^= bit
    return undefined
  }
}

/** The name in address order, by halving. */
function findName(names: readonly ListedName[], prefix: Prefix): ListedName | undefined {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const name = names[middle]
    if (name === undefined) return undefined
    const order = comparePrefixes(name.prefix, prefix)
    if (order === 0) return name
    if (order < 0) low = middle + 1
    else high = middle
  }
  return undefined
}

/** The labels before the origin; undefined if the name is not at or under it. */
function labelsBelow(owner: Uint8Array, origin: Uint8Array): string[] | undefined {
  const labels: string[] = []
  let at = 0
  while (owner.length - at > origin.length) {
    const length = owner[at] ?? 0
    labels.push(Buffer.from(owner.subarray(at + 1, at + 1 + length)).toString('latin1'))
    at += length + 1
  }
  return Buffer.compare(owner.subarray(at), origin) === 0 ? labels : undefined
}

/** Whether a record stands at `_status` below the origin. */
export function isStatus({ owner }: Pick<ReceivedRecord, 'owner'>, origin: Uint8Array): boolean {
  return Buffer.compare(owner, Buffer.concat([Buffer.from('\x07_status', 'latin1'), origin])) === 0
}

function keyOf({ owner, type, rdata }: Pick<ReceivedRecord, 'owner' | 'type' | 'rdata'>): string {
  return `${type} ${Buffer.from(owner).toString('latin1')} ${Buffer.from(rdata).toString('latin1')}`
}

function statusOf({ type, rdata }: ReceivedRecord): ZoneStatus | undefined {
  return type === types.TXT
    ? readStatus(Buffer.from(rdata.subarray(1)).toString('latin1'))
    : undefined
}

/** Reads the text of `_status`: see dns/zone.ts. */
export function readStatus(text: string): ZoneStatus | undefined {
  const words = new Map(text.split(' ').map((word) => word.split('=', 2) as [string, string]))
  const time = (key: string): number => Date.parse(words.get(key) ?? '') / 1000
  const status = {
    entries: Number(words.get('entries')),
    generatedAt: time('generated'),
    validUntil: time('valid-until'),
  }
  return Object.values(status).every(isUnsigned32) ? status : undefined
}

function isUnsigned32(value: number): boolean {
  return value === value >>> 0
}
