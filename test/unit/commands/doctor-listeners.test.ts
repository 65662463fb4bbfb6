// What doctor makes of a port that is held: by the server, by a server that does not answer, or by another process.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Installation } from '../../../src/commands/doctor/installation.ts'
import { checkListeners } from '../../../src/commands/doctor/listeners.ts'
import { holdersOf } from '../../../src/commands/doctor/port-holder.ts'

async function listen(t: TestContext, host: string, port = 0): Promise<number> {
  const server: Server = createServer().listen({ host, port, exclusive: true })
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

async function whatOf(port: number, known: Partial<Installation>): Promise<string[]> {
  const installation = {
    config: {
      file: 'a.toml',
      dns: { listen: [] },
      control: { socket: '/nowhere/a.sock' },
      trapSmtp: { listen: [`127.0.0.1:${port}`] },
    },
    user: { name: 'backscatterd', uid: 1 },
    server: undefined,
    isServerSilent: false,
    serverPid: undefined,
    ...known,
  } as unknown as Installation
  return (await checkListeners(installation)).map(({ level, what }) => `${level} ${what}`)
}

test('a server that does not answer is not told to make way for itself', async (t) => {
  const port = await listen(t, '127.0.0.1')
  assert.deepEqual(await whatOf(port, { isServerSilent: true, serverPid: process.pid }), [])
})

test('a server whose control socket is gone is told as that', async (t) => {
  const port = await listen(t, '127.0.0.1')
  assert.deepEqual(await whatOf(port, { serverPid: process.pid }), [
    `broken a server runs (process ${process.pid}), but its control socket /nowhere/a.sock is gone`,
  ])
})

test('another process that holds the port is named', async (t) => {
  const port = await listen(t, '127.0.0.1')
  const [what = ''] = await whatOf(port, {})
  assert.match(
    what,
    new RegExp(
      `^broken trapSmtp\\.listen 127\\.0\\.0\\.1:${port}: held by .* \\(process ${process.pid}\\)$`,
    ),
  )
})

test('who listens on the same port of another address is not blamed', async (t) => {
  const port = await listen(t, '127.0.0.1')
  const pids = (host: string): number[] => holdersOf('tcp', host, port).map(({ pid }) => pid)
  assert.deepEqual(pids('127.0.0.1'), [process.pid])
  assert.deepEqual(pids('0.0.0.0'), [process.pid])
  assert.deepEqual(pids('127.0.0.2'), [])
  assert.deepEqual(pids('::1'), [])
})

test('the holder of an IPv6 address or of all addresses is found', async (t) => {
  const own = await listen(t, '::1')
  assert.deepEqual(
    holdersOf('tcp', '::1', own).map(({ pid }) => pid),
    [process.pid],
  )
  const all = await listen(t, '0.0.0.0')
  assert.deepEqual(
    holdersOf('tcp', '127.0.0.1', all).map(({ pid }) => pid),
    [process.pid],
  )
})
