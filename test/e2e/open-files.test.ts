// A server that may open nothing more: it goes on, says why it cannot, and recovers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Site, until } from '../support/server.ts'

test('EMFILE is an operational error: 503 and a log line that says what to do, never a crash', async (t) => {
  const site = new Site(t)
  // Enough to start with, and few enough to use up.
  const server = await site.start({}, ['sh', '-c', 'ulimit -n 120; exec "$@"', 'sh'])

  // A connection that is there already can still be used.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ask = async (path: string) => {
    const asked = request({ agent, path, socketPath: join(site.folder, 'backscatterd.sock') })
    asked.end()
    const [answer] = await once(asked, 'response')
    const text = Buffer.concat(await answer.toArray()).toString()
    return { status: answer.statusCode as number, text }
  }
  assert.equal((await ask('/healthz')).status, 200)

  const held: Socket[] = []
  const hold = async () => {
    const socket = connect(Number(server.smtp.split(':')[1]), '127.0.0.1')
    socket.on('error', () => undefined)
    held.push(socket)
    await once(socket, 'connect')
  }
  // All at once: the server would close the other connection after some seconds without a request.
  await Promise.all(Array.from({ length: 150 }, hold))
  // A thread that ends, since it cannot open its files, lets go of some: then one more connection takes them.
  const refusal = () =>
    until(
      async () => {
        await hold()
        return await ask('/v1/export')
      },
      ({ status }) => status !== 200,
      60_000,
    )
  const begun = performance.now()
  for (let count = 0; count < 6; count++) {
    const refused = await refusal()
    assert.equal(refused.status, 503, refused.text)
    assert.equal(JSON.parse(refused.text).code, 'files-exhausted')
  }
  const failures = server.stderr().match(/.*a request failed.*/g) ?? []
  // One a minute.
  const most = Math.ceil((performance.now() - begun) / 60_000)
  assert.ok(failures.length <= most, server.stderr())
  assert.match(failures[0] ?? '', /"code":"files-exhausted".*LimitNOFILE/)
  const told = await until(
    async () => {
      await hold()
      return server.stderr()
    },
    (log) => log.includes('no file or connection can be opened'),
    60_000,
  )
  assert.match(told, /no file or connection can be opened/)

  for (const socket of held) socket.destroy()
  const again = await until(
    () => ask('/v1/export'),
    ({ status }) => status === 200,
    60_000,
  )
  assert.equal(again.status, 200)
  assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null }, server.stderr())
})
