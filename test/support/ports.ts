// TCP ports on loopback for other programs that a test starts.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Ports that were free a moment ago. */
export async function freePorts(
  count: number,
  host: '127.0.0.1' | '::1' = '127.0.0.1',
): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, host))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return ports
}

/** Whether somebody listens there. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  return (await new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())) as boolean
}
