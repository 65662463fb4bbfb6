// The transport contract: what a UDP worker needs of whatever moves the datagrams. udp-dgram.ts fulfils it
// everywhere with node:dgram; a batched transport may block its thread instead, so all that reaches a running
// transport from outside is a flag in shared memory.
import type { ClientAddress } from './client-address.ts'
import type { ThreadSocket } from './sockets.ts'

export interface UdpTransportOptions {
  /** One for each address listened on; the transport owns them. */
  readonly sockets: readonly ThreadSocket[]
  /** Largest response in octets. */
  readonly maxResponse: number
  /** Who asks: the transport fills it in before each call of `answer`. */
  readonly client: ClientAddress
  /** Puts the response to a query into `response` and answers its length; 0: none. Between enter and leave only. */
  answer(query: Uint8Array, queryLength: number, response: Uint8Array): number
  /** Pins the newest tree: before the first answer of each batch. */
  enter(): void
  /** Lets the tree go: before waiting for datagrams. */
  leave(): void
  /** Element 0 turns from 0 to 1 when the transport shall end; whoever sets it also notifies it. */
  readonly stop: Int32Array<SharedArrayBuffer>
  /** Called once, when every socket receives; a thread that then blocks has said so. */
  onListening(): void
}

/**
 * Receives and answers until it is stopped and what had been received is answered; the sockets are closed then.
 * Rejects when a socket fails, which ends the thread: the next one takes over its sockets.
 */
export type UdpTransport = (options: UdpTransportOptions) => Promise<void>
