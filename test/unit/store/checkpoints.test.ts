// Checkpoints by a thread: what is in the log gets into the database, and afterwards SQLite makes them itself again.
import assert from 'node:assert/strict'
import { copyFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStore } from '../../../src/store/database.ts'
import { temporaryDirectory } from '../blocklist/fixture.ts'

test('a thread moves what is committed into the database; without it the log is kept short', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'a.db')
  const store = openStore(path)
  t.after(() => store.close())
  /** What the database file has without its log. */
  const moved = (name: string): string | undefined => {
    copyFileSync(path, join(directory, name))
    const copy = openStore(join(directory, name))
    const position = copy.mailboxPositions.get('imap')
    copy.close()
    return position
  }
  for (const round of ['1', '2']) {
    store.checkpoints.begin()
    store.checkpoints.begin()
    store.mailboxPositions.set('imap', round, 1)
    await store.checkpoints.relieve()
    await store.checkpoints.end()
    await store.checkpoints.end()
    assert.equal(moved(`${round}.db`), round)
  }
  const large = 'x'.repeat(2 ** 20)
  for (let round = 0; round < 20; round++) store.mailboxPositions.set('imap', large + round, 1)
  assert.ok(statSync(`${path}-wal`).size < 2 ** 23, 'the log went on growing')
})

test('a log that has grown long begins at its start again while the thread still runs', async (t) => {
  const path = join(temporaryDirectory(t), 'a.db')
  const store = openStore(path)
  t.after(() => store.close())
  store.checkpoints.begin()
  const large = 'x'.repeat(2 ** 22)
  for (let round = 0; round < 50; round++) {
    store.begin({ mayBeLost: true })
    store.mailboxPositions.set('imap', large + round, 1)
    store.commit()
    await store.checkpoints.relieve()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await store.checkpoints.end()
  assert.ok(statSync(`${path}-wal`).size < 50 * 2 ** 22, 'the log kept all that was written')
})
