// /v1/policy/explain: for scope read, and without anything that names a trap or that a sender chose.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Admin, evidence, openAdmin } from '../../support/admin.ts'
import { disclosuresIn } from '../../support/disclosure.ts'

const path = '/v1/policy/explain/203.0.113.9'
const trap = 'secret-trap@trap.example.org'
const stranger = 'quiet.heron@hidden.example'

async function filled(t: TestContext): Promise<Admin> {
  const admin = openAdmin(t)
  const chosen = { helo: 'chosen.example', generator: 'chosen', subject: `to ${trap}` }
  await admin.blocklist.record([
    evidence('203.0.113.9', 'dsn', { details: chosen }),
    evidence('203.0.113.9', 'dsn', { addressed: { to: [stranger], returnedAuthors: [] } }),
    evidence('203.0.113.9', 'auto-reply', { certainty: 'likely' }),
    evidence('203.0.113.9', 'callout', { genuine: `it names ${stranger}` }),
  ])
  return admin
}

test('scope read is enough, and less is not', async (t) => {
  const admin = await filled(t)
  const statuses: number[] = []
  for (const scope of ['public', 'collect', 'read', 'write', 'admin'] as const) {
    admin.scope = scope
    statuses.push((await admin.app.inject(path)).statusCode)
  }
  assert.deepEqual(statuses, [401, 403, 200, 200, 200])
})

test('the answer has times as text, counts and reasons', async (t) => {
  const admin = await filled(t)
  const { listing, kinds, messages, past, exits, ...rest } = (await admin.app.inject(path)).json()
  assert.deepEqual(rest, {
    ...{ query: '203.0.113.9', prefix: '203.0.113.9/32', state: 'listed', listed: true },
    sentence: '203.0.113.9/32 is listed for dsn until 2026-07-08T10:00:00Z',
    next: { episode: 2, termSeconds: 1_209_600, lowerAt: '2026-08-05T10:00:00Z' },
    counted: [],
  })
  assert.deepEqual(listing, {
    ...{ kinds: ['dsn'], createdAt: '2026-07-01T10:00:00Z', expiresAt: '2026-07-08T10:00:00Z' },
    ...{ heldUntil: null, shadow: null, episode: 1, termSeconds: 604_800, hits: 1 },
    basis: [
      {
        ...{ rule: 'lists', kind: 'dsn', messages: 1, traps: 1 },
        ...{ from: '2026-07-01T10:00:00Z', to: '2026-07-01T10:00:00Z' },
      },
    ],
  })
  assert.deepEqual(kinds[0].next, {
    ...{ effect: 'extends', messages: 1, otherReturned: 0, otherTraps: 0, needsCertain: true },
    ...{ before: '2026-07-08T10:00:00Z', expiresAt: '2026-07-08T10:00:00Z', episode: 1 },
  })
  assert.deepEqual(
    messages.map(({ kind, counts }: { kind: string; counts: boolean }) => [kind, counts]),
    [
      ['callout', false],
      ['auto-reply', true],
      ['dsn', false],
      ['dsn', true],
    ],
  )
  assert.deepEqual(Object.keys(messages[0]), [
    ...['seenAt', 'kind', 'certainty', 'rule', 'counts', 'why', 'did'],
  ])
  assert.equal(past[0].listedAt, '2026-07-01T10:00:00Z')
  assert.deepEqual(
    exits.map(({ by, at }: { by: string; at: string }) => [by, at]),
    [
      ['time', '2026-07-08T10:00:00Z'],
      ['request', '2026-07-02T10:00:00Z'],
      ['remove', '2026-07-01T10:00:00Z'],
      ['exempt', '2026-07-01T10:00:00Z'],
    ],
  )
})

test('it names no trap, no stranger, and nothing that the sender chose', async (t) => {
  const admin = await filled(t)
  admin.scope = 'admin'
  const shown = (await admin.app.inject('/v1/lookup/203.0.113.9')).body
  assert.notDeepEqual(disclosuresIn(shown, [trap, stranger]), [], 'the look-up names them')
  const { body } = await admin.app.inject(path)
  assert.deepEqual(disclosuresIn(body, [trap, stranger]), [])
  assert.doesNotMatch(body, /chosen|mx\.example\.net|failure/)
})

test('only an address can be explained', async (t) => {
  const admin = openAdmin(t)
  for (const text of ['203.0.113', '203.0.113.0%2F24', 'example.org']) {
    const reply = await admin.app.inject(`/v1/policy/explain/${text}`)
    assert.equal(reply.statusCode, 400, text)
    assert.equal(reply.json().code, 'malformed')
  }
  const mapped = await admin.app.inject('/v1/policy/explain/::ffff:203.0.113.9')
  assert.equal(mapped.json().prefix, '203.0.113.9/32')
})
