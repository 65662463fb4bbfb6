// One query for a transfer → the messages of its response: the whole zone, a single SOA record, or a refusal.
import type { ClientAddress } from '../dns/query-context.ts'
import { flags, headerLength, put16, rcodes } from '../dns/wire.ts'
import type { ZoneData } from '../dns/zone.ts'
import { MessagePacker, type TransferRecord } from './messages.ts'
import {
  isNewer,
  mayTransfer,
  readTransferRequest,
  type TransferRequest,
  type TransferRule,
} from './request.ts'
import { appendRefusal, ResponseSigner, type TsigKey } from './tsig.ts'
import { openZone } from './zone-content.ts'

export interface TransferOptions {
  /** The database. */
  readonly path: string
  readonly zone: ZoneData
  readonly keys: readonly TsigKey[]
  readonly rules: readonly TransferRule[]
}

/** Times in epoch seconds: `wall` for signatures, `list` for what is still listed. */
export interface TransferTimes {
  readonly wall: () => number
  readonly list: () => number
}

/**
 * Yields the messages, each with its signature. Yields nothing for a query that is malformed or asks for another zone. A zone is
 * held open from the first message to the last, or until `return()` is called.
 */
export function* transferMessages(
  query: Uint8Array,
  client: ClientAddress,
  options: TransferOptions,
  times: TransferTimes,
): Generator<Uint8Array> {
  const { path, zone, keys, rules } = options
  const request = readTransferRequest(query, zone.origin, keys, times.wall())
  if (request === undefined) return
  const { signature } = request
  if (signature.kind === 'refused') {
    const refusal = errorMessage(request, rcodes.NOTAUTH)
    yield appendRefusal(refusal, signature, times.wall())
    return
  }
  const signer =
    signature.kind === 'valid' ? new ResponseSigner(signature.key, signature.mac) : undefined
  const signed = (message: Uint8Array): Uint8Array =>
    signer === undefined ? message : signer.sign(message, times.wall())
  if (!mayTransfer(signature, client, rules)) {
    yield signed(errorMessage(request, rcodes.REFUSED))
    return
  }
  const content = openZone(path, zone, times.list())
  if (content === undefined) {
    yield signed(errorMessage(request, rcodes.SERVFAIL))
    return
  }
  try {
    const { soa, pages, serial } = content
    const isCurrent = request.serial !== undefined && !isNewer(serial, request.serial)
    // A client that has this serial, or a newer one, gets the SOA record alone (RFC 1995 §2).
    const records = isCurrent ? [[soa]] : inOrder(soa, pages)
    for (const message of packed(request, records)) yield signed(message)
  } finally {
    content.close()
  }
}

/** The SOA record, everything else, and the SOA record again (RFC 5936 §2.2). */
function* inOrder(
  soa: TransferRecord,
  pages: Iterable<readonly TransferRecord[]>,
): Generator<readonly TransferRecord[]> {
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

function errorMessage({ id, question }: TransferRequest, rcode: number): Uint8Array {
  const message = new Uint8Array(headerLength + question.length)
  put16(message, 0, id)
  message[2] = flags.QR
  message[3] = rcode
  put16(message, 4, 1)
  message.set(question, headerLength)
  return message
}
