// One query for a transfer → the messages of its response: the whole zone, what differs, a single SOA record, or an error.
import type { ClientAddress } from '../dns/query-context.ts'
import { flags, rcodes } from '../dns/wire.ts'
import type { ZoneData } from '../dns/zone.ts'
import { MessagePacker, type TransferRecord } from './messages.ts'
import {
  isNewer,
  mayTransfer,
  readTransferRequest,
  type TransferRequest,
  type TransferRule,
} from './request.ts'
import { ResponseSigner, type TsigKey } from './tsig.ts'
import { openCatalog, openZone, type ZoneContent, type ZoneDifference } from './zone-content.ts'

export interface TransferOptions {
  /** The database. */
  readonly path: string
  readonly zone: ZoneData
  /** The catalog zone, if there is one. */
  readonly catalog?: ZoneData
  readonly keys: readonly TsigKey[]
  readonly rules: readonly TransferRule[]
}

/** Nothing can be sent yet: go on after so many milliseconds. */
export interface Pause {
  readonly pauseMs: number
}

/** While DNS is being brought to a new list, the zone is looked at again after each pause, this many times. */
const waitMs = 100
const maxWaits = 40
/**
 * Differences that take longer to work out, with such pauses, are not waited for. Knot DNS gives up after 5 s in which nothing
 * came, BIND after 30 s, and both would ask for the same differences again and again. The whole zone begins at once.
 */
const longestDifferenceMs = 3000
/** Lets other transfers have a turn. */
const turn: Pause = { pauseMs: 0 }

/**
 * Yields the messages, each with its signature. Yields nothing for a query that is malformed, asks for another zone, or comes
 * from a stranger. The caller then answers as over UDP, so strangers cannot tell the catalog from a name that is no zone. A zone is
 * held open from the first message to the last, or until `return()` is called. Pauses come before the first message only.
 * `now`: the wall clock's time in epoch seconds, for the signatures.
 */
export function* transferMessages(
  query: Uint8Array,
  client: ClientAddress,
  options: TransferOptions,
  now: () => number,
): Generator<Uint8Array | Pause> {
  const { path, zone, catalog, keys, rules } = options
  const read = (origin: Uint8Array) => readTransferRequest(query, origin, keys, now())
  const ofZone = read(zone.origin)
  const request = ofZone ?? (catalog && read(catalog.origin))
  if (request === undefined || !mayTransfer(request.signature, client, rules)) return
  const { signature } = request
  const signer =
    signature.kind === 'valid' ? new ResponseSigner(signature.key, signature.mac) : undefined
  const signed = (message: Uint8Array): Uint8Array =>
    signer === undefined ? message : signer.sign(message, now())
  if (!request.isWellFormed) {
    yield signed(errorMessage(request, rcodes.FORMERR))
    return
  }
  const open = () => (catalog && !ofZone ? openCatalog(path, catalog) : openZone(path, zone))
  const startedAt = performance.now()
  let content = open()
  for (let waits = 0; content === undefined && waits < maxWaits; waits++) {
    yield { pauseMs: waitMs }
    content = open()
  }
  if (content === undefined) {
    yield signed(errorMessage(request, rcodes.SERVFAIL))
    return
  }
  try {
    const records = yield* answer(request, content, startedAt)
    for (const message of packed(request, records)) yield signed(message)
  } finally {
    content.close()
  }
}

/** The records of the answer, in order. */
function* answer(
  { serial }: TransferRequest,
  content: ZoneContent,
  startedAt: number,
): Generator<Pause, Iterable<readonly TransferRecord[]>> {
  if (serial === undefined) return wholeZone(content)
  const { soa } = content
  // A client that has this serial, or a newer one, gets the SOA record alone (RFC 1995 §2).
  if (!isNewer(content.serial, serial)) return [[soa]]
  const steps = content.difference?.(serial)
  if (steps === undefined) return wholeZone(content)
  const difference = yield* inTime(steps, startedAt)
  return difference === undefined ? wholeZone(content) : differenceRecords(soa, difference)
}

/** The result of the steps; undefined if it is not there in time. */
function* inTime<T>(
  steps: Generator<undefined, T | undefined>,
  startedAt: number,
): Generator<Pause, T | undefined> {
  try {
    let step = steps.next()
    for (; !step.done; step = steps.next()) {
      if (performance.now() - startedAt > longestDifferenceMs) return undefined
      yield turn
    }
    return step.value
  } finally {
    // They may be in the middle of reading from the database.
    steps.return(undefined)
  }
}

/** One difference, from the old serial to the new one (RFC 1995 §4). */
function* differenceRecords(
  newSoa: TransferRecord,
  { soa, deleted, added }: ZoneDifference,
): Generator<readonly TransferRecord[]> {
  yield [newSoa, soa]
  yield* deleted
  yield [newSoa]
  yield* added
  yield [newSoa]
}

/** The SOA record, everything else, and the SOA record again (RFC 5936 §2.2). */
function* wholeZone({ soa, pages }: ZoneContent): Generator<readonly TransferRecord[]> {
  yield [soa]
  yield* pages
  yield [soa]
}

function* packed(
  request: TransferRequest,
  pages: Iterable<readonly TransferRecord[]>,
): Generator<Uint8Array> {
  const packer = new MessagePacker(request)
  let withOpt = request.hasOpt
  for (const page of pages) {
    for (const record of page) {
      if (packer.add(record)) continue
      yield packer.take({ withOpt })
      withOpt = false
      packer.add(record)
    }
  }
  yield packer.take({ withOpt })
}

function errorMessage(request: TransferRequest, rcode: number): Uint8Array {
  const message = new MessagePacker(request).take({ withOpt: request.hasOpt })
  message[2] = flags.QR
  message[3] = rcode
  return message
}
