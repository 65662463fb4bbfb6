// `reload` and POST /v1/reload: the server reads its configuration again and says what is wrong with it.
import assert from 'node:assert/strict'
import { utimesSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { freePorts } from '../support/ports.ts'
import { Site } from '../support/server.ts'

test('reload says what it did, and what is wrong', async (t) => {
  const site = new Site(t)
  const write = (text: string): void => writeFileSync(site.configFile, text)
  assert.match((await site.run('reload')).stderr, /no server is running/)
  await site.start()

  write(site.configuration('[[policy.exempt]]\nprefix = "203.0.113.0/28"\nnote = "ours"\n'))
  const done = await site.run('reload')
  assert.deepEqual(
    [done.code, done.stdout],
    [0, `The server uses ${site.configFile} as it is now.\n`],
  )
  assert.match(
    (await site.run('exemptions')).stdout,
    /^203\.0\.113\.0\/28 +configuration .* ours$/m,
  )

  write(site.configuration().replace('workers = 1', 'workers = 2'))
  const { restart } = JSON.parse((await site.run('reload', '--json')).stdout)
  assert.deepEqual(restart, ['dns'])
  assert.match((await site.run('reload')).stdout, /\nA change of dns needs a restart\.\n/)
  assert.match(
    (await site.run('status')).stdout,
    /^wrong {2}a change of dns .* waits for a restart$/m,
  )

  write(site.configuration('[polcy]\n'))
  const mistyped = await site.run('reload')
  assert.equal(mistyped.code, 2)
  assert.match(mistyped.stderr, /: polcy: unknown key; did you mean policy\?\n$/)
  // What only the server sees.
  write(site.configuration().replace('* * * * * *', 'now and then'))
  const wrong = await site.run('reload')
  assert.equal(wrong.code, 2)
  assert.ok(
    wrong.stderr.startsWith(`${site.configFile}: mailbox[1].schedule: not a cron`),
    wrong.stderr,
  )
  write(site.configuration('[admin]\nlisten = "192.0.2.1:8053"\n'))
  const unbound = await site.run('reload')
  assert.equal(unbound.code, 1)
  assert.match(unbound.stderr, /not reloaded: admin\.listen 192\.0\.2\.1:8053: /)
})

test('a change that the server has not read yet is told', async (t) => {
  const site = new Site(t)
  await site.start()
  const told = async (): Promise<boolean[]> => [
    / {2}changed after the server read it: /.test((await site.run('status')).stdout),
    /^# The file was changed after /m.test((await site.run('config', 'show')).stdout),
    JSON.parse((await site.run('config', 'show', '--json')).stdout).isUnread,
  ]
  assert.deepEqual(await told(), [false, false, false])
  const later = Date.now() / 1000 + 60
  utimesSync(site.configFile, later, later)
  assert.deepEqual(await told(), [true, true, true])
  const now = Date.now() / 1000
  utimesSync(site.configFile, now, now)
  await site.run('reload')
  assert.deepEqual(await told(), [false, false, false])
})

test('a reload that moves the HTTP interface is answered through the old address', async (t) => {
  const site = new Site(t)
  const [first = '', second = ''] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`)
  writeFileSync(site.configFile, site.configuration(`[admin]\nlisten = "${first}"\n`))
  await site.start()
  const made = await site.run('key', 'create', '--name', 'a', '--scope', 'admin', '--json')
  const { key } = JSON.parse(made.stdout)
  writeFileSync(site.configFile, site.configuration(`[admin]\nlisten = "${second}"\n`))
  const post = (address: string, headers = {}) =>
    fetch(`http://${address}/v1/reload`, { method: 'POST', headers })
  assert.equal((await post(first)).status, 401)
  const reply = await post(first, { authorization: `Bearer ${key}` })
  assert.deepEqual(
    [reply.status, await reply.json()],
    [200, { file: site.configFile, warnings: [], restart: [] }],
  )
  assert.equal((await post(second)).status, 401)
})
