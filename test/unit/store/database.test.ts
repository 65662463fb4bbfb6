import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { OperationalError } from '../../../src/errors.ts'
import { backupDatabase } from '../../../src/store/backup.ts'
import { openStore } from '../../../src/store/database.ts'
import { temporaryDirectory } from '../../support/door.ts'

function refused(code: string, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof OperationalError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  }
}

/** A process that opens the database and holds it; resolves once it has it. */
async function holder(t: TestContext, path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'hold-database.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  assert.equal(String(line), 'open\n')
  return child
}

test('a second process is refused, by the name of the first, until that is killed', async (t) => {
  const path = join(temporaryDirectory(t), 'a.db')
  const child = await holder(t, path)
  assert.throws(
    () => openStore(path),
    refused('database-locked', new RegExp(`process ${child.pid}\\b`)),
  )
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual(readdirSync(dirname(path)).sort(), [
    ...['a.db', 'a.db-pid', 'a.db-shm', 'a.db-wal', 'a.db.lock'],
  ])
  const store = openStore(path)
  assert.equal(store.mailboxPositions.get('held'), 'yes')
  store.close()
})

const asAnother = { skip: process.getuid?.() === 0 ? false : 'only root may become another user' }

test(
  'a folder or a database that this user may not write to is named, with the reason',
  asAnother,
  async (t) => {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'a.db')
    openStore(path).close()
    const saidToNobody = (): string => {
      const program = join(import.meta.dirname, 'hold-database.ts')
      const options = { uid: 65_534, gid: 65_534, encoding: 'utf8', timeout: 60_000 } as const
      return spawnSync(process.execPath, [program, path], options).stderr
    }
    chmodSync(directory, 0o755)
    assert.match(
      saidToNobody(),
      /a\.db: cannot be opened: the folder \S+ cannot be written to: it belongs to root, and this is user \d+; run this as its owner or as root$/m,
    )
    chmodSync(directory, 0o777)
    assert.match(
      saidToNobody(),
      /a\.db cannot be written to: it belongs to root, .*as root, run "chown /,
    )
  },
)

test('one process opens a database once, whatever path leads to it', (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'a.db')
  const store = openStore(path)
  symlinkSync(path, join(directory, 'link.db'))
  assert.throws(() => openStore(path), refused('database-locked', /in use/))
  assert.throws(() => openStore(join(directory, 'link.db')), refused('database-locked', /in use/))
  store.close()
  openStore(join(directory, 'link.db')).close()
})

test('the lock outlives a garbage collection and is gone after close', async (t) => {
  const path = join(temporaryDirectory(t), 'a.db')
  const store = openStore(path)
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  for (let round = 0; round < 3; round++) {
    await new Promise(setImmediate)
    collectGarbage()
  }
  assert.throws(
    () => openStore(path),
    refused('database-locked', new RegExp(`process ${process.pid}`)),
  )
  store.close()
  store.close()
  openStore(path).close()
})

test('a schema of a later program is refused and left as it is', (t) => {
  const path = join(temporaryDirectory(t), 'a.db')
  const store = openStore(path)
  store.close()
  const bytes = readFileSync(path)
  const current = bytes.readUInt32BE(60)
  // user_version: four octets at offset 60 of the header (SQLite file format §1.3.14).
  bytes.writeUInt32BE(999, 60)
  writeFileSync(path, bytes)
  assert.throws(() => openStore(path), refused('database-newer', /version 999/))
  assert.deepEqual(readFileSync(path), bytes)
  bytes.writeUInt32BE(current, 60)
  writeFileSync(path, bytes)
  openStore(path).close()
})

test('what is no database, or cannot be reached, is an error that names it and leaves no lock', (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'a.db')
  writeFileSync(path, 'not a database at all, but text that is long enough to be looked at')
  assert.throws(
    () => openStore(path),
    refused('database-failed', /a\.db: cannot be opened: .*not a database/),
  )
  assert.throws(() => openStore(path), refused('database-failed', /not a database/))
  assert.throws(
    () => openStore(join(directory, 'none', 'a.db')),
    refused('database-failed', /none\/a\.db: cannot be opened/),
  )
})

test('nobody else can read a new database', (t) => {
  const directory = temporaryDirectory(t)
  const store = openStore(join(directory, 'a.db'))
  store.mailboxPositions.set('imap', '7', 1)
  for (const name of ['a.db', 'a.db-wal']) {
    assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name)
  }
  store.close()
})

test('an online copy holds what was committed and opens by itself', (t) => {
  const directory = temporaryDirectory(t)
  const store = openStore(join(directory, 'a.db'))
  store.mailboxPositions.set('imap', '7', 1)
  backupDatabase(store.path, join(directory, 'copy.db'))
  const copy = openStore(join(directory, 'copy.db'))
  assert.equal(copy.mailboxPositions.get('imap'), '7')
  assert.throws(
    () => backupDatabase(store.path, join(directory, 'none', 'copy.db')),
    refused('database-failed', /cannot be copied to .*copy\.db/),
  )
  copy.close()
  store.close()
})

test('work that throws is undone alone', (t) => {
  const store = openStore(join(temporaryDirectory(t), 'a.db'))
  const set = (position: string) => store.mailboxPositions.set('imap', position, 1)
  store.begin()
  store.attempt(() => set('first'))
  assert.throws(
    () =>
      store.attempt(() => {
        set('thrown')
        throw new Error('bug')
      }),
    /bug/,
  )
  store.commit()
  assert.equal(store.mailboxPositions.get('imap'), 'first')
  store.close()
})
