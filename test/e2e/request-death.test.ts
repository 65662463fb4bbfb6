// A request with an Idempotency-Key whose server died in the middle of it: its repetition does nothing twice.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openApp, type PostRequest } from '../support/die-in-request.ts'
import { temporaryDirectory } from '../support/door.ts'

const program = join(import.meta.dirname, '../support/die-in-request.ts')
const digest = 'ab'.repeat(32)
const item = {
  client: '203.0.113.5',
  recipient: 'one@trap.example.org',
  kind: 'dsn',
  certainty: 'certain',
  rule: 'test',
  content: digest,
  returned: digest,
  seenAt: '2026-07-01T09:00:00Z',
  source: 'ingest',
  details: {},
}

/** How many changes a database knows of: entries of the audit, and evidence. */
function changes(path: string): number {
  const database = new Database(path, { readonly: true })
  const count = database
    .prepare<[], number>(
      "SELECT (SELECT count(*) FROM audit WHERE actor <> 'config') + (SELECT count(*) FROM evidence)",
    )
    .pluck()
    .get()
  database.close()
  return count ?? 0
}

const requests: Record<string, PostRequest & { readonly changes: number }> = {
  listings: {
    url: '/v1/listings',
    payload: { prefix: '203.0.113.7', duration: '1d' },
    changes: 1,
  },
  'several listings': {
    url: '/v1/listings',
    payload: { prefixes: ['203.0.113.7', '203.0.113.8'] },
    changes: 2,
  },
  exemptions: { url: '/v1/exemptions', payload: { prefix: '203.0.113.7' }, changes: 1 },
  exclusions: { url: '/v1/exclusions', payload: { prefix: '203.0.113.7' }, changes: 1 },
  traps: { url: '/v1/traps', payload: { pattern: '@other.example.org' }, changes: 1 },
  keys: { url: '/v1/keys', payload: { name: 'feed', scope: 'read' }, changes: 1 },
  // The listing and the message.
  evidence: { url: '/v1/evidence', payload: { items: [item] }, changes: 2 },
}

for (const [name, request] of Object.entries(requests)) {
  // Before the commit they are all alike.
  for (const when of name === 'listings' ? ['before', 'after'] : ['after']) {
    test(`${name}: killed right ${when} the commit, a repetition is not done twice`, async (t) => {
      const path = join(temporaryDirectory(t), 'list.db')
      const run = spawnSync(process.execPath, [program, path, when, JSON.stringify(request)], {
        encoding: 'utf8',
      })
      assert.equal(run.signal, 'SIGKILL', run.stderr)
      assert.equal(changes(path), when === 'after' ? request.changes : 0)
      const { post, close } = openApp(path)
      const repeated = await post(request)
      assert.equal(changes(path), request.changes)
      if (when === 'before') {
        assert.equal(repeated.headers['idempotency-replayed'], undefined)
      } else if (name === 'keys') {
        assert.deepEqual([repeated.statusCode, repeated.json().code], [409, 'told-once'])
      } else {
        assert.equal(repeated.headers['idempotency-replayed'], 'true')
      }
      if (name !== 'keys' || when === 'before') {
        assert.equal(repeated.statusCode, name === 'evidence' ? 200 : 201)
      }
      const again = await post(request)
      assert.equal(changes(path), request.changes)
      assert.equal(again.statusCode, name === 'keys' ? 409 : repeated.statusCode)
      if (name !== 'keys') {
        assert.equal(again.body, repeated.body)
        assert.equal(again.headers.location, repeated.headers.location)
      }
      await close()
    })
  }
}
