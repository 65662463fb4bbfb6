// Databases of before: the details of messages had no table of their own, and evidence had no certainty.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openStore } from '../../../src/store/database.ts'
import { address, evidence, prefix, temporaryDirectory } from '../../support/door.ts'

const migrations = join(import.meta.dirname, '../../../src/store/migrations')

/** A database of the given schema, and how to give it evidence. */
function oldDatabase(t: TestContext, schema: number): { path: string; old: Database.Database } {
  const path = join(temporaryDirectory(t), 'a.db')
  const old = new Database(path)
  for (const name of readdirSync(migrations).sort().slice(0, schema)) {
    old.exec(readFileSync(join(migrations, name), 'utf8'))
  }
  old.pragma(`user_version = ${schema}`)
  return { path, old }
}

test('evidence of an older database keeps its ids and facts, and each message stands once for each client', (t) => {
  const { path, old } = oldDatabase(t, 5)
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

test('older evidence becomes certain where its rule and its details say so, else likely', (t) => {
  const { path, old } = oldDatabase(t, 6)
  const message = old.prepare(
    `INSERT INTO messages (id, family, w0, w1, w2, w3, content, details) VALUES (?, 4, 1, 0, 0, 0, ?, ?)`,
  )
  const insert = old.prepare(
    `INSERT INTO evidence (id, message_id, family, w0, w1, w2, w3, recipient, kind, rule, returned, seen_at,
       recorded_at, source, decision, why) VALUES (?, ?, 4, 1, 0, 0, 0, 'a@t.example', ?, ?, ?, 1, 1, 'smtp', 'counted', 'w')`,
  )
  const report = {
    ...{ reversePath: '', finalRecipient: 'x@far.example', action: 'failed' },
    ...{ status: '5.1.1', returnedMessageId: '<1@t.example>' },
  }
  const words = { reversePath: '', finalRecipient: 'x@far.example' }
  const { status: _, ...withoutStatus } = report
  const { reversePath: __, ...withoutPath } = report
  const rows: [kind: string | null, rule: string, details: object, certainty: string | null][] = [
    ['dsn', 'rfc3464-report', report, 'certain'],
    ['dsn', 'rfc3464-report', { ...withoutStatus, diagnosticCode: '550 no' }, 'certain'],
    ['dsn', 'rfc3464-report', withoutStatus, 'likely'],
    ['dsn', 'rfc3464-report', withoutPath, 'likely'],
    ['dsn', 'rfc3464-report', { ...report, reversePath: 'me@far.example' }, 'likely'],
    ['dsn', 'rfc3464-report', { ...report, action: 'delivered' }, 'likely'],
    ['dsn', 'rfc3464-report', { ...report, finalRecipient: 'A@T.example' }, 'likely'],
    ['dsn', 'format-exim', words, 'certain'],
    ['dsn', 'format-exim', { reversePath: '' }, 'likely'],
    ['dsn', 'format-exim', { finalRecipient: 'x@far.example' }, 'likely'],
    ['dsn', 'format-mimecast', words, 'likely'],
    ['dsn', 'mail-system-names-recipient', words, 'likely'],
    ['auto-reply', 'rfc3834-auto-replied', { reversePath: '' }, 'certain'],
    ['auto-reply', 'rfc3834-auto-replied', {}, 'likely'],
    ['auto-reply', 'rfc3834-auto-generated-answer', { reversePath: '' }, 'likely'],
    ['challenge-response', 'challenge-tmda', {}, 'certain'],
    ['challenge-response', 'challenge-words', { reversePath: '' }, 'likely'],
    ['content-notice', 'content-notice-amavis', { reversePath: '' }, 'likely'],
    ['callout', 'callout-null-sender', {}, 'certain'],
    [null, 'not-recognised', { reversePath: '' }, null],
  ]
  for (const [index, [kind, rule, details]] of rows.entries()) {
    message.run(index, `c${index}`, JSON.stringify(details))
    insert.run(index, index, kind, rule, 'returned')
  }
  message.run(90, 'nothing-returned', JSON.stringify(report))
  insert.run(90, 90, 'dsn', 'rfc3464-report', 'nothing-returned')
  old.close()
  const store = openStore(path)
  t.after(() => store.close())
  const migrated = store.evidence.newest({ family: 4, w0: 1, w1: 0, w2: 0, w3: 0, length: 32 }, 99)
  assert.deepEqual(
    migrated
      .reverse()
      .map(({ kind, rule, details, certainty }) => [kind, rule, details, certainty]),
    [...rows, ['dsn', 'rfc3464-report', report, 'likely']],
  )
})
