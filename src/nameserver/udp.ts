// The transport contract: what a UDP worker needs of whatever moves the datagrams. udp-batch.ts fulfils it on Linux,
// many datagrams at a system call; udp-dgram.ts everywhere, with node:dgram. A transport may block its thread, so
// all that reaches it from outside is a flag in shared memory.
import type { Octets } from '../dns/wire.ts'
import { maxAhead } from '../tree/reader.ts'
import type { ClientAddress } from './client-address.ts'
import type { ThreadSocket } from './sockets.ts'

/** Octets of a query that are looked at. No honest query comes near; a longer one is cut here, and so malformed. */
export const maxQueryLength = 4096

/** Most queries of a batch: as many as the tree reads ahead for. */
export const maxBatch = maxAhead

export interface UdpTransportOptions {
  /** One for each address listened on; the transport owns them. */
  readonly sockets: readonly ThreadSocket[]
  /** Largest response in octets. */
  readonly maxResponse: number
  /** Who asks: the transport fills it in before each call of `answer`. */
  readonly client: ClientAddress
  /**
   * Puts the response to a query into `response` and answers its length; 0: none. `response` may be `query` itself
   * (see Responder). Between enter and leave only. `place`: the one that preview was given for this query, if it was.
   */
  answer(query: Octets, queryLength: number, response: Octets, place?: number): number
  /** Pins the newest tree: before the first answer of each batch. */
  enter(): void
  /**
   * Reads the query of this place in a batch, 0 to maxBatch - 1, for `readAhead` to bring near what the answers to
   * the first `count` of them will need. A transport that has many queries at once may call both after enter; the
   * queries then stay as they are until they are answered.
   */
  preview?(query: Octets, queryLength: number, place: number): void
  readAhead?(count: number): void
  /** Lets the tree go: before waiting for datagrams. */
  leave(): void
  /** Element 0 turns from 0 to 1 when the transport shall end; whoever sets it also notifies it. */
  readonly stop: Int32Array<SharedArrayBuffer>
  /** Called once, when every socket receives; a thread that then blocks has said so. */
  onListening(): void
  /** Called for responses that the system did not take; they are lost, as any datagram may be. */
  onUnsent?(count: number): void
}

/**
 * Receives and answers until it is stopped and what had been received is answered; the sockets are closed then.
 * Rejects when a socket fails, which ends the thread: the next one takes over its sockets.
 */
export type UdpTransport = (options: UdpTransportOptions) => Promise<void>
