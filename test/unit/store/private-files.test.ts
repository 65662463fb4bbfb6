// What stands on the disk is its owner's alone, whatever the umask, and what is no file is never waited for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperationalError } from '../../../src/errors.ts'
import { backupDatabase } from '../../../src/store/backup.ts'
import { openStore } from '../../../src/store/database.ts'
import { temporaryDirectory } from '../../support/door.ts'

/** For this test alone: files run in processes of their own, tests of one file one after the other. */
function withUmask(t: TestContext, umask: number): void {
  const before = process.umask(umask)
  t.after(() => process.umask(before))
}

for (const umask of [0o000, 0o022, 0o077, 0o277]) {
  const octal = umask.toString(8).padStart(3, '0')
  test(`database, lock, log, journal and backup are 0600 with umask ${octal}`, (t) => {
    const folder = temporaryDirectory(t)
    const path = join(folder, 'list.db')
    withUmask(t, umask)
    const store = openStore(path)
    store.begin()
    store.traps.insert({ pattern: '@trap.example.org', source: 'manual', createdAt: 1 })
    store.commit()
    backupDatabase(path, join(folder, 'copy.db'))
    const modes = readdirSync(folder).map((name) => {
      const { mode } = statSync(join(folder, name))
      return `${name} ${(mode & 0o777).toString(8)}`
    })
    store.close()
    assert.ok(modes.length >= 5, modes.join())
    for (const mode of modes) assert.match(mode, / 600$/)
  })
}

test('a lock that everybody may open, of an earlier version, becomes private', (t) => {
  const folder = temporaryDirectory(t)
  const lock = join(folder, 'list.db.lock')
  writeFileSync(lock, '')
  chmodSync(lock, 0o644)
  openStore(join(folder, 'list.db')).close()
  assert.equal(statSync(lock).mode & 0o777, 0o600)
})

test('what is no file is refused as a database in one line, and not waited for', async (t) => {
  const folder = temporaryDirectory(t)
  const at = (name: string) => join(folder, name)
  assert.equal(spawnSync('mkfifo', [at('fifo'), at('locked.db.lock')]).status, 0)
  mkdirSync(at('folder'))
  const server = createServer().listen(at('socket'))
  await new Promise((listening) => server.once('listening', listening))
  t.after(() => server.close())
  symlinkSync(at('fifo'), at('link'))
  const cases = [
    ['fifo', at('fifo'), 'a FIFO'],
    ['a link to it', at('link'), 'a FIFO'],
    ['folder', at('folder'), 'a folder'],
    ['socket', at('socket'), 'a socket'],
    ['device', '/dev/null', 'a device'],
  ] as const
  for (const [what, path, kind] of cases) {
    const isRefused = (error: unknown) =>
      error instanceof OperationalError &&
      error.code === 'database-failed' &&
      error.message.includes(`${path}: is ${kind}, not a file`) &&
      !error.message.includes('\n')
    assert.throws(() => openStore(path), isRefused, what)
    assert.throws(() => backupDatabase(path, at('copy.db')), isRefused, what)
  }
  assert.throws(() => openStore(at('locked.db')), /locked\.db\.lock: is a FIFO, not a file/)
})
