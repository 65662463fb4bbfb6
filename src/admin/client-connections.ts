// How many connections each client has open: an IPv4 address, or an IPv6 host's /64. One client can take a share of what
// the listener has, and leaves the rest to others.
import type { Socket } from 'node:net'

export class ClientConnections {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  /** Counts the connection until it closes; false: the client has as many as it may, and this one is not counted. */
  admit(client: string, socket: Socket): boolean {
    const count = this.#open.get(client) ?? 0
    if (count >= this.#most) return false
    this.#open.set(client, count + 1)
    socket.once('close', () => {
      const left = (this.#open.get(client) ?? 1) - 1
      if (left === 0) this.#open.delete(client)
      else this.#open.set(client, left)
    })
    return true
  }
}
