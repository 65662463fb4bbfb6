// A thread that runs one UDP transport with an answer that shows what the transport told it, for the contract test:
// the query's length, the client and the count of enters and leaves, then the query itself. A query that begins with
// 'drop' gets no response, one that begins with 'long' the longest.
import { parentPort, workerData } from 'node:worker_threads'
import type { ClientAddress } from '../../src/dns/query-context.ts'
import type { Octets } from '../../src/dns/wire.ts'
import type { ThreadSocket } from '../../src/nameserver/sockets.ts'
import type { UdpTransport } from '../../src/nameserver/transport.ts'

export interface UdpTransportData {
  readonly kind: 'batch' | 'events'
  readonly sockets: readonly ThreadSocket[]
  readonly maxResponse: number
  readonly stop: SharedArrayBuffer
}

/** Octets before the query in a response: length, family, four words of the address, whether a tree was pinned. */
export const shownBytes = 2 + 1 + 16 + 1

if (parentPort !== null) {
  const port = parentPort
  const { kind, sockets, maxResponse, stop }: UdpTransportData = workerData
  const serve: UdpTransport =
    kind === 'batch'
      ? (await import('../../src/nameserver/udp-batch.ts')).serveByBatches
      : (await import('../../src/nameserver/udp-dgram.ts')).serveByEvents
  let isPinned = false
  const client: ClientAddress = { family: 4, w0: -1, w1: -1, w2: -1, w3: -1 }
  await serve({
    sockets,
    maxResponse,
    stop: new Int32Array(stop),
    onListening: () => port.postMessage('listening'),
    answering: {
      client,
      enter,
      answer,
      leave,
      preview: () => undefined,
      prefetch: () => undefined,
      countUnsent: () => undefined,
    },
  })

  function enter(): void {
    isPinned = true
  }
  function leave(): void {
    isPinned = false
  }
  function answer(query: Octets, queryLength: number, response: Octets): number {
    const text = Buffer.from(query.subarray(0, queryLength))
    if (text.subarray(0, 4).equals(Buffer.from('drop'))) return 0
    const isLong = text.subarray(0, 4).equals(Buffer.from('long'))
    const shown = Buffer.alloc(
      isLong ? maxResponse : Math.min(maxResponse, shownBytes + text.length),
    )
    shown.writeUInt16BE(queryLength, 0)
    shown.writeUInt8(client.family, 2)
    for (const [index, word] of [client.w0, client.w1, client.w2, client.w3].entries()) {
      shown.writeInt32BE(word, 3 + index * 4)
    }
    shown.writeUInt8(isPinned ? 1 : 0, 19)
    text.copy(shown, shownBytes)
    response.set(shown)
    return shown.length
  }
}
