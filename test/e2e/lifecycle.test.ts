// Starting, stopping, reloading and refusing to start, as an init system and an operator see it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { ask } from '../support/ask.ts'
import { main, origin, runCommand, Site, until } from '../support/server.ts'

/** What was printed once the ready line is in it. */
async function untilReady(stdout: Readable): Promise<string> {
  let output = ''
  stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk
  })
  return await until(
    async () => output,
    (text) => text.includes('backscatterd ready'),
    60_000,
  )
}

test('SIGTERM and SIGINT end the server with code 0 and take its socket away', async (t) => {
  const site = new Site(t)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const server = await site.start()
    const socket = join(site.folder, 'backscatterd.sock')
    assert.equal(statSync(socket).mode & 0o777, 0o600)
    assert.deepEqual(await server.kill(signal), { code: 0, signal: null })
    assert.ok(!existsSync(socket))
  }
})

test('a peer that never speaks does not hold the exit up', { timeout: 60_000 }, async (t) => {
  const site = new Site(t)
  const server = await site.start()
  const [host = '', port = ''] = server.smtp.split(':')
  const peer = connect(Number(port), host)
  peer.on('error', () => undefined)
  await once(peer, 'data')
  assert.equal((await server.kill('SIGTERM')).code, 0)
  peer.destroy()
})

test('a second server on the same database ends with 1 and names the first', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  const second = await site.run('serve')
  assert.equal(second.code, 1)
  assert.match(second.stderr, new RegExp(String(server.pid)))
  assert.equal((await ask(server.dns, `2.0.0.127.${origin}`)).a.length, 1)
})

test('a taken address ends the start with 1, names the address, and leaves nothing behind', async (t) => {
  const first = new Site(t)
  const server = await first.start()
  const second = new Site(t)
  const configuration = readFileSync(second.configFile, 'utf8')
  writeFileSync(
    second.configFile,
    configuration.replace(
      'listen = ["127.0.0.1:0"]\nworkers',
      `listen = ["${server.dns}"]\nworkers`,
    ),
  )
  const result = await second.run('serve')
  assert.equal(result.code, 1)
  assert.match(result.stderr, new RegExp(server.dns.replaceAll('.', '\\.')))
})

test('a wrong configuration ends with 2 and names each key; check-config says the same', async (t) => {
  const site = new Site(t)
  assert.equal((await site.run('check-config')).code, 0)
  appendFileSync(site.configFile, '\n[dnss]\nlisten = 3\n[log]\nlevel = "loud"\n')
  for (const command of ['check-config', 'serve']) {
    const result = await site.run(command)
    assert.equal(result.code, 2)
    assert.match(result.stderr, /dnss: unknown key; did you mean dns\?/)
    assert.match(result.stderr, /log\.level: expected one of .*, not "loud"/)
  }
  const absent = await runCommand(['--config', 'nowhere.toml', 'check-config'], site.folder)
  assert.equal(absent.code, 2)
  assert.match(absent.stderr, /nowhere\.toml/)
})

test('SIGHUP takes new traps and exemptions, and keeps the old configuration when the new one is wrong', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  const original = readFileSync(site.configFile, 'utf8')
  assert.equal((await site.run('add', '203.0.113.50')).code, 0)
  const entry = `50.113.0.203.${origin}`

  writeFileSync(site.configFile, `${original}\n[[policy.exempt]]\nprefix = "203.0.113.48/29"\n`)
  process.kill(server.pid, 'SIGHUP')
  const gone = await until(
    () => ask(server.dns, entry),
    ({ a }) => a.length === 0,
    60_000,
  )
  assert.deepEqual(gone.a, [])

  writeFileSync(site.configFile, `${original}\n[nonsense]\n`)
  process.kill(server.pid, 'SIGHUP')
  await until(
    async () => server.stderr(),
    (log) => log.includes('nonsense'),
    60_000,
  )
  assert.match(server.stderr(), /nonsense/)
  assert.deepEqual((await ask(server.dns, entry)).a, [], 'the last good configuration stays')

  writeFileSync(site.configFile, original)
  process.kill(server.pid, 'SIGHUP')
  const back = await until(
    () => ask(server.dns, entry),
    ({ a }) => a.length === 1,
    60_000,
  )
  assert.deepEqual(back.a, ['127.0.0.2'])
})

test('SIGHUP never ends the server: not while it starts, and not while it drains', async (t) => {
  const site = new Site(t)
  const child = spawn(process.execPath, [main, '--config', site.configFile, 'serve'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  const ended = once(child, 'close')
  let log = ''
  let hangUps = 0
  const hangUp = (): void => {
    hangUps++
    child.kill('SIGHUP')
  }
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    // The first line of the log comes before the ready line, the second request with it, the last one in the drain.
    if (log === '' || log.includes('stopping') !== (log + chunk).includes('stopping')) hangUp()
    log += chunk
  })
  const output = await untilReady(child.stdout)
  hangUp()
  const smtp = /smtp=([^ ,]+):(\d+)/.exec(output) ?? []
  const peer = connect(Number(smtp[2]), smtp[1])
  peer.on('error', () => undefined)
  await once(peer, 'data')
  await until(
    async () => log,
    (text) => text.includes('reloaded'),
    60_000,
  )
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null], log)
  peer.destroy()
  assert.equal(hangUps, 3, log)
})

test('npm start says what to try and where, passes SIGTERM on and ends with 0', async (t) => {
  const site = new Site(t)
  // The project as it is, but for the demonstration's ports. A link to src/ would lead to the demonstration over there.
  for (const each of ['src', 'data', 'package.json']) {
    cpSync(each, join(site.folder, each), {
      recursive: true,
      filter: (file) => !/\.(db|sock)/.test(file),
    })
  }
  symlinkSync(resolve('node_modules'), join(site.folder, 'node_modules'))
  writeFileSync(
    join(site.folder, 'data/demo.toml'),
    `${site.configuration()}\n[admin]\nlisten = "127.0.0.1:0"\n`,
  )
  mkdirSync(join(site.folder, 'data/maildir/new'), { recursive: true })
  mkdirSync(join(site.folder, 'data/maildir/cur'))
  const child = spawn('npm', ['start'], {
    cwd: site.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  // npm's end by SIGKILL would leave the server.
  t.after(() => {
    if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
  })
  const output = await untilReady(child.stdout)
  const [, dns, http] =
    /^backscatterd ready dns=127\.0\.0\.1:(\d+) admin=(127\.0\.0\.1:\d+) smtp=127\.0\.0\.1:\d+$/m.exec(
      output,
    ) ?? []
  let told = ''
  for await (const line of createInterface({ input: child.stderr })) {
    told += `${line}\n`
    if (line.includes('/docs')) break
  }
  child.stderr.resume()
  assert.match(told, new RegExp(`^  dig @127\\.0\\.0\\.1 -p ${dns} `, 'm'))
  assert.ok(told.includes(`http://${http}, and http://${http}/docs`), told)
  child.kill('SIGTERM')
  const [code, signal] = await once(child, 'exit')
  assert.deepEqual({ code, signal }, { code: 0, signal: null })
})
