// What a service manager hears and grants: sd_notify's datagrams over a real socket, and the unit that data/ ships.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/debian.ts'
import { Site, until } from '../support/server.ts'

const unit = 'data/backscatterd.service'

/** Binds a datagram socket, which Node cannot, says `bound`, and prints what comes, a line each. */
const receiver = `
import socket, sys
name = sys.argv[1]
inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.bind('\\0' + name[1:] if name.startswith('@') else name)
print('bound', flush=True)
while True: print(inbox.recv(4096).decode(), flush=True)
`

async function listen(t: TestContext, name: string): Promise<string[]> {
  const child = spawn('python3', ['-c', receiver, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill())
  const heard: string[] = []
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => heard.push(line))
  await once(lines, 'line')
  return heard
}

for (const kind of ['a path', 'an abstract name']) {
  test(`the service manager is told by ${kind} that the server is ready, lives and stops`, {
    ...needs('python3', 'python3'),
  }, async (t) => {
    const site = new Site(t)
    const name = kind === 'a path' ? join(site.folder, 'notify') : `@backscatterd-${randomUUID()}`
    const heard = await listen(t, name)
    const server = await site.start({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '500000' })
    const beats = (): string[] => heard.filter((line) => line === 'WATCHDOG=1')
    await until(
      async () => beats().length,
      (count) => count >= 3,
      120_000,
    )
    assert.ok(beats().length >= 3)
    assert.deepEqual(heard.slice(0, 3), ['bound', 'READY=1', 'WATCHDOG=1'])
    assert.equal((await server.kill('SIGTERM')).code, 0)
    const isTold = async () => heard.includes('STOPPING=1')
    assert.ok(await until(isTold, (is) => is, 120_000))
  })
}

test('a watchdog that another process has is not fed', {
  ...needs('python3', 'python3'),
}, async (t) => {
  const site = new Site(t)
  const name = join(site.folder, 'notify')
  const heard = await listen(t, name)
  const watchdog = { WATCHDOG_USEC: '100000', WATCHDOG_PID: '1' }
  const server = await site.start({ NOTIFY_SOCKET: name, ...watchdog })
  // Meanwhile the time comes again and again.
  assert.equal((await site.run('status')).code, 0)
  await server.kill('SIGTERM')
  await until(
    async () => heard.at(-1),
    (line) => line === 'STOPPING=1',
    120_000,
  )
  assert.deepEqual(heard, ['bound', 'READY=1', 'STOPPING=1'])
})

test('a service manager that is gone does not end the server', async (t) => {
  const site = new Site(t)
  const server = await site.start({ NOTIFY_SOCKET: join(site.folder, 'nobody') })
  const told = /systemd does not accept a notification/
  await until(
    async () => server.stderr(),
    (text) => told.test(text),
    120_000,
  )
  assert.match(server.stderr(), told)
  assert.equal((await server.kill('SIGTERM')).code, 0)
})

test('the unit parses, and is as closed as it says', {
  ...needs('systemd-analyze', 'systemd'),
}, async (t) => {
  const site = new Site(t)
  // What it names need not be on this machine.
  const copy = join(site.folder, 'backscatterd.service')
  const text = readFileSync(unit, 'utf8')
  writeFileSync(copy, text.replace(/^(ExecStart|ExecReload)=.*/gm, '$1=/bin/true'))
  const run = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  const verified = run('verify', copy)
  assert.equal(verified.status, 0, verified.stderr)
  assert.doesNotMatch(verified.stderr, /backscatterd\.service/)
  const security = run('security', '--offline=true', '--no-pager', '--threshold=19', copy)
  assert.equal(security.status, 0, security.stdout)
  // So a wrong configuration makes systemctl reload fail.
  const [start, reload] = ['ExecStart', 'ExecReload'].map(
    (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1],
  )
  assert.equal(reload, start?.replace(/ serve$/, ' reload'))
  for (const setting of ['WatchdogSec', 'MemoryMax', 'SystemCallFilter', '#ReadWritePaths']) {
    assert.match(text, new RegExp(`^${setting}=.`, 'm'))
  }
})
