// The end of a transport: what has come before the stop is read, also by a thread that had no processor for a while.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { untilQuiet } from '../../../src/nameserver/transport.ts'

const clients = 20
/** Connects, sends and ends, while nobody accepts. */
const connecting = `
let left = ${clients}
const sent = () => --left === 0 && process.exit()
for (let count = left; count > 0; count--) {
  require('node:net').connect(process.argv[1], '127.0.0.1').end('query', sent)
}`

test('connections that wait in the kernel are accepted and read, though the time is over', async (t) => {
  let accepted = 0
  let read = 0
  const server = createServer((socket) => {
    accepted++
    socket.on('data', () => read++).on('error', () => undefined)
    t.after(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  // This process stands still meanwhile.
  execFileSync(process.execPath, ['-e', connecting, String(port)])
  await untilQuiet(() => accepted + read, 0, 0)
  assert.deepEqual([accepted, read], [clients, clients])
})
