// A server that may open nothing more: it goes on, says why it cannot, and recovers.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { main, Site, until } from '../support/server.ts'

test('EMFILE is an operational error: 503 and a log line that says what to do, never a crash', async (t) => {
  const site = new Site(t, '')
  const serve = [main, '--config', site.configFile, 'serve']
  // Enough to start with, and few enough to use up.
  const limited = ['-c', 'ulimit -n 120; exec "$@"', 'sh', process.execPath, ...serve]
  const server = spawn('sh', limited, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => server.kill('SIGKILL'))
  const output = { ready: '', log: '' }
  server.stdout.setEncoding('utf8').on('data', (text) => {
    output.ready += text
  })
  server.stderr.setEncoding('utf8').on('data', (text) => {
    output.log += text
  })
  const line = await until(
    async () => output.ready,
    (text) => text.includes('\n'),
    60_000,
  )
  const [, host = '', port = ''] = /smtp=([\d.]+):(\d+)/.exec(line) ?? []
  assert.notEqual(port, '', output.log)

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
    const socket = connect(Number(port), host)
    socket.on('error', () => undefined)
    held.push(socket)
    await once(socket, 'connect')
  }
  for (let count = 0; count < 150; count++) await hold()
  // A thread that ends, since it cannot open its files, lets go of some: then one more connection takes them.
  const refusal = () =>
    until(
      async () => {
        await hold()
        return await ask('/v1/export')
      },
      ({ status }) => status !== 200,
      30_000,
    )
  for (let count = 0; count < 6; count++) {
    const refused = await refusal()
    assert.equal(refused.status, 503, refused.text)
    assert.equal(JSON.parse(refused.text).code, 'files-exhausted')
  }
  const failures = output.log.split('\n').filter((each) => each.includes('a request failed'))
  assert.equal(failures.length, 1, output.log)
  assert.match(failures[0] ?? '', /"code":"files-exhausted".*LimitNOFILE/)
  const told = await until(
    async () => {
      await hold()
      return output.log
    },
    (log) => log.includes('no file or connection can be opened'),
    30_000,
  )
  assert.match(told, /no file or connection can be opened/)

  for (const socket of held) socket.destroy()
  const again = await until(
    () => ask('/v1/export'),
    ({ status }) => status === 200,
    30_000,
  )
  assert.equal(again.status, 200)
  const exited = once(server, 'exit')
  server.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null], output.log)
})
