// Tests made from the interface's own document: every response that an operation declares is seen, as declared; what
// random bodies and queries are answered is declared; and nothing ends in a 500.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Compile } from 'typebox/compile'
import { OperationalError } from '../../../src/errors.ts'
import { type Admin, evidence, openAdmin } from '../../support/admin.ts'
import { day } from '../../support/door.ts'
import fc from '../../support/properties.ts'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

interface Operation {
  readonly method: Method
  /** As in the document: `/v1/listings/{id}`. */
  readonly path: string
  readonly scope: 'public' | 'read' | 'write' | 'collect' | 'admin'
  readonly takes: string | undefined
  readonly statuses: readonly string[]
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema?: object }> }>>
}

interface Reply {
  readonly statusCode: number
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
}

interface Document {
  paths: Record<string, Record<string, Record<string, unknown>>>
  components: { schemas: { Problem: object } }
}

const message = 'From: MAILER-DAEMON@mx.example.net\r\nSubject: failure\r\n\r\nbounce\r\n'
const inTrap = `recipient=${encodeURIComponent('secret@trap.example.org')}`
/** Requests that every check of an operation's callers, sizes and forms starts from: they succeed as they are. */
const valid: Readonly<Record<string, { url?: string; payload?: string | object }>> = {
  'POST /v1/listings': { payload: { prefix: '203.0.113.9' } },
  'DELETE /v1/listings': { url: '/v1/listings?prefix=203.0.113.1' },
  'PATCH /v1/listings/{id}': { url: '/v1/listings/1', payload: { reason: 'seen again' } },
  'POST /v1/exemptions': { payload: { prefix: '203.0.113.16/28' } },
  'DELETE /v1/exemptions': { url: '/v1/exemptions?prefix=203.0.113.32/28' },
  'DELETE /v1/exemptions/{id}': { url: '/v1/exemptions/2' },
  'POST /v1/exclusions': { payload: { prefix: '203.0.113.16/28' } },
  'DELETE /v1/exclusions': { url: '/v1/exclusions?prefix=203.0.113.32/28' },
  'POST /v1/traps': { payload: { pattern: '@new.example.org' } },
  'DELETE /v1/traps': { url: '/v1/traps?pattern=@old.example.org' },
  'GET /v1/traps/{id}': { url: '/v1/traps/2' },
  'DELETE /v1/traps/{id}': { url: '/v1/traps/2' },
  'GET /v1/mailboxes/{name}': { url: '/v1/mailboxes/box' },
  'POST /v1/mailboxes/{name}/poll': { url: '/v1/mailboxes/box/poll' },
  'GET /v1/lookup/{address}': { url: '/v1/lookup/203.0.113.1' },
  'GET /v1/policy/explain/{address}': { url: '/v1/policy/explain/203.0.113.3' },
  'POST /v1/messages': {
    url: `/v1/messages?client=203.0.113.50&${inTrap}&sender=`,
    payload: message,
  },
  'POST /v1/evidence': {
    payload: {
      items: [
        {
          ...{ client: '203.0.113.50', recipient: 'secret@trap.example.org', kind: 'dsn' },
          ...{
            certainty: 'certain',
            rule: 'test',
            content: '0'.repeat(64),
            returned: '1'.repeat(64),
          },
          ...{ seenAt: '2026-07-01T10:00:00Z', source: 'ingest', details: {} },
        },
      ],
    },
  },
  'POST /v1/classify': { payload: message },
  'POST /v1/purges': { payload: { kind: 'dsn' } },
  'POST /v1/removals': { payload: { address: '203.0.113.3' } },
  'POST /v1/removals/{id}/approve': { url: '/v1/removals/1/approve' },
  'POST /v1/removals/{id}/refuse': { url: '/v1/removals/1/refuse' },
  'POST /v1/keys': { payload: { name: 'new', scope: 'read' } },
  'POST /v1/import': { url: '/v1/import?list=a', payload: '20.0.0.1\n' },
}

/** How to be answered what only this operation answers, beside what `common` does for any. */
const special: Readonly<Record<string, (admin: Admin, ask: Ask) => Promise<Reply>>> = {
  'POST /v1/listings 200': (_, ask) => ask({ payload: { prefix: '203.0.113.1' } }),
  'POST /v1/listings 409': async ({ app }, ask) => {
    await app.inject(json('POST', '/v1/exclusions', { prefix: '203.0.113.9' }))
    return await ask({})
  },
  'POST /v1/listings 422': (_, ask) => ask({ payload: { prefix: '127.0.0.9' } }),
  'PATCH /v1/listings/{id} 409': async ({ app }, ask) => {
    await app.inject({ method: 'DELETE', url: '/v1/listings/1' })
    return await ask({})
  },
  'PATCH /v1/listings/{id} 412': (_, ask) => ask({ headers: { 'if-match': '"other"' } }),
  'PATCH /v1/listings/{id} 428': (_, ask) => ask({ headers: { 'if-match': undefined } }),
  'DELETE /v1/listings 404': (_, ask) => ask({ url: '/v1/listings?prefix=203.0.113.99' }),
  'DELETE /v1/listings/{id} 409': async ({ app }, ask) => {
    await app.inject({ method: 'DELETE', url: '/v1/listings/1' })
    return await ask({})
  },
  'DELETE /v1/listings/{id} 412': (_, ask) => ask({ headers: { 'if-match': '"other"' } }),
  'POST /v1/exemptions 200': (_, ask) => ask({ payload: { prefix: '203.0.113.32/28' } }),
  'DELETE /v1/exemptions 404': (_, ask) => ask({ url: '/v1/exemptions?prefix=203.0.113.99' }),
  'DELETE /v1/exemptions 409': (_, ask) => ask({ url: '/v1/exemptions?prefix=203.0.113.240/28' }),
  'DELETE /v1/exemptions/{id} 409': (_, ask) => ask({ url: '/v1/exemptions/1' }),
  'POST /v1/exclusions 200': (_, ask) => ask({ payload: { prefix: '203.0.113.32/28' } }),
  'DELETE /v1/exclusions 404': (_, ask) => ask({ url: '/v1/exclusions?prefix=203.0.113.99' }),
  'POST /v1/traps 200': (_, ask) => ask({ payload: { pattern: '@old.example.org' } }),
  'DELETE /v1/traps 404': (_, ask) => ask({ url: '/v1/traps?pattern=@none.example.org' }),
  'DELETE /v1/traps 409': (_, ask) => ask({ url: '/v1/traps?pattern=@trap.example.org' }),
  'DELETE /v1/traps/{id} 409': (_, ask) => ask({ url: '/v1/traps/1' }),
  'GET /v1/lookup/{address} 400': (_, ask) => ask({ url: '/v1/lookup/203.0.113.999' }),
  'GET /v1/policy/explain/{address} 400': (_, ask) => ask({ url: '/v1/policy/explain/203.0.113' }),
  'POST /v1/messages 422': (_, ask) =>
    ask({ url: '/v1/messages?client=203.0.113.50&recipient=no@trap.example.com' }),
  'POST /v1/removals 200': (admin, ask) => {
    admin.now += 2 * day
    return ask({})
  },
  'POST /v1/removals 202': (_, ask) => ask({}),
  'POST /v1/removals 400': (_, ask) => ask({ payload: { address: '203.0.113.0/24' } }),
  'POST /v1/removals 403': (admin, ask) => {
    admin.takesRemovals = false
    return ask({})
  },
  'POST /v1/removals 404': (_, ask) => ask({ payload: { address: '203.0.113.4' } }),
  'POST /v1/removals 409': async ({ app }, ask) => {
    await app.inject({ method: 'POST', url: '/v1/removals/1/refuse' })
    return await ask({})
  },
  'POST /v1/removals 422': (_, ask) => ask({ payload: { address: '203.0.113.1' } }),
  'POST /v1/keys 409': (_, ask) => ask({ payload: { name: 'old', scope: 'read' } }),
  'DELETE /v1/keys/{id} 409': async ({ app }, ask) => {
    await app.inject({ method: 'DELETE', url: '/v1/keys/1' })
    return await ask({})
  },
  'POST /v1/reload 422': (admin, ask) => {
    admin.isConfigRight = false
    return ask({})
  },
  'POST /v1/reload 503': (admin, ask) => {
    admin.isReady = false
    return ask({})
  },
  'GET /readyz 503': async (admin, ask) => {
    admin.isReady = false
    return await ask({})
  },
  'GET /v1/export 503': async (admin, ask) => {
    admin.blocklist.export = () => {
      throw new OperationalError('files-exhausted', 'no file left for another connection')
    }
    return await ask({})
  },
  'GET /v1/export 404': (_, ask) => ask({ url: '/v1/export?list=none' }),
  'POST /v1/import 413': (_, ask) => ask({ headers: { 'content-length': '3000000000' } }),
  'POST /v1/import 422': (_, ask) => ask({ payload: 'not a list\n' }),
  'POST /v1/messages 503': withoutMail,
  'POST /v1/classify 400': (_, ask) => ask({ payload: '' }),
  'POST /v1/classify 503': withoutMail,
  'POST /v1/mailboxes/{name}/poll 503': withoutMail,
}

/** What is refused before it changes anything, so that the next request finds the same. */
const refusedEarly = new Set(['400', '401', '403', '404', '412', '413', '414', '415', '428', '429'])

type Request = {
  url?: string
  payload?: string | object
  headers?: Record<string, string | undefined>
  remoteAddress?: string
}
type Ask = (changes: Request) => Promise<Reply>

async function withoutMail(admin: Admin, ask: Ask): Promise<Reply> {
  admin.hasMail = false
  return await ask({})
}

function json(method: Method, url: string, payload: object) {
  return {
    method,
    url,
    payload: JSON.stringify(payload),
    headers: { 'content-type': 'application/json' },
  }
}

/** An entry of the list that is there before each request. */
const entryId = 'drop:203.0.113.5-32'

/** What is there before each request: listings 1 and 2, request for removal 1, exemption 2, exclusion 1, trap 2, key 1, list drop. */
async function fill({ app, blocklist }: Admin): Promise<void> {
  const made = [
    await app.inject({
      ...{ method: 'POST', url: '/v1/import?list=drop', payload: '203.0.113.5\n' },
      headers: { 'content-type': 'text/plain' },
    }),
    await app.inject(json('POST', '/v1/listings', { prefix: '203.0.113.1', kinds: ['dsn'] })),
    await app.inject(json('POST', '/v1/exemptions', { prefix: '203.0.113.32/28' })),
    await app.inject(json('POST', '/v1/exclusions', { prefix: '203.0.113.32/28' })),
    await app.inject(json('POST', '/v1/traps', { pattern: '@old.example.org' })),
    await app.inject(json('POST', '/v1/keys', { name: 'old', scope: 'read' })),
  ]
  // After listing 1, which is by hand.
  await blocklist.record([evidence('203.0.113.3', 'dsn')])
  made.push(await app.inject(json('POST', '/v1/removals', { address: '203.0.113.3' })))
  assert.deepEqual(
    made.map(({ statusCode }) => statusCode),
    [200, 201, 201, 201, 201, 201, 202],
  )
}

function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const {
        responses,
        requestBody,
        'x-scope': scope,
      } = operation as {
        responses: Operation['responses']
        requestBody?: { content: object }
        'x-scope': Operation['scope']
      }
      return {
        ...{ path, scope, responses, statuses: Object.keys(responses) },
        method: method.toUpperCase() as Method,
        takes: requestBody && Object.keys(requestBody.content)[0],
      }
    }),
  )
}

/** Sends the operation's valid request with some changes. */
function asker({ app }: Admin, { method, path, takes }: Operation): Ask {
  const sample = valid[`${method} ${path}`] ?? {}
  return async (changes) => {
    const { url, payload } = { url: path.replace('{id}', '1'), ...sample, ...changes }
    const headers: Record<string, string | undefined> = {
      ...(payload !== undefined && takes && { 'content-type': takes }),
      ...(method === 'PATCH' && { 'if-match': '*' }),
      ...changes.headers,
    }
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined) delete headers[name]
    }
    return await app.inject({
      ...{ method, url, headers: headers as Record<string, string> },
      ...(payload !== undefined && { payload }),
      ...(changes.remoteAddress && { remoteAddress: changes.remoteAddress }),
    })
  }
}

/** How any operation is brought to answer a status that it declares. */
async function provoke(
  t: TestContext,
  admin: Admin,
  operation: Operation,
  status: string,
): Promise<Reply> {
  const { method, path, scope, takes } = operation
  const ask = asker(admin, operation)
  const own = special[`${method} ${path} ${status}`]
  if (own !== undefined) return await own(admin, ask)
  const url = (valid[`${method} ${path}`]?.url ?? path.replace('{id}', '1')).split('?')[0] ?? ''
  switch (status) {
    case '200':
    case '201':
      return await ask({})
    case '400':
      if (path.endsWith('}')) return await ask({ url: path.replace(/\{\w+\}$/, 'x') })
      return method === 'POST'
        ? await ask({ headers: { 'idempotency-key': 'not visible: ä' } })
        : await ask({ url: `${url}?nonsense=1` })
    case '401':
      admin.scope = 'public'
      return await ask({})
    case '403':
      admin.scope = scope === 'collect' ? 'write' : 'collect'
      return await ask({})
    case '404':
      return await ask({
        url: url.replace(/\b(1|2|box)\b/, path.includes('{id}') ? '999' : 'none'),
      })
    case '409':
      return await inProgress(admin, operation)
    case '413':
      return await ask({
        payload:
          takes === 'application/json'
            ? JSON.stringify('x'.repeat(1_100_000))
            : 'x'.repeat(11_000_000),
        headers: { 'content-type': takes ?? 'application/json' },
      })
    case '414':
      return await ask({ url: path.replace(/\{\w+\}/, '1'.repeat(600)) })
    case '415':
      return await ask({ payload: '<x/>', headers: { 'content-type': 'text/xml' } })
    case '422':
      return path === '/v1/import'
        ? await ask({ payload: 'no address' })
        : await reusedKey(admin, operation)
    case '429':
      admin.scope = 'public'
      admin.requestsPerMinute = 1
      await ask({ remoteAddress: '198.51.100.7' })
      return await ask({ remoteAddress: '198.51.100.7' })
    case '503': {
      const other = new Database(`${admin.folder}/list.db`)
      t.after(() => other.close())
      other.exec('BEGIN IMMEDIATE')
      return await ask({})
    }
    default:
      throw new Error(`nothing brings ${method} ${path} to answer ${status}`)
  }
}

/** A second request with the key of one that has been let in and not been answered; for a list its name is the key. */
async function inProgress(admin: Admin, operation: Operation): Promise<Reply> {
  const ask = asker(admin, operation)
  const headers = operation.path === '/v1/import' ? {} : { 'idempotency-key': 'one' }
  const both = await Promise.all([ask({ headers }), ask({ headers })])
  const conflict = both.find(({ statusCode }) => statusCode === 409)
  assert.ok(conflict, both.map(({ statusCode }) => statusCode).join())
  return conflict
}

/** The same Idempotency-Key with another path, which is another request. */
async function reusedKey(admin: Admin, operation: Operation): Promise<Reply> {
  const headers = { 'idempotency-key': 'one' }
  const first = await admin.app.inject({
    ...json('POST', '/v1/listings', { prefix: '203.0.113.200' }),
    headers: { 'content-type': 'application/json', ...headers },
  })
  assert.equal(first.statusCode, 201, first.body)
  return await asker(admin, operation)({ headers })
}

function check(document: Document, operation: Operation, reply: Reply): void {
  const { method, path, responses } = operation
  const where = `${method} ${path} ${reply.statusCode}: ${reply.body}`
  const declared = responses[reply.statusCode]
  assert.ok(declared, `not declared: ${where}`)
  const isProblem = reply.statusCode >= 400
  const schema = isProblem
    ? document.components.schemas.Problem
    : declared.content?.['application/json']?.schema
  const type = String(reply.headers['content-type'])
  if (path === '/v1/export' && !isProblem) {
    assert.match(type, /^(text\/(plain|csv); charset=utf-8|application\/x-ndjson)$/, where)
    return
  }
  assert.match(type, isProblem ? /^application\/problem\+json$/ : /^application\/json/, where)
  const body = JSON.parse(reply.body)
  if (schema !== undefined) assert.deepEqual(Compile(schema).Errors(body), [], where)
  if (isProblem) assert.equal(body.requestId, reply.headers['x-request-id'], where)
  if (reply.statusCode === 429) assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
}

test('every response that the document declares is seen, as it is declared', async (t) => {
  const asked = openAdmin(t)
  await fill(asked)
  const document = (await asked.app.inject('/openapi.json')).json() as Document
  const operations = operationsOf(document)
  assert.ok(operations.length >= 42)
  for (const operation of operations) {
    const name = `${operation.method} ${operation.path}`
    await t.test(name, async (each) => {
      const early = operation.statuses.filter((status) => refusedEarly.has(status))
      const later = operation.statuses.filter((status) => !refusedEarly.has(status))
      // What only reads leaves everything as it was, so that all of it may ask one application.
      let admin = operation.method === 'GET' ? asked : openAdmin(each)
      if (admin !== asked) await fill(admin)
      // The first of the later ones finds what the early ones left as it was.
      for (const status of [...early, ...later]) {
        if (later.indexOf(status) > 0) {
          admin = openAdmin(each)
          await fill(admin)
        }
        Object.assign(admin, { scope: 'admin', requestsPerMinute: 1000, takesRemovals: true })
        const reply = await provoke(each, admin, operation, status)
        assert.equal(String(reply.statusCode), status, `${name}: ${reply.body}`)
        check(document, operation, reply)
      }
    })
  }
})

test('an entry of a list is a listing by its id, as the document declares', async (t) => {
  const admin = openAdmin(t)
  await fill(admin)
  const document = (await admin.app.inject('/openapi.json')).json() as Document
  const operations = operationsOf(document).filter(({ path }) => path === '/v1/listings/{id}')
  const ask = async (method: Method, id: string, headers: Record<string, string> = {}) => {
    const operation = operations.find((each) => each.method === method)
    assert.ok(operation)
    const reply = await admin.app.inject({
      ...{ method, url: `/v1/listings/${id}`, headers },
      ...(method === 'PATCH' && { payload: { reason: 'seen again' } }),
    })
    check(document, operation, reply)
    return { status: reply.statusCode, body: reply.json(), etag: String(reply.headers.etag) }
  }
  const shown = await ask('GET', entryId)
  assert.equal(shown.status, 200)
  assert.deepEqual(shown.body, {
    ...{ id: entryId, prefix: '203.0.113.5/32', kinds: [], state: 'listed' },
    ...{ shadow: null, origin: 'import' },
    ...{ list: 'drop', reason: null, createdAt: '2026-07-01T10:00:00Z', lastHitAt: null },
    ...{ expiresAt: null, hits: 0 },
  })
  assert.equal((await ask('GET', encodeURIComponent(entryId))).etag, shown.etag)
  assert.equal((await ask('PATCH', entryId)).status, 428)
  const patched = await ask('PATCH', entryId, { 'if-match': '*' })
  assert.deepEqual([patched.status, patched.body.code], [409, 'conflict'])
  assert.match(patched.body.detail, /list drop: change the list and import it again/)
  for (const id of ['drop:203.0.113.6-32', 'drop:203.0.113.5-24', 'none:203.0.113.5-32']) {
    for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
      const { status } = await ask(method, id, method === 'GET' ? {} : { 'if-match': '*' })
      assert.equal(status, 404, `${method} ${id}`)
    }
  }
  for (const id of ['drop:203.0.113.5', 'drop:x-32', ':203.0.113.5-32', 'a b:203.0.113.5-32']) {
    assert.equal((await ask('GET', encodeURIComponent(id))).status, 400, id)
  }
  assert.equal((await ask('DELETE', entryId, { 'if-match': '"other"' })).status, 412)
  const removed = await ask('DELETE', entryId, { 'if-match': shown.etag })
  assert.deepEqual([removed.status, removed.body.state], [200, 'removed'])
  const gone = await ask('GET', entryId)
  assert.deepEqual([gone.body.state, gone.etag === shown.etag], ['removed', false])
  assert.equal((await ask('DELETE', entryId)).status, 409)
})

test('every path of the interface is described, with who may call it', async (t) => {
  const document = (await openAdmin(t).app.inject('/openapi.json')).json()
  assert.equal(document.openapi, '3.1.0')
  const wanted = [
    ...['listings', 'exemptions', 'exclusions', 'traps', 'mailboxes', 'messages', 'classify'],
    ...['lookup/{address}', 'import', 'export', 'evidence', 'keys', 'audit', 'stats', 'removals'],
    ...['purges', 'notices'],
  ].map((each) => `/v1/${each}`)
  for (const path of [...wanted, '/healthz', '/readyz', '/openapi.json']) {
    assert.ok(document.paths[path], path)
  }
  for (const { method, path, scope, statuses } of operationsOf(document)) {
    assert.deepEqual(statuses.includes('401'), scope !== 'public', `${method} ${path}`)
    const isProbe = path === '/healthz' || path === '/readyz'
    assert.equal(statuses.includes('429'), !isProbe, `${method} ${path}`)
  }
})

const near = fc.oneof(
  fc.ipV4(),
  fc.ipV4().map((address) => `${address}/24`),
  fc.constantFrom(
    '203.0.113.9',
    '2001:db8::/64',
    '28d',
    '0s',
    '2026-07-09T10:00:00Z',
    '@x.example',
  ),
  fc.constantFrom('dsn', 'callout', 'read', 'admin', '1', 'old', '', null, -1, 2 ** 53),
  fc.string({ unit: 'binary' }),
)
const member = fc.constantFrom(
  ...['prefix', 'prefixes', 'kinds', 'reason', 'expiresAt', 'duration', 'note', 'pattern'],
  ...[
    'list',
    'format',
    'type',
    'strict',
    'dryRun',
    'items',
    'details',
    'seenAt',
    'kind',
    'rule',
    'content',
  ],
  ...['name', 'scope', 'client', 'recipient', 'limit', 'cursor', 'state', 'actor', '__proto__'],
)
const body = fc.oneof(
  fc.dictionary(member, fc.oneof(near, fc.array(near, { maxLength: 4 }), fc.jsonValue()), {
    maxKeys: 5,
  }),
  fc.jsonValue(),
)

test('whatever an operation is sent, it answers what it declares, and never a 500', async (t) => {
  const admin = openAdmin(t)
  await fill(admin)
  const document = (await admin.app.inject('/openapi.json')).json() as Document
  const operations = operationsOf(document)
  const query = fc.dictionary(member, fc.oneof(near, fc.integer()).map(String), { maxKeys: 3 })
  const part = fc.oneof(
    fc.nat(9).map(String),
    fc.constantFrom(entryId, 'drop:203.0.113.6-32', 'drop:2001:db8::-64', 'drop:203.0.113.5-24'),
    fc.string({ minLength: 1 }),
  )
  await fc.assert(
    fc.asyncProperty(
      ...[fc.constantFrom(...operations), body, query, part],
      async (operation, payload, search, id) => {
        const path = operation.path.replace(/\{\w+\}/, encodeURIComponent(id) || 'x')
        const { method, takes } = operation
        const text = JSON.stringify(payload)
        const reply = await admin.app.inject({
          ...{ method, url: `${path}?${new URLSearchParams(search)}` },
          ...(takes && { payload: text, headers: { 'content-type': takes, 'if-match': '*' } }),
        })
        if (reply.statusCode === 404 && !operation.responses['404']) {
          assert.equal(reply.json().code, 'not-found')
        } else {
          check(document, operation, reply)
        }
      },
    ),
    { numRuns: 600 },
  )
  assert.deepEqual(admin.logged, [])
})

/** Evidence that is right but for what is changed in it. */
const piece = fc
  .tuple(
    fc.record({
      client: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom(null, '203.0.113.60', '127.0.0.1')),
      recipient: fc.constantFrom('secret@trap.example.org', 'no@trap.example.com', '@'),
      kind: fc.constantFrom('dsn', 'auto-reply', 'callout', null),
      certainty: fc.constantFrom('certain', 'likely', null),
      rule: fc.constant('test'),
      content: fc.constantFrom('0'.repeat(64), 'a'.repeat(64)),
      returned: fc.constant('1'.repeat(64)),
      seenAt: fc.constantFrom(
        '2026-07-01T10:00:00Z',
        '2026-06-01T10:00:00Z',
        '9999-12-31T23:59:59Z',
      ),
      source: fc.constant('ingest'),
      details: fc.dictionary(fc.constantFrom('subject', 'helo', 'constructor', 'x y'), near, {
        maxKeys: 2,
      }),
    }),
    fc.dictionary(member, near, { maxKeys: 1 }),
  )
  .map(([right, wrong]) => ({ ...right, ...wrong }))
const line = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.tuple(fc.ipV4(), fc.nat(40)).map(([address, length]) => `${address}/${length}`),
  fc.tuple(fc.ipV4(), near, near).map((fields) => fields.join()),
  fc.ipV4().map((address) => JSON.stringify({ prefix: address, kinds: ['dsn'] })),
  fc.constantFrom('!1.2.3.4', ':127.0.0.2:text', '1.2.3', '# note', '$TTL 5', '"', '{'),
  near.map(String),
)
const feedQuery = fc.record(
  {
    list: fc.constantFrom('a', 'b', '../c', ''),
    format: fc.constantFrom('text', 'csv', 'ndjson', 'rbldnsd', 'xml'),
    type: fc.constantFrom('ip4set', 'ip4trie', 'ip6trie', 'dnset'),
    strict: fc.constantFrom('true', 'false', '1'),
  },
  { requiredKeys: ['list'] },
)

test('lists and evidence that are nearly right are answered as declared too, and never with a 500', async (t) => {
  const admin = openAdmin(t)
  await fill(admin)
  const document = (await admin.app.inject('/openapi.json')).json() as Document
  const operations = operationsOf(document)
  const named = (method: Method, path: string): Operation => {
    const found = operations.find((each) => each.method === method && each.path === path)
    assert.ok(found, path)
    return found
  }
  const wholeList = named('POST', '/v1/import')
  const out = named('GET', '/v1/export')
  const intake = named('POST', '/v1/evidence')
  const seen = new Map<string, number>()
  const send = async (operation: Operation, query: object, payload?: string): Promise<void> => {
    const { method, path, takes } = operation
    const reply = await admin.app.inject({
      ...{ method, url: `${path}?${new URLSearchParams({ ...query })}` },
      ...(payload !== undefined && { payload, headers: { 'content-type': takes ?? '' } }),
    })
    check(document, operation, reply)
    const key = `${method} ${path} ${reply.statusCode}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  // Few of the random lists are strict and have a wrong line that can be read.
  await send(wholeList, { list: 'strict', format: 'text', strict: 'true' }, '10.0.0.1\n')
  await fc.assert(
    fc.asyncProperty(
      ...[feedQuery, fc.array(line, { maxLength: 8 }), fc.array(piece, { maxLength: 3 })],
      async (query, lines, items) => {
        await send(wholeList, query, lines.join('\n'))
        const { strict: _, ...asked } = query
        await send(out, asked)
        await send(intake, {}, JSON.stringify({ items }))
      },
    ),
    { numRuns: 150 },
  )
  for (const [operation, status] of [
    ...[['POST /v1/import', 200] as const, ['POST /v1/import', 400] as const],
    ...[['POST /v1/import', 422] as const, ['GET /v1/export', 200] as const],
    ...[['GET /v1/export', 400] as const, ['POST /v1/evidence', 200] as const],
    ...[['POST /v1/evidence', 400] as const],
  ]) {
    assert.ok(seen.get(`${operation} ${status}`), `${operation} never answered ${status}`)
  }
  assert.deepEqual(admin.logged, [])
})
