// The interface describes itself: each operation says in words what it does and who may call it, and shows an example of
// what it takes and answers. The examples are right, and they work.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { evidence, openAdmin, policy } from '../../support/admin.ts'
import { prefix } from '../../support/door.ts'

interface Media {
  readonly schema: object
  readonly example?: unknown
  readonly examples?: Readonly<Record<string, { value: unknown }>>
}

interface Parameter extends Media {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
}

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly security: readonly object[]
  readonly 'x-scope': string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { required: boolean; content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, { content?: Readonly<Record<string, Media>> }>>
}

async function describedBy({ app }: ReturnType<typeof openAdmin>) {
  const { paths } = (await app.inject('/openapi.json')).json() as {
    paths: Record<string, Record<string, Operation>>
  }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase() as 'GET' | 'POST' | 'PATCH' | 'DELETE',
      path,
      operation,
    })),
  )
}

function examplesOf({ example, examples = {} }: Media): unknown[] {
  const several = Object.values(examples).map(({ value }) => value)
  return example === undefined ? several : [example, ...several]
}

/** Says what is wrong with a place that has to have an example. */
function check(where: string, media: Media): void {
  const examples = examplesOf(media)
  assert.ok(examples.length > 0, `${where}: no example`)
  for (const example of examples) {
    assert.deepEqual(Compile(media.schema).Errors(example), [], `${where}: ${String(example)}`)
  }
}

const verbs =
  /^(add|approve|classify|create|delete|explain|export|get|import|list|lookUp|poll|purge|record|refuse|reload|remove|request|revoke|submit|update)[A-Z][A-Za-z]+$/

test('each operation has a name, a summary, a description that ends with its scope, and examples that are right', async (t) => {
  const operations = await describedBy(openAdmin(t))
  assert.ok(operations.length >= 42)
  const ids = operations.map(({ operation }) => operation.operationId)
  assert.equal(new Set(ids).size, ids.length)
  for (const { name, operation } of operations) {
    assert.match(operation.operationId, verbs, name)
    assert.match(operation.summary, /^[A-Z][a-z]+ [^.]{3,60}$/, name)
    const scope = operation['x-scope']
    const told = scope === 'public' ? 'Scope: none, it needs no key.' : `Scope: ${scope}.`
    assert.ok(operation.description.endsWith(`. ${told}`), `${name}: ${operation.description}`)
    assert.ok(operation.description.length > told.length + 10, name)
    assert.equal(operation.security.length, scope === 'public' ? 0 : 1, name)
    for (const parameter of operation.parameters ?? []) {
      const where = `${name} ${parameter.in} ${parameter.name}`
      assert.match(parameter.description ?? '', /^.+\.$/s, where)
      if (parameter.required || parameter.in === 'path') check(where, parameter)
    }
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
      check(`${name} ${type}`, media)
    }
    for (const [status, { content }] of Object.entries(operation.responses)) {
      if (status >= '300') continue
      assert.ok(content, `${name} ${status}`)
      for (const [type, media] of Object.entries(content)) check(`${name} ${status} ${type}`, media)
    }
  }
})

test('a body that may be left out is described so', async (t) => {
  const operations = await describedBy(openAdmin(t))
  const optional = operations.filter(({ operation }) => operation.requestBody?.required === false)
  assert.deepEqual(optional.map(({ name }) => name).sort(), [
    'POST /v1/removals/{id}/approve',
    'POST /v1/removals/{id}/refuse',
  ])
})

test('the examples work: each request that is shown is answered as it should be', async (t) => {
  const documents = await describedBy(openAdmin(t))
  for (const { name, method, path, operation } of documents) {
    if (method === 'GET') continue
    await t.test(name, async (each) => {
      const { content = {}, required } = operation.requestBody ?? {}
      const [type, media] = Object.entries(content)[0] ?? []
      const bodies = media ? examplesOf(media) : [undefined]
      if (required === false) bodies.push(undefined)
      for (const body of bodies) {
        const app = await filled(each, name)
        const url = urlOf(path, operation.parameters ?? [])
        const headers = {
          'if-match': '*',
          ...(body !== undefined && { 'content-type': type ?? '' }),
        }
        const payload = typeof body === 'string' ? body : JSON.stringify(body)
        const reply: { statusCode: number; body: string } = await app.inject({
          ...{ method, url, headers },
          ...(payload !== undefined && { payload }),
        })
        assert.ok(reply.statusCode < 300, `${reply.statusCode} ${reply.body}`)
      }
    })
  }
})

function urlOf(path: string, parameters: readonly Parameter[]): string {
  let url = path
  const query = new URLSearchParams()
  for (const parameter of parameters) {
    const [example] = examplesOf(parameter)
    if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, String(example))
    if (parameter.in === 'query' && parameter.required) query.set(parameter.name, String(example))
  }
  // The mailbox has another name here, and id 1 was the configuration's.
  const here = url.replace('/demo', '/box').replace(/(exemptions|traps)\/1$/, '$1/2')
  return `${here}?${query}`
}

/** An application in which what the examples name is there, unless the operation is to make it. */
async function filled(t: TestContext, name: string) {
  const { app, blocklist } = openAdmin(t)
  await blocklist.reconfigure(
    {
      ...policy,
      allowSpecial: ['198.51.100.0/24', '2001:db8::/32'].map(prefix),
      exempt: [],
      traps: [],
    },
    false,
  )
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  await post('/v1/traps', { pattern: '@trap.example.org' })
  const isRemoval = name.includes('/v1/removals')
  const isExemption = name.includes('/v1/exemptions')
  if (isRemoval) {
    const item = evidence('198.51.100.20', 'dsn', { recipient: 'jane@trap.example.org' })
    await blocklist.record([item])
    if (name.includes('{id}')) await post('/v1/removals', { address: '198.51.100.20' })
  } else if (!name.startsWith('POST')) {
    const path = isExemption ? '/v1/exemptions' : '/v1/exclusions'
    await post(path, { prefix: '198.51.100.32/28' })
    await post('/v1/listings', { prefix: '198.51.100.20' })
    await post('/v1/keys', { name: 'old', scope: 'read' })
    if (name.endsWith('/v1/traps')) await post('/v1/traps', { pattern: '@new.example.org' })
  }
  return app
}
