// A port on loopback behind which a DNS server lies on the same address, by UDP and TCP. It keeps and counts what the server sends by TCP, so that a
// test can read transfers, or do something in the middle of one.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { familyOf, freePort } from './ports.ts'

export class Passage {
  readonly port: number
  readonly #host: string
  readonly #target: number
  #octets = 0
  #streams: Buffer[][] = []
  readonly #sockets = new Set<Socket>()
  #isCut = false
  #after: { readonly octets: number; act(): void } | undefined

  private constructor(host: string, port: number, target: number) {
    this.#host = host
    this.port = port
    this.#target = target
  }

  /** `target`: the server's port. */
  static async open(t: TestContext, target: number, host: string): Promise<Passage> {
    const port = await freePort(host)
    const tcp = createServer({ allowHalfOpen: true }).listen(port, host)
    await once(tcp, 'listening')
    const udp = createSocket(familyOf(host)).bind(port, host)
    await once(udp, 'listening')
    const passage = new Passage(host, port, target)
    tcp.on('connection', (client) => {
      if (passage.#isCut) {
        client.destroy()
        return
      }
      const server = connect({ port: target, host, allowHalfOpen: true })
      const stream: Buffer[] = []
      passage.#streams.push(stream)
      server.on('data', (chunk: Buffer) => {
        stream.push(chunk)
        passage.#count(chunk.length)
      })
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        passage.#sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          passage.#sockets.delete(from)
          to.destroy()
        })
      }
    })
    udp.on('message', (query, { port: client }) => passage.#ask(query, udp, client))
    t.after(() => {
      tcp.close()
      udp.close()
    })
    return passage
  }

  /**
   * Calls `act` once the server has sent so many octets by TCP from now on; resolves when that is done. Until then no more comes
   * through, whatever lies in buffers.
   */
  async after(octets: number, act: () => Promise<unknown>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#octets = 0
    this.#after = { octets, act: () => act().then(() => resolve(), reject) }
    await promise
    this.#isCut = false
  }

  /** The messages that the server has sent by TCP, without their length prefixes, since the last call. */
  takeMessages(): Buffer[] {
    const streams = this.#streams.map((chunks) => Buffer.concat(chunks))
    this.#streams = []
    return streams.flatMap((octets) => {
      const messages: Buffer[] = []
      for (let at = 0; at + 2 <= octets.length; ) {
        const end = at + 2 + octets.readUInt16BE(at)
        messages.push(octets.subarray(at + 2, end))
        at = end
      }
      return messages
    })
  }

  #count(octets: number): void {
    this.#octets += octets
    const after = this.#after
    if (after === undefined || this.#octets < after.octets) return
    this.#after = undefined
    this.#isCut = true
    // The octets of now go on first.
    process.nextTick(() => {
      for (const socket of this.#sockets) socket.destroy()
    })
    after.act()
  }

  #ask(query: Buffer, udp: UdpSocket, client: number): void {
    const socket = createSocket(familyOf(this.#host))
    const wait = setTimeout(() => socket.close(), 5000)
    socket.on('error', () => undefined)
    socket.on('message', (answer) => {
      clearTimeout(wait)
      udp.send(answer, client, this.#host)
      socket.close()
    })
    socket.send(query, this.#target, this.#host)
  }
}
