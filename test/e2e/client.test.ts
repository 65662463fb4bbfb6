// How a command finds what it works on: a running server's socket, else the database under its lock.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { serveOnSocket } from '../../src/admin/listeners.ts'
import { OperationalError } from '../../src/errors.ts'
import { openStore } from '../../src/store/database.ts'
import { type Admin, openAdmin } from '../support/admin.ts'
import { main, Site } from '../support/server.ts'

interface Served {
  readonly site: Site
  readonly admin: Admin
}

/** A site whose control socket is served by this process, over a database of its own. */
async function served(t: TestContext): Promise<Served> {
  const site = new Site(t)
  const admin = openAdmin(t)
  const control = await serveOnSocket(admin.app, join(site.folder, 'backscatterd.sock'))
  t.after(() => control.close())
  return { site, admin }
}

test('with a server every command goes through its socket and opens no database', async (t) => {
  const { site, admin } = await served(t)
  admin.now = Math.floor(Date.now() / 1000)
  const cases: [args: string[], code: number, output: RegExp][] = [
    [['add', '203.0.113.9', '--for', '2d'], 0, /^listed {2}203\.0\.113\.9\/32 .*\(2d left\)\n$/],
    [['add', '10.0.0.1'], 1, /^backscatterd: 10\.0\.0\.1\/32 is in /],
    [['show', '203.0.113.9'], 0, /^203\.0\.113\.9 is listed, since /],
    [['exempt', '203.0.113.16/28'], 0, /is exempt now/],
    [['trap', 'add', 'x@shop.example'], 0, /is now a trap/],
    [['trap', 'list'], 0, /x@shop\.example/],
    [['status'], 0, /^zone .*\nversion {8}0\.0\.0\n.*\nbox {6}maildir/s],
    [['remove', '203.0.113.9'], 0, /^removed/],
  ]
  for (const [args, code, output] of cases) {
    const result = await site.run(...args)
    assert.equal(result.code, code, result.stderr)
    assert.match(result.stdout + result.stderr, output)
  }
  assert.ok(!existsSync(join(site.folder, 'list.db')))
  const status = JSON.parse((await site.run('status', '--json')).stdout)
  assert.equal(status.uptimeSeconds, 5)
})

test('status tells until when the list is valid, and that it is stale', async (t) => {
  const { site, admin } = await served(t)
  const now = Math.floor(Date.now() / 1000)
  const lines = async (validUntil: number): Promise<string> => {
    admin.validUntil = validUntil
    return (await site.run('status')).stdout
  }
  assert.match(
    await lines(now + 86_400),
    /\nvalid {10}until \d{4}-.* UTC \((23h \d+m|1d)[^)]* left\)\n/,
  )
  assert.match(await lines(now - 60), /^wrong {2}the list is stale since \d{4}-.* UTC: /)
})

test('an import that finds no room says for how much', async (t) => {
  const { site, admin } = await served(t)
  const told = 'no room for 2 entries in the shared tree of 16 MiB'
  t.mock.method(admin.blocklist, 'import', async () => {
    throw new OperationalError('capacity-reached', told, { told })
  })
  const file = join(site.folder, 'list.txt')
  writeFileSync(file, '203.0.113.9\n203.0.113.10\n')
  const { code, stderr } = await site.run('import', file, '--list', 'a')
  assert.deepEqual([code, stderr], [1, `backscatterd: ${told}\n`])
})

test('through the socket neither SQLite nor Fastify nor a mail package is loaded', async (t) => {
  const { site } = await served(t)
  const hooks =
    'data:text/javascript,import{registerHooks}from"node:module";' +
    'registerHooks({load(u,c,n){process._rawDebug(u);return n(u,c)}})'
  const args = ['--import', hooks, main, '--config', site.configFile, 'add', '203.0.113.9']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const loaded = Buffer.concat(await child.stderr.toArray()).toString()
  assert.match(loaded, /src\/commands\/listing\.ts/)
  assert.match(loaded, /node_modules\/commander\//)
  assert.doesNotMatch(loaded, /better-sqlite3|fastify|libmime|smtp-server|koffi|src\/store\//)
})

test('thousands of prefixes go in one request, in and out', async (t) => {
  const { site } = await served(t)
  const prefixes = Array.from({ length: 2000 }, (_, index) => `198.51.${index >> 8}.${index & 255}`)
  assert.equal((await site.run('add', ...prefixes)).code, 0)
  const removed = await site.run('remove', ...prefixes)
  assert.equal(removed.code, 0, removed.stderr)
  assert.equal(removed.stdout.trimEnd().split('\n').length, 2000)
})

test('status without a server is exit code 1', async (t) => {
  const { code, stdout, stderr } = await new Site(t).run('status')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(
    stderr,
    /^backscatterd: no server is running \(nothing listens on .*backscatterd\.sock\)\n$/,
  )
})

test('a socket that nobody listens on any more does not stand in the way', async (t) => {
  const site = new Site(t)
  const path = join(site.folder, 'backscatterd.sock')
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log(1))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal((await site.run('add', '203.0.113.9')).code, 0)
})

test('a database that another process has is an error that names it', async (t) => {
  const site = new Site(t)
  const store = openStore(join(site.folder, 'list.db'))
  t.after(() => store.close())
  const { code, stdout, stderr } = await site.run('add', '203.0.113.9')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^backscatterd: .*list\.db is in use by process \d+: .*\n$/)
  assert.ok(stderr.includes(`process ${process.pid}:`))
})

test('a command waits for another one that has the database', async (t) => {
  const site = new Site(t)
  const store = openStore(join(site.folder, 'list.db'))
  const added = site.run('add', '203.0.113.1')
  // Begun before the database is free, unless the machine is busy.
  await new Promise((next) => setTimeout(next, 700))
  store.close()
  const { code, stderr } = await added
  assert.deepEqual([code, stderr], [0, ''])
})

test('a database that cannot be had is one line', async (t) => {
  const site = new Site(t)
  writeFileSync(
    join(site.folder, 'list.db'),
    'this is no database, but a text of some length'.repeat(9),
  )
  const broken = await site.run('show', '203.0.113.9')
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /^backscatterd: .*list\.db: [^\n]*\n$/)
  const elsewhere = new Site(t, site.configuration().replace('"list.db"', '"none/list.db"'))
  const missing = await elsewhere.run('show', '203.0.113.9')
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^backscatterd: .*none\/list\.db: [^\n]*\n$/)
})

test('what fails while writing is one line with its cause, and nothing is changed', async (t) => {
  const site = new Site(t)
  assert.equal((await site.run('trap', 'list')).code, 0)
  const database = new Database(join(site.folder, 'list.db'))
  database.exec(
    `CREATE TRIGGER broken BEFORE INSERT ON listings BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`,
  )
  const { code, stdout, stderr } = await site.run('add', '203.0.113.9')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^backscatterd: [^\n]*the disk is full\n$/)
  assert.equal(database.prepare('SELECT count(*) FROM listings').pluck().get(), 0)
  database.close()
})

test('something else that answers on the socket is an error, not a success', async (t) => {
  const site = new Site(t)
  const path = join(site.folder, 'backscatterd.sock')
  const silent = createServer((socket) => socket.resume().end('220 hello\r\n')).listen(path)
  await once(silent, 'listening')
  const wrong = await site.run('add', '203.0.113.9')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /^backscatterd: control socket .*backscatterd\.sock: [^\n]*\n$/)
  silent.close()
  await once(silent, 'close')

  const html = createHttpServer((_, response) => response.end('<html>')).listen(path)
  await once(html, 'listening')
  const other = await site.run('add', '203.0.113.9')
  assert.equal(other.code, 1)
  assert.match(other.stderr, /^backscatterd: control socket [^\n]*\n$/)
  html.close()
})

test('a socket that may not be opened is an error that says so', {
  skip: process.getuid?.() === 0 && 'root may open every socket',
}, async (t) => {
  const { site } = await served(t)
  chmodSync(join(site.folder, 'backscatterd.sock'), 0)
  const { code, stderr } = await site.run('add', '203.0.113.9')
  assert.equal(code, 1)
  assert.match(stderr, /control socket .*EACCES/)
})
