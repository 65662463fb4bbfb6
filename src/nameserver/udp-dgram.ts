// The UDP transport over node:dgram: works everywhere, one event for each datagram. node:dgram does not tell which address
// was asked, so on a wildcard address the kernel picks a response's source by its route. Hosts with several addresses must
// name each of them in dns.listen.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Octets, octetsOf } from '../dns/wire.ts'
import { readClientText } from './addresses.ts'
import type { ThreadSocket } from './sockets.ts'
import { maxQueryLength, type UdpOptions, type UdpTransport } from './transport.ts'

/** After the stop, datagrams are answered until none has come for `quietMs`, but no longer than `drainMs`. */
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
  await Promise.race([Atomics.waitAsync(options.stop, 0, 0).value, failed])
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

function receive(socket: Socket, options: UdpOptions, onReceived: () => void): void {
  const { maxResponse, answering } = options
  // A response must stay as it is until it is sent, mostly at once, so a few buffers are used in turn.
  const spare: Octets[] = []
  socket.on('message', (query, { port, address }) => {
    onReceived()
    const response = spare.pop() ?? new Octets(maxResponse)
    readClientText(address, answering.client)
    answering.enter()
    const queryLength = Math.min(query.length, maxQueryLength)
    const length = answering.answer(octetsOf(query), queryLength, response)
    answering.leave()
    // Port 0 cannot be answered (RFC 768: the sender wants no answer), and node:dgram throws for it.
    if (length > 0 && port === 0) answering.countUnsent(1)
    if (length === 0 || port === 0) {
      spare.push(response)
      return
    }
    socket.send(response, 0, length, port, address, (error) => {
      spare.push(response)
      if (error !== null) answering.countUnsent(1)
    })
  })
}
