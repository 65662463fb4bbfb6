// What a thread of the name server does: opens its tree reader, waits for its sockets, answers until it is stopped.
// thread.ts, the file that threads start with, calls it.
import type { MessagePort } from 'node:worker_threads'
import type { Responder } from '../dns/responder.ts'
import type { ZoneData } from '../dns/zone.ts'
import { openReader } from '../tree/open-reader.ts'
import { type AnsweringData, createAnswering } from './answering.ts'
import type { ThreadSocket } from './sockets.ts'
import type { UdpTransport } from './udp.ts'

/** What a thread is started with; sockets follow as the first message. */
export interface WorkerData extends AnsweringData {
  readonly kind: 'udp' | 'tcp'
  /** Its slot among the tree's readers. */
  readonly slot: number
  readonly tree: SharedArrayBuffer
  readonly zone: ZoneData
  /** UDP by udp-batch.ts, which needs descriptors; else by udp-dgram.ts. */
  readonly isBatched: boolean
  readonly tcp: {
    readonly connections: number
    readonly connectionsPerClient: number
    readonly idleSeconds: number
  }
  /** One 32-bit element: not 0 when threads shall end. */
  readonly stop: SharedArrayBuffer
}

/** What a thread says: that it answers. */
export type WorkerMessage = 'listening'

/**
 * Runs a thread. Resolves when it was stopped; a rejection or an exception ends the thread, and workers.ts sees
 * that. `wrap` lets tests put faults around answering.
 */
export async function runWorker(
  data: WorkerData,
  port: MessagePort,
  wrap: (respond: Responder) => Responder = (respond) => respond,
): Promise<void> {
  const sockets = new Promise<readonly ThreadSocket[]>((resolve) => port.once('message', resolve))
  const reader = openReader(data.tree, data.slot)
  // What was cloned into the thread is compared letter by letter, a literal at once.
  const kind = data.kind === 'udp' ? 'udp' : 'tcp'
  const { exchange, isBarred, ...answering } = createAnswering(data, data.zone, reader, kind, wrap)
  const common = {
    client: exchange,
    ...answering,
    stop: new Int32Array(data.stop),
    onListening: () => port.postMessage('listening' satisfies WorkerMessage),
  }
  // Each kind loads its own transport only: threads have to be quick to start.
  if (kind === 'udp') {
    const serve: UdpTransport = data.isBatched
      ? (await import('./udp-batch.ts')).serveByBatches
      : (await import('./udp-dgram.ts')).serveByEvents
    await serve({
      ...common,
      sockets: await sockets,
      maxResponse: data.responder.udpPayload,
    })
  } else {
    const { serveTcp } = await import('./tcp.ts')
    await serveTcp({ ...common, ...data.tcp, isBarred, sockets: await sockets })
  }
}
