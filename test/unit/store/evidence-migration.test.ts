// A database of before the details of messages had a table of their own, opened by this program.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openStore } from '../../../src/store/database.ts'
import { address, evidence, prefix, temporaryDirectory } from '../../support/door.ts'

const migrations = join(import.meta.dirname, '../../../src/store/migrations')

test('evidence of an older database keeps its ids and facts, and each message stands once for each client', (t) => {
  const path = join(temporaryDirectory(t), 'a.db')
  const old = new Database(path)
  for (const name of readdirSync(migrations).sort().slice(0, 5)) {
    old.exec(readFileSync(join(migrations, name), 'utf8'))
  }
  old.pragma('user_version = 5')
  const insert = old.prepare(
    `INSERT INTO evidence (id, family, w0, w1, w2, w3, recipient, kind, rule, content, returned, seen_at,
       recorded_at, source, details, decision, why) VALUES (?, ?, ?, 0, 0, 0, ?, ?, 'r', ?, 'm', ?, ?, 'smtp', ?, ?, 'w')`,
  )
  const { w0 } = address('20.0.0.1')
  insert.run(3, 4, w0, 'a@t.example', 'dsn', 'c1', 10, 11, '{"helo":"a"}', 'counted')
  insert.run(5, 4, w0, 'b@t.example', 'dsn', 'c1', 20, 21, '{"helo":"a"}', 'listed')
  insert.run(6, 4, w0 + 1, 'a@t.example', 'dsn', 'c1', 30, 31, '{"helo":"b"}', 'counted')
  insert.run(8, 0, 0, 'a@t.example', null, 'c2', 40, 41, '{}', 'ignored')
  old.close()

  const store = openStore(path)
  t.after(() => store.close())
  assert.deepEqual(
    store.evidence.newest(prefix('20.0.0.1'), 9).map(({ id, recipient, content, details }) => ({
      ...{ id, recipient, content, details },
    })),
    [
      { id: 5, recipient: 'b@t.example', content: 'c1', details: { helo: 'a' } },
      { id: 3, recipient: 'a@t.example', content: 'c1', details: { helo: 'a' } },
    ],
  )
  assert.equal(store.evidence.newest(prefix('20.0.0.2'), 9)[0]?.details.helo, 'b')
  for (const [client, recipient, content] of [
    [address('20.0.0.1'), 'b@t.example', 'c1'],
    [address('20.0.0.2'), 'a@t.example', 'c1'],
    [null, 'a@t.example', 'c2'],
  ] as const) {
    assert.ok(store.evidence.has(client, recipient, content))
  }
  assert.ok(!store.evidence.has(address('20.0.0.2'), 'b@t.example', 'c1'))
  store.begin()
  store.evidence.insert(evidence({ content: 'c1' }), 50, { decision: 'counted', why: 'w' })
  assert.equal(store.evidence.newestId(), 9)
  store.commit()
  const database = new Database(path, { readonly: true })
  assert.equal(database.prepare('SELECT count(*) FROM messages').pluck().get(), 3)
  assert.deepEqual(database.pragma('foreign_key_check'), [])
  database.close()
})
