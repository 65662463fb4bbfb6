// Ports on loopback, for TCP and UDP, for other programs that a test starts.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Linux gives out higher ports by itself: no socket of another test takes one of these before the program has bound it. */
const lowest = 10_000
const highest = 32_767
/** Test files that run at the same time take their ports from different parts. */
const parts = 8
const inPart = Math.floor((highest - lowest + 1) / parts)
const first = lowest + (Number(process.env['NODE_TEST_WORKER_ID'] ?? 0) % parts) * inPart
let last = randomInt(inPart)

/** Ports that were free a moment ago. None of them comes twice, since it may be bound much later. */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    last = (last + 1) % inPart
    if (await isFree(first + last, host)) ports.push(first + last)
  }
  return ports
}

export async function freePort(host?: string): Promise<number> {
  const [port = 0] = await freePorts(1, host)
  return port
}

/** Whether nobody holds the port, over TCP or UDP. */
export async function isFree(port: number, host: string): Promise<boolean> {
  const tcp = createServer().listen(port, host)
  const udp = createSocket(familyOf(host)).bind(port, host)
  const bound = await Promise.allSettled([once(tcp, 'listening'), once(udp, 'listening')])
  await Promise.all([
    new Promise((closed) => tcp.close(closed)),
    new Promise<void>((closed) => udp.close(closed)),
  ])
  return bound.every(({ status }) => status === 'fulfilled')
}

export function familyOf(host: string): 'udp4' | 'udp6' {
  return host.includes(':') ? 'udp6' : 'udp4'
}

/** Whether somebody listens there. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  return (await new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())) as boolean
}
