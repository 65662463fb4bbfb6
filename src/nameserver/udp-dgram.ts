// The UDP transport over node:dgram: one event for each datagram. Works everywhere, at a third of udp-batch.ts's
// speed; called by worker.ts. On a
// wildcard address the kernel picks the source of a response by its route, since node:dgram does not tell which
// address was asked: hosts with several addresses name each of them in dns.listen.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Octets, octetsOf } from '../dns/wire.ts'
import { readClientText } from './client-address.ts'
import type { ThreadSocket } from './sockets.ts'
import { maxQueryLength, type UdpTransport, type UdpTransportOptions } from './udp.ts'

/** After the stop, datagrams are answered until none has come for so long. */
const quietMs = 10
const drainMs = 200

/** Serves the sockets by events; see UdpTransport. */
export const serveByEvents: UdpTransport = async (options) => {
  const sockets = options.sockets.map(open)
  const failed = new Promise<never>((_, reject) => {
    for (const { socket } of sockets) socket.on('error', reject)
  })
  let received = 0
  for (const { socket } of sockets) {
    receive(socket, options, () => received++)
  }
  await Promise.race([Promise.all(sockets.map(({ listening }) => listening)), failed])
  options.onListening()
  await Promise.race([stopped(options.stop), failed])
  // The kernel may still hold datagrams that came before the stop.
  const deadline = performance.now() + drainMs
  for (let before = -1; before !== received && performance.now() < deadline; ) {
    before = received
    await sleep(quietMs)
  }
  await Promise.all(sockets.map(({ socket }) => once(socket.close(), 'close')))
}

function open(socket: ThreadSocket): { socket: Socket; listening: Promise<unknown> } {
  const type = socket.family === 4 ? 'udp4' : 'udp6'
  if ('fd' in socket) {
    const opened = createSocket(type)
    const listening = once(opened, 'listening')
    opened.bind({ fd: socket.fd })
    return { socket: opened, listening }
  }
  const opened = createSocket({ type, reusePort: true, ipv6Only: socket.family === 6 })
  const listening = once(opened, 'listening')
  opened.bind({ address: socket.host, port: socket.port })
  return { socket: opened, listening }
}

function receive(socket: Socket, options: UdpTransportOptions, onReceived: () => void): void {
  const { maxResponse, client, answer, enter, leave } = options
  // A response must stay as it is until it is sent, which is mostly at once: a few buffers go round.
  const spare: Octets[] = []
  socket.on('message', (query, { port, address }) => {
    onReceived()
    const response = spare.pop() ?? new Octets(maxResponse)
    readClientText(address, client)
    enter()
    const length = answer(octetsOf(query), Math.min(query.length, maxQueryLength), response)
    leave()
    // Nobody can be answered at port 0 (RFC 768: the sender wants no answer), and node:dgram throws for it.
    if (length > 0 && port === 0) options.onUnsent?.(1)
    if (length === 0 || port === 0) {
      spare.push(response)
      return
    }
    // A response that cannot be sent is lost, as any datagram may be; its sender asks again.
    socket.send(response, 0, length, port, address, (error) => {
      spare.push(response)
      if (error !== null) options.onUnsent?.(1)
    })
  })
}

async function stopped(stop: Int32Array<SharedArrayBuffer>): Promise<void> {
  await Atomics.waitAsync(stop, 0, 0).value
}
