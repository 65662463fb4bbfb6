// Whole lists through the command line and a running server: while it goes on answering, and killed in the middle.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { ask, reversed } from '../support/ask.ts'
import { importUnderLoad, residentMiB } from '../support/import-load.ts'
import { main, origin, Site } from '../support/server.ts'

/** So many different addresses from 20.0.0.0 on, in no order. */
function addresses(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const host = from + ((index * 7919) % count)
    return `20.${host >> 16}.${(host >> 8) & 255}.${host & 255}`
  })
}

function listFile(site: Site, name: string, lines: readonly string[]): string {
  const file = join(site.folder, name)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

test('200,000 lines come in while DNS, look-ups and trapped mail go on', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  const file = listFile(site, 'a.txt', addresses(0, 200_000))
  const figures = await importUnderLoad(site, server, file, 'a', residentMiB(server.pid))
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.added, 200_000)
  assert.equal(figures.dnsUnanswered, 0)
  assert.ok(figures.dnsAsked > 10 && figures.lookups > 10 && figures.smtpMessages > 2)
  assert.ok(figures.residentMiBOverEmpty < 350, `${figures.residentMiBOverEmpty} MiB`)
  const { a } = await ask(server.dns, reversed('20.2.0.1', origin))
  assert.deepEqual(a, ['127.0.0.2'])
})

/** Sends a list to the running server, which may die of something else meanwhile. */
async function upload(site: Site, list: string, lines: readonly string[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const socketPath = join(site.folder, 'backscatterd.sock')
  const path = `/v1/import?list=${list}&force=true`
  const headers = { 'content-type': 'text/plain' }
  const sent = request({ socketPath, method: 'POST', path, headers }, (response) => {
    response.resume().on('close', resolve)
  })
  sent.on('error', () => resolve())
  sent.end(`${lines.join('\n')}\n`)
  await promise
}

test('SIGKILL in the middle of an import: the old list or the new one, whole, and nothing left over', async (t) => {
  const site = new Site(t)
  const old = addresses(0, 20_000)
  const next = addresses(10_000, 40_000)
  let server = await site.start()
  await upload(site, 'a', old)
  for (const waitMs of [50, 150, 300, 450, 700]) {
    const importing = upload(site, 'a', next)
    await setTimeout(waitMs)
    await server.kill('SIGKILL')
    await importing
    server = await site.start()
    const answered = async () => {
      const listed = ['20.0.0.1', '20.0.50.1', '20.0.120.1'].map(
        async (at) => (await ask(server.dns, reversed(at, origin))).a.length > 0,
      )
      return await Promise.all(listed)
    }
    const atOnce = await answered()
    const { stdout } = await site.run('export', '--list', 'a')
    const count = stdout.split('\n').length - 1
    t.diagnostic(`killed after ${waitMs} ms: ${count} entries`)
    assert.ok(count === 20_000 || count === 40_000, `${count} entries`)
    const isNew = count === 40_000
    assert.deepEqual(atOnce, [!isNew, true, isNew])
    assert.deepEqual(await answered(), atOnce)
    const { entries } = JSON.parse((await site.run('status', '--json')).stdout)
    assert.equal(entries.ipv4, count)
    if (isNew) await upload(site, 'a', old)
  }
  await server.kill('SIGTERM')
})

test('SIGKILL while DNS follows a list, and again at once: DNS has all of the new list from the next start on', async (t) => {
  const site = new Site(t)
  let server = await site.start()
  await upload(site, 'a', addresses(0, 80_000))
  let from = 0
  let importing: Promise<void>
  // A busy machine may let the moment pass: then it is one of the next upload, of the other half.
  do {
    from = 80_000 - from
    importing = upload(site, 'a', addresses(from, 80_000))
  } while (!(await following(site, importing)))
  await server.kill('SIGKILL')
  await importing
  for (const isLast of [false, true]) {
    server = await site.start()
    for (const host of [0, 40_000, 79_999, 80_000, 120_000, 159_999]) {
      const at = `20.${host >> 16}.${(host >> 8) & 255}.${host & 255}`
      const { a } = await ask(server.dns, reversed(at, origin))
      const isListed = host >= from && host < from + 80_000
      assert.equal(a.length > 0, isListed, at)
      const { stdout } = await site.run('show', at, '--json')
      assert.equal(JSON.parse(stdout).listed, isListed, at)
    }
    const { entries } = JSON.parse((await site.run('status', '--json')).stdout)
    assert.equal(entries.ipv4, 80_000)
    if (!isLast) await server.kill('SIGKILL')
  }
  const { stdout } = await site.run('export', '--list', 'a')
  assert.equal(stdout.split('\n').length - 1, 80_000)
  await server.kill('SIGTERM')
})

/** Resolves with true while DNS is on its way to the new version of a list; with false if the import ended before that was seen. */
async function following(site: Site, importing: Promise<void>): Promise<boolean> {
  const database = new Database(join(site.folder, 'list.db'), { readonly: true })
  const lists = database.prepare('SELECT 1 FROM lists WHERE version IS NOT applied')
  let isOver = false
  void importing.then(() => {
    isOver = true
  })
  while (lists.get() === undefined && !isOver) await setTimeout(2)
  database.close()
  await setTimeout(20)
  return !isOver
}

test('a file with nothing but wrong lines changes nothing, and the error names file and line', async (t) => {
  const site = new Site(t)
  const file = listFile(site, 'wrong.txt', ['x', '192.0.2.300'])
  const { code, stderr } = await site.run('import', file, '--list', 'drop')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /wrong\.txt:1: x: not an IP address; no line is an entry; nothing was changed\n$/,
  )
})

test('a dry run counts, with a server and without, and leaves the list as it was', async (t) => {
  const site = new Site(t)
  listFile(site, 'old.txt', addresses(0, 1000))
  const file = listFile(site, 'new.txt', [...addresses(1000, 12), ...addresses(0, 300), 'x'])
  const old = join(site.folder, 'old.txt')
  assert.equal((await site.run('import', old, '--list', 'drop')).code, 0)
  const wanted =
    'drop: 12 would be added, 700 removed, 300 kept, 1 refused.\n' +
    'The import would need --force: 700 of the 1000 entries of list drop would be removed.\n'
  const run = async () => {
    const { code, stdout, stderr } = await site.run('import', file, '--list', 'drop', '--dry-run')
    assert.deepEqual([code, stdout], [0, wanted])
    assert.match(stderr, /new\.txt:313: x: not an IP address\n$/)
  }
  const exported = async () => (await site.run('export', '--list', 'drop')).stdout
  const before = await exported()
  await run()
  const server = await site.start()
  await run()
  const { stdout } = await site.run('import', file, '--list', 'drop', '--dry-run', '--json')
  const { dryRun, added, removed, kept } = JSON.parse(stdout)
  assert.deepEqual([dryRun, added, removed, kept], [true, 12, 700, 300])
  assert.equal(await exported(), before)
  assert.equal((await site.run('import', file, '--list', 'drop')).code, 1)
  await server.kill('SIGTERM')
})

test('a large list without a server: the command stays until all of it is done', async (t) => {
  const site = new Site(t)
  const file = listFile(site, 'large.txt', addresses(0, 70_000))
  const { stdout, stderr, code } = await site.run('import', file, '--list', 'large', '--json')
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(JSON.parse(stdout).added, 70_000)
  assert.equal((await site.run('export', '--list', 'large')).stdout.split('\n').length - 1, 70_000)
})

test('an export goes into an import through a pipe; a wrong line of it is named', async (t) => {
  const site = new Site(t)
  await site.start()
  await site.run('import', '--list', 'a', listFile(site, 'a.txt', addresses(0, 5000)))
  const pipe = '{ "$@" export --list a; echo nonsense; } | "$@" import --list b -'
  const words = ['-c', pipe, 'sh', process.execPath, main, '--config', site.configFile]
  const { stdout, stderr } = spawnSync('sh', words, { encoding: 'utf8' })
  assert.equal(stdout, 'b: 5000 added, 0 removed, 0 kept, 1 refused.\n')
  assert.match(stderr, /^standard input:5001: nonsense: /)
})

test('an export by a server has the reasons letter by letter', async (t) => {
  const site = new Site(t)
  await site.start()
  const lines = addresses(0, 3000).map((prefix) =>
    JSON.stringify({ prefix, reason: 'Grüße für 5 €'.repeat(10) }),
  )
  await site.run('import', '--list', 'a', listFile(site, 'a.ndjson', lines))
  const { stdout } = await site.run('export', '--list', 'a', '--format', 'ndjson')
  const reasons = stdout.split('\n', lines.length).map((line) => JSON.parse(line).reason)
  assert.deepEqual([...new Set(reasons)], ['Grüße für 5 €'.repeat(10)])
})
