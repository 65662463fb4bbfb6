// The contract between a thread of the name server and its transport: udp-batch.ts (Linux, many datagrams per system call),
// udp-dgram.ts (everywhere, with node:dgram) or tcp.ts. A transport may block its thread, so a flag in shared memory tells it to
// stop.
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { ClientAddress } from '../dns/query-context.ts'
import type { Octets } from '../dns/wire.ts'
import type { ThreadSocket } from './sockets.ts'

/** Octets of a UDP query that are read. No honest query is this long; a longer one is cut here, which makes it malformed. */
export const maxQueryLength = 4096

/** What a transport calls to have queries answered. */
export interface Answering {
  /** The transport sets the client here before each call of `answer`. */
  readonly client: ClientAddress
  /** Pins the newest tree; call it before the first answer of each batch. */
  enter(): void
  /**
   * Prepares a batch of queries. A transport may call `preview` for each of them, with an index from 0 to maxBatch - 1, and then
   * `prefetch`. The queries must not change until they are answered with the same `batchIndex`.
   */
  preview(query: Octets, queryLength: number, batchIndex: number): void
  prefetch(count: number): void
  /**
   * Puts the response to a query into `response` and returns its length; 0 if none is sent. `response` may be `query` itself.
   * Call it only between enter and leave.
   */
  answer(query: Octets, queryLength: number, response: Octets, batchIndex?: number): number
  /** Releases the tree; call it before waiting for queries. */
  leave(): void
  /** Counts responses that the system did not send. They are lost, as any datagram may be. */
  countUnsent(count: number): void
}

export interface TransportOptions {
  readonly answering: Answering
  /** One for each address to listen on. The transport owns them. */
  readonly sockets: readonly ThreadSocket[]
  /** Element 0 changes from 0 to 1 when the transport must end; whoever sets it also calls Atomics.notify. */
  readonly stop: Int32Array<SharedArrayBuffer>
  /** To be called once, when all sockets receive. */
  onListening(): void
}

export interface UdpOptions extends TransportOptions {
  /** Octets of the largest response. */
  readonly maxResponse: number
}

/**
 * Receives and answers until it is told to stop and all queries received so far are answered; then closes the sockets. Rejects if
 * a socket fails. The thread then ends, and the next one takes over its sockets.
 */
export type UdpTransport = (options: UdpOptions) => Promise<void>

/** The most pairs of turns in one check, so that a peer that sends without end does not hold up the stop. */
const mostTurns = 1000

/**
 * Resolves once nothing has come for `quietMs`, but after about `mostMs` at the latest. `count`: how much has come, connections
 * and queries. A thread that had to wait for a processor finds its timers due before it reads its sockets, so it also takes turns
 * of the event loop until they bring nothing more: each turn accepts one connection, and a connection is read in the next turn.
 */
export async function untilQuiet(
  count: () => number,
  quietMs: number,
  mostMs: number,
): Promise<void> {
  const deadline = performance.now() + mostMs
  let before: number
  do {
    before = count()
    await sleep(quietMs)
    await untilStill(count)
  } while (before !== count() && performance.now() < deadline)
}

async function untilStill(count: () => number): Promise<void> {
  for (let turns = 0, before = -1; before !== count() && turns < mostTurns; turns++) {
    before = count()
    await turn()
    await turn()
  }
}
