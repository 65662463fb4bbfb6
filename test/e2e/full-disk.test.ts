// The database's disk is full, or read-only: DNS answers from what is there, and writing is taken up when it can be.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ask, reversed } from '../support/ask.ts'
import { origin, type Server, Site, until } from '../support/server.ts'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'

const waitMs = 60_000

interface Installation {
  readonly site: Site
  readonly disk: SmallDisk
}

/** A site whose database, and nothing else, lies on a small disk. */
function install(t: TestContext): Installation | undefined {
  const disk = mountSmallDisk(t)
  if (disk === undefined) return undefined
  const site = new Site(t)
  const configuration = site
    .configuration('[admin]\nlisten = "127.0.0.1:0"\n')
    .replace('path = "list.db"', `path = "${join(disk.folder, 'list.db')}"`)
  writeFileSync(site.configFile, configuration)
  return { site, disk }
}

async function add(site: Site, address: string): Promise<void> {
  const { code, stderr } = await site.run('add', address)
  assert.equal(code, 0, stderr)
}

async function isListed(server: Server, address: string): Promise<boolean> {
  return (await ask(server.dns, reversed(address, origin))).a.length > 0
}

async function readiness(server: Server): Promise<{ status: number; body: string }> {
  const reply = await fetch(`http://${server.admin}/readyz`)
  return { status: reply.status, body: await reply.text() }
}

async function assertWritesAgain({ site, disk }: Installation, server: Server): Promise<void> {
  const { status } = await until(
    () => readiness(server),
    (each) => each.status === 200,
    waitMs,
  )
  assert.equal(status, 200)
  await add(site, '198.51.100.2')
  assert.ok(await isListed(server, '198.51.100.2'))
  assert.doesNotMatch((await site.run('status')).stdout, /cannot be written/)
  // Another process may read the database beside the server again.
  const copy = join(site.folder, 'copy.db')
  const { code, stderr } = await site.run('backup', copy)
  assert.equal(code, 0, stderr)
  assert.ok(existsSync(copy))
  assert.equal(existsSync(join(disk.folder, 'list.db-shm')), true)
}

async function assertFails(site: Site, server: Server): Promise<void> {
  const { status, body } = await until(
    () => readiness(server),
    (each) => each.status === 503,
    waitMs,
  )
  assert.equal(status, 503)
  assert.match(body, /the disk of the database is full/)
  assert.match(
    (await site.run('status')).stdout,
    /^wrong {2}the database cannot be written since .*: the disk of the database is full; make room .*$/m,
  )
  const stats = JSON.parse((await site.run('status', '--json')).stdout)
  assert.equal(stats.writeFailure.why, 'the disk of the database is full')
  const refused = await site.run('add', '198.51.100.9')
  assert.equal(refused.code, 1)
  assert.ok(await isListed(server, '198.51.100.1'))
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`DNS starts on a full disk after ${signal}, and writing is taken up when there is room`, async (t) => {
    const installation = install(t)
    if (installation === undefined) return
    const { site, disk } = installation
    const first = await site.start()
    await add(site, '198.51.100.1')
    await first.kill(signal)
    disk.fill()
    const startedAt = performance.now()
    const server = await site.start()
    assert.ok(await isListed(server, '198.51.100.1'))
    await assertFails(site, server)
    const address = await fetch(`http://${server.admin}/v1/lookup/198.51.100.1`)
    assert.equal(address.status, 200)
    const failures = await until(
      async () => server.stderr().match(/the database cannot be written/g) ?? [],
      ({ length }) => length > 0,
      waitMs,
    )
    const minutes = Math.ceil((performance.now() - startedAt) / 60_000)
    assert.ok(failures.length >= 1 && failures.length <= minutes, 'the log says so once a minute')
    assert.doesNotMatch(server.stderr(), /expiry failed/)
    disk.free()
    await assertWritesAgain(installation, server)
    assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null })
  })
}

test('a full disk ends no running server, and /readyz says so', async (t) => {
  const installation = install(t)
  if (installation === undefined) return
  const { site, disk } = installation
  const server = await site.start()
  await add(site, '198.51.100.1')
  disk.fill()
  await until(
    () => site.run('add', '198.51.100.3'),
    ({ code }) => code !== 0,
    waitMs,
  )
  await assertFails(site, server)
  disk.free()
  await assertWritesAgain(installation, server)
})

test('a read-only disk ends the start with one clear line', async (t) => {
  const installation = install(t)
  if (installation === undefined) return
  const { site, disk } = installation
  const first = await site.start()
  await first.kill('SIGTERM')
  disk.setReadOnly()
  const { code, stdout, stderr } = await site.run('serve')
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^[^\n]*list\.db: cannot be opened: [^\n]*its disk is read-only\n$/)
})
