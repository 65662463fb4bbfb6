// The Unix socket: its mode, what it does to what lies at its path, and what it answers to what is no HTTP.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Listener, serveOnSocket } from '../../../src/admin/listeners.ts'
import { OperationalError } from '../../../src/errors.ts'
import { openAdmin } from '../../support/admin.ts'

async function ask(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  const [response] = await once(request({ socketPath, path, agent: false }).end(), 'response')
  const chunks = await response.toArray()
  return { status: response.statusCode, body: Buffer.concat(chunks).toString() }
}

/** What a socket answers to these octets, until it closes. */
async function exchange(path: string, sent: string): Promise<string> {
  const socket = connect(path).setEncoding('latin1')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.write(sent)
  await once(socket, 'close')
  return answer
}

function isUnavailable(path: string, why: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof OperationalError)
    assert.equal(error.code, 'address-unavailable')
    assert.ok(error.message.includes(path))
    assert.match(error.message, why)
    return true
  }
}

/** A process that listened at the path and was killed, so that the socket is left behind. */
async function leaveSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log(1))`
  const child: ChildProcess = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout ?? child, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(statSync(path).isSocket())
}

test('the socket is mode 0600, answers, and is gone after close', async (t) => {
  const { app, folder } = openAdmin(t)
  const path = join(folder, 'control.sock')
  const before = process.umask()
  const control = await serveOnSocket(app, path)
  assert.equal(process.umask(), before)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(JSON.parse((await ask(path, '/healthz')).body), { status: 'ok' })
  assert.equal((await ask(path, '/v1/nothing')).status, 404)
  await control.close()
  assert.ok(!existsSync(path))
})

test('a socket that a killed server left is replaced', async (t) => {
  const { app, folder } = openAdmin(t)
  const path = join(folder, 'control.sock')
  await leaveSocket(path)
  const control = await serveOnSocket(app, path)
  assert.equal((await ask(path, '/healthz')).status, 200)
  await control.close()
})

test('a live socket is left alone, and the second server is told', async (t) => {
  const { app, folder } = openAdmin(t)
  const path = join(folder, 'control.sock')
  const control = await serveOnSocket(app, path)
  await assert.rejects(serveOnSocket(app, path), isUnavailable(path, /another backscatterd/))
  assert.equal((await ask(path, '/healthz')).status, 200)
  await control.close()
})

test('a file, a link or a missing folder at the path is left alone', async (t) => {
  const { app, folder } = openAdmin(t)
  const file = join(folder, 'file')
  writeFileSync(file, 'precious')
  await assert.rejects(serveOnSocket(app, file), isUnavailable(file, /not a socket/))
  assert.ok(existsSync(file))
  const link = join(folder, 'link')
  symlinkSync(file, link)
  await assert.rejects(serveOnSocket(app, link), isUnavailable(link, /not a socket/))
  assert.ok(existsSync(link))
  const nowhere = join(folder, 'none', 'control.sock')
  await assert.rejects(serveOnSocket(app, nowhere), isUnavailable(nowhere, /EACCES|ENOENT/))
})

test('a path over 107 octets is refused by name', async (t) => {
  const { app, folder } = openAdmin(t)
  const path = join(folder, 'x'.repeat(120))
  await assert.rejects(serveOnSocket(app, path), isUnavailable(path, /107 octets/))
})

test('what is no request gets a problem and the connection closed', async (t) => {
  const { app, folder } = openAdmin(t)
  const path = join(folder, 'control.sock')
  const control: Listener = await serveOnSocket(app, path)
  const cases: [sent: string, status: number][] = [
    ['NONSENSE\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(2 ** 20)}\r\n\r\n`, 431],
  ]
  for (const [sent, status] of cases) {
    const answer = await exchange(path, sent)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/)
    assert.equal(JSON.parse(answer.slice(answer.indexOf('{'))).status, status)
  }
  await control.close()
})

test('dots in a path lead nowhere', async (t) => {
  const { app, folder } = openAdmin(t)
  const path = join(folder, 'control.sock')
  const control = await serveOnSocket(app, path)
  for (const asked of ['/v1/../healthz', '/v1/%2e%2e/healthz', '//healthz', '/v1/lookup/..']) {
    const answer = await exchange(
      path,
      `GET ${asked} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    assert.match(answer, /^HTTP\/1\.1 40[04] /, asked)
  }
  await control.close()
})

test('closing waits for a request in progress', async (t) => {
  const admin = openAdmin(t)
  const path = join(admin.folder, 'control.sock')
  const control = await serveOnSocket(admin.app, path)
  const body = JSON.stringify({ prefix: '203.0.113.9' })
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const slow = request({
    socketPath: path,
    method: 'POST',
    path: '/v1/listings',
    headers,
    agent: false,
  })
  const begun = Promise.withResolvers<unknown>()
  subscribe('http.server.request.start', begun.resolve)
  t.after(() => unsubscribe('http.server.request.start', begun.resolve))
  slow.write(body.slice(0, 5))
  await begun.promise
  const closed = control.close()
  slow.end(body.slice(5))
  const [response] = await once(slow, 'response')
  assert.equal(response.statusCode, 201)
  response.resume()
  await closed
})

test('a connection that never ends its request does not hold the close up', {
  timeout: 60_000,
}, async (t) => {
  const admin = openAdmin(t)
  const path = join(admin.folder, 'control.sock')
  const control = await serveOnSocket(admin.app, path)
  const stuck = connect(path)
  stuck.on('error', () => undefined)
  stuck.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\n')
  await once(stuck, 'data')
  const gone = once(stuck, 'close')
  await control.close()
  await gone
})
