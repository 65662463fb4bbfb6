// The contract between a thread of the name server and its transport: udp-batch.ts (Linux, many datagrams at a system
// call), udp-dgram.ts (everywhere, by node:dgram) or tcp.ts. A transport may block its thread, so it is told to stop by a
// flag in shared memory.
import type { ClientAddress } from '../dns/query-context.ts'
import type { Octets } from '../dns/wire.ts'
import type { ThreadSocket } from './sockets.ts'

/** Longest query that UDP looks at. An honest one is never near; a longer one is cut here, and so is malformed. */
export const maxQueryLength = 4096

/** What a transport calls to have queries answered. */
export interface Answering {
  /** The transport puts the client here before each call of `answer`. */
  readonly client: ClientAddress
  /** Pins the newest tree: before the first answer of each batch. */
  enter(): void
  /**
   * A transport that has several queries at once may preview each, by its index from 0 to maxBatch - 1, and then prefetch:
   * that reads ahead for all of them together. The queries stay as they are until they are answered, with `batchIndex`.
   */
  preview(query: Octets, queryLength: number, batchIndex: number): void
  prefetch(count: number): void
  /**
   * Puts the response to a query into `response` and answers its length; 0: none. `response` may be `query` itself. Only
   * between enter and leave.
   */
  answer(query: Octets, queryLength: number, response: Octets, batchIndex?: number): number
  /** Lets the tree go: before waiting for queries. */
  leave(): void
  /** Counts responses that the system did not take. They are lost, as any datagram may be. */
  countUnsent(count: number): void
}

export interface TransportOptions {
  readonly answering: Answering
  /** One for each address listened on; the transport owns them. */
  readonly sockets: readonly ThreadSocket[]
  /** Element 0 turns from 0 to 1 when the transport must end; whoever sets it also notifies it. */
  readonly stop: Int32Array<SharedArrayBuffer>
  /** Called once, when every socket receives. */
  onListening(): void
}

export interface UdpOptions extends TransportOptions {
  /** Largest response in octets. */
  readonly maxResponse: number
}

/**
 * Receives and answers until it is told to stop and all that had been received is answered; then the sockets are closed.
 * Rejects when a socket fails. That ends the thread, and the next one takes over its sockets.
 */
export type UdpTransport = (options: UdpOptions) => Promise<void>
