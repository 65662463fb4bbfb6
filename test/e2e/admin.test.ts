// The HTTP interface of a running server, as its operator has it: keys made and revoked on the command line, requests
// repeated after a restart, the address changed by SIGHUP.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePorts } from '../support/ports.ts'
import { type Server, Site, until } from '../support/server.ts'

const admin = '[admin]\nlisten = "127.0.0.1:0"\n'

function siteWith(t: { after(cleanup: () => unknown): void }, more: string): Site {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration(more))
  return site
}

/** One request; status and body as they came. */
async function call(address: string, path: string, key?: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers)
  if (key !== undefined) headers.set('authorization', `Bearer ${key}`)
  const reply = await fetch(`http://${address}${path}`, { ...init, headers })
  return { status: reply.status, headers: reply.headers, text: await reply.text() }
}

async function isOpen(address: string): Promise<boolean> {
  return await call(address, '/healthz').then(
    ({ status }) => status === 200,
    () => false,
  )
}

test('a request repeated with its Idempotency-Key after a kill and a restart is not done again', async (t) => {
  const site = siteWith(t, admin)
  let server = await site.start()
  const key = (
    await site.run('key', 'create', '--name', 'writer', '--scope', 'write')
  ).stdout.trim()
  const post = (address: string, prefix: string) =>
    call(address, '/v1/listings', key, {
      method: 'POST',
      body: JSON.stringify({ prefix }),
      headers: { 'content-type': 'application/json', 'idempotency-key': 'order-1' },
    })
  const first = await post(server.admin, '203.0.113.9')
  assert.equal(first.status, 201, first.text)
  await server.kill('SIGKILL')

  server = await site.start()
  const removed = await site.run('remove', '203.0.113.9')
  assert.equal(removed.code, 0, removed.stderr)
  const again = await post(server.admin, '203.0.113.9')
  assert.deepEqual([again.status, again.text], [201, first.text])
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.equal(again.headers.get('location'), first.headers.get('location'))
  const lookup = await call(server.admin, '/v1/lookup/203.0.113.9')
  assert.equal(JSON.parse(lookup.text).listed, false, 'the answer was repeated, not the listing')
  const other = await post(server.admin, '203.0.113.10')
  assert.equal(other.status, 422)
  assert.equal(JSON.parse(other.text).code, 'idempotency-key-reused')
})

test('SIGHUP opens, moves and closes the HTTP interface; an address that is taken leaves the old one', async (t) => {
  const site = siteWith(t, '')
  const server = await site.start()
  assert.equal(server.admin, '')
  const [first = '', second = ''] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`)
  const reload = (more: string): void => {
    writeFileSync(site.configFile, site.configuration(more))
    process.kill(server.pid, 'SIGHUP')
  }
  const opens = async (address: string, wanted: boolean): Promise<void> => {
    const is = await until(
      () => isOpen(address),
      (open) => open === wanted,
      60_000,
    )
    assert.equal(is, wanted, `${address}: ${server.stderr()}`)
  }

  reload(`[admin]\nlisten = "${first}"\n`)
  await opens(first, true)
  const file = join(site.folder, 'admin.key')
  const key = readFileSync(file, 'utf8').trim()
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal((await call(first, '/v1/keys', key)).status, 200)

  reload(`[admin]\nlisten = "${second}"\n`)
  await opens(second, true)
  await opens(first, false)
  assert.equal((await call(second, '/v1/keys', key)).status, 200)

  const taken = createServer().listen(Number(first.split(':')[1]), '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  reload(`[admin]\nlisten = "${first}"\n`)
  const refusal = new RegExp(`admin\\.listen ${first}.*not reloaded`)
  const log = await until(
    async () => server.stderr(),
    (text) => refusal.test(text),
    60_000,
  )
  assert.match(log, refusal)
  await opens(second, true)

  reload('')
  await opens(second, false)
  assert.equal((await site.run('status')).code, 0, 'the control socket is where it was')
})

test('the first key of a second database in the same folder does not replace that of the first', async (t) => {
  const site = siteWith(t, admin)
  const file = join(site.folder, 'admin.key')
  await (await site.start()).kill('SIGTERM')
  const key = readFileSync(file, 'utf8')
  const configuration = readFileSync(site.configFile, 'utf8')
  writeFileSync(site.configFile, configuration.replace('path = "list.db"', 'path = "other.db"'))
  const server = await site.start()
  assert.equal(readFileSync(file, 'utf8'), key)
  assert.match(
    server.stderr(),
    /admin\.key.*no first admin key was made; make one with .*key create/,
  )
  const made = await site.run('key', 'create', '--scope', 'admin', '--name', 'me')
  assert.equal(made.code, 0)
})

test('key create, list and revoke, by hand and for programs, with a server and without', async (t) => {
  const site = siteWith(t, admin)
  const run = (...args: string[]) => site.run('key', ...args)
  const isIn = async (server: Server, key: string): Promise<number> =>
    (await call(server.admin, '/v1/listings', key)).status

  assert.deepEqual(await run('list'), { code: 0, stdout: 'There are no keys.\n', stderr: '' })
  const early = await run('create', '--name', 'early')
  assert.equal(early.code, 0, early.stderr)
  assert.match(early.stdout, /^bsd_[\w-]{43}\n$/)
  assert.match(
    early.stderr,
    /^Key 1 \(early, scope read\) is valid until revoked\. It cannot be shown again\.\n$/,
  )

  const server = await site.start()
  assert.equal(await isIn(server, early.stdout.trim()), 200)
  const made = await run(
    ...['create', '--name', 'monitor', '--scope', 'admin', '--for', '90d', '--json'],
  )
  const { key, ...rest } = JSON.parse(made.stdout)
  assert.deepEqual(Object.keys(rest), ['id', 'name', 'scope', 'expiresAt'])
  assert.deepEqual([made.code, made.stderr, rest.name, rest.scope], [0, '', 'monitor', 'admin'])
  const days = (Date.parse(rest.expiresAt) - Date.now()) / 86_400_000
  assert.ok(days > 89.9 && days <= 90, rest.expiresAt)
  assert.equal(await isIn(server, key), 200)

  const listed = await run('list')
  assert.equal(listed.code, 0)
  assert.match(listed.stdout, /^1 +early +read +until revoked +\d{4}-/m)
  assert.match(listed.stdout, /^\d+ +monitor +admin +until .* \(\d+d left\) +\d/m)
  assert.doesNotMatch(listed.stdout, /bsd_/)

  const revoked = await run('revoke', 'monitor', '--json')
  assert.equal(revoked.code, 0, revoked.stderr)
  assert.equal(JSON.parse(revoked.stdout).id, rest.id)
  assert.notEqual(JSON.parse(revoked.stdout).revokedAt, null)
  assert.equal(await isIn(server, key), 401)
  const byId = await run('revoke', '1')
  assert.deepEqual([byId.code, byId.stdout], [0, 'Key 1 (early) is revoked.\n'])
  assert.equal(await isIn(server, early.stdout.trim()), 401)
  const { items } = JSON.parse((await run('list', '--json')).stdout)
  assert.deepEqual(
    items.map(({ name, revokedAt }: Record<string, unknown>) => [name, revokedAt !== null]),
    [
      ['early', true],
      ['first', false],
      ['monitor', true],
    ],
  )
})

test('key commands that cannot be done end with 1, wrong ones with 2, and print nothing on standard output', async (t) => {
  const site = siteWith(t, admin)
  assert.equal((await site.run('key', 'create', '--name', 'twice')).code, 0)
  const cases: [args: string[], code: number, stderr: RegExp][] = [
    [['create', '--name', 'twice'], 1, /twice/],
    [['create', '--name', 'cli'], 1, /cli/],
    [['create'], 2, /--name/],
    [['create', '--name', 'a', '--scope', 'root'], 2, /read, write, collect, admin/],
    [['create', '--name', 'a', '--for', 'soon'], 2, /--for soon/],
    [['create', '--name', ''], 2, /name/],
    [['revoke'], 2, /name the key/],
    [['revoke', '1', '--name', 'monitor'], 2, /name the key once/],
    [['revoke', 'nobody'], 1, /there is no valid key named "nobody"/],
    [['revoke', '999'], 1, /999/],
    [['list', '--nonsense'], 2, /nonsense/],
  ]
  for (const [args, code, stderr] of cases) {
    const result = await site.run('key', ...args)
    assert.deepEqual([result.code, result.stdout], [code, ''], args.join(' ') + result.stderr)
    assert.match(result.stderr, stderr)
  }
})
