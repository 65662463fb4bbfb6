// The thread that makes the messages of zone transfers, so that they delay no answer and no commit. It makes messages only
// when they are asked for, so that a slow client costs no memory. Each thread starts with this file.
import { parentPort, workerData } from 'node:worker_threads'
import type { ClientAddress } from '../dns/query-context.ts'
import { put16 } from '../dns/wire.ts'
import { wallClockSeconds } from '../quantity.ts'
import { type Pause, type TransferOptions, transferMessages } from './transfer.ts'

/** To the thread. `more` asks for the next frames of a transfer; `stop` ends it. */
export type TransferOrder =
  | {
      readonly kind: 'start'
      readonly id: number
      readonly query: Uint8Array
      readonly client: ClientAddress
    }
  | { readonly kind: 'more' | 'stop'; readonly id: number }

/** From the thread: messages with their length prefixes (RFC 1035 §4.2.2). The last part of a transfer may be empty. */
export interface TransferPart {
  readonly id: number
  readonly octets: Uint8Array
  readonly isLast: boolean
}

/** Octets of one part, about. */
const partLength = 65_536

function serve(data: TransferOptions, port: NonNullable<typeof parentPort>): void {
  const running = new Map<number, Generator<Uint8Array | Pause>>()
  const goOn = (id: number): void => {
    const messages = running.get(id)
    if (messages === undefined) return
    const part = nextPart(messages)
    if ('pauseMs' in part) {
      if (part.pauseMs === 0) setImmediate(goOn, id)
      else setTimeout(goOn, part.pauseMs, id)
      return
    }
    if (part.isLast) running.delete(id)
    port.postMessage({ id, ...part } satisfies TransferPart)
  }
  port.on('message', (order: TransferOrder) => {
    const { id } = order
    if (order.kind === 'stop') {
      running.get(id)?.return(undefined)
      running.delete(id)
      return
    }
    if (order.kind === 'start') {
      running.set(id, transferMessages(order.query, order.client, data, wallClockSeconds))
    }
    goOn(id)
  })
}

function nextPart(messages: Generator<Uint8Array | Pause>): Omit<TransferPart, 'id'> | Pause {
  const frames: Uint8Array[] = []
  let length = 0
  while (length < partLength) {
    const { value, done } = messages.next()
    if (done) return { octets: joined(frames, length), isLast: true }
    if ('pauseMs' in value) return value
    frames.push(value)
    length += value.length + 2
  }
  return { octets: joined(frames, length), isLast: false }
}

function joined(frames: readonly Uint8Array[], length: number): Uint8Array {
  const octets = new Uint8Array(length)
  let at = 0
  for (const frame of frames) {
    put16(octets, at, frame.length)
    octets.set(frame, at + 2)
    at += frame.length + 2
  }
  return octets
}

if (parentPort !== null) serve(workerData, parentPort)
