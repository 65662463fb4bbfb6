// The UDP transport over node:dgram. It works everywhere, with one event for each datagram. node:dgram does not tell which
// address a query was sent to. So on a wildcard address, the kernel picks the response's source address by its route, and a host
// with several addresses must name each of them in dns.listen.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Octets, octetsOf } from '../dns/wire.ts'
import { readClientText } from './addresses.ts'
import type { ThreadSocket } from './sockets.ts'
import { maxQueryLength, type UdpOptions, type UdpTransport, untilQuiet } from './transport.ts'

/** After the stop, datagrams are answered until none has come for `quietMs`, but not longer than `drainMs`. */
const quietMs = 10
const drainMs = 200

/** Answers the sockets' queries one by one; see UdpTransport. */
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
  // The kernel may still hold datagrams that arrived before the stop.
  await untilQuiet(() => received, quietMs, drainMs)
  await Promise.all(sockets.map(({ socket }) => once(socket.close(), 'close')))
}

function open(socket: ThreadSocket): { socket: Socket; listening: Promise<unknown> } {
  const isIPv6 = socket.family === 6
  const type = isIPv6 ? 'udp6' : 'udp4'
  const opened = createSocket({ type, reusePort: true, ipv6Only: isIPv6 })
  const listening = once(opened, 'listening')
  if ('fd' in socket) opened.bind({ fd: socket.fd })
  else opened.bind({ address: socket.host, port: socket.port })
  return { socket: opened, listening }
}

function receive(socket: Socket, options: UdpOptions, onReceived: () => void): void {
  const { maxResponse, answering } = options
  // Buffers for responses. A buffer must not change until its response is sent. That is mostly at once, so few are needed.
  const spare: Octets[] = []
  socket.on('message', (query, { port, address }) => {
    onReceived()
    const response = spare.pop() ?? new Octets(maxResponse)
    readClientText(address, answering.client)
    answering.enter()
    const queryLength = Math.min(query.length, maxQueryLength)
    const length = answering.answer(octetsOf(query), queryLength, response)
    answering.leave()
    // A query from port 0 wants no answer (RFC 768), and node:dgram throws if we send one.
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
