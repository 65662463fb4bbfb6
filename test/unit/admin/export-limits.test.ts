// Exports to readers that are slow, stand still or go away: a few at once, two for each key, and none holds anything for
// longer than its reader takes something. As many imports run at once.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, get, type IncomingMessage, request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { serveOnTcp, type TcpOptions } from '../../../src/admin/listeners.ts'
import type { Export } from '../../../src/blocklist/types.ts'
import { listenerOptions, openAdmin } from '../../support/admin.ts'

/** Octets enough to fill what the sockets of both sides hold. */
const entries = 10_000

async function openSite(t: TestContext, more: Partial<TcpOptions> = {}) {
  const admin = openAdmin(t)
  const keys: string[] = []
  for (const name of ['a', 'b', 'c']) {
    const payload = { name, scope: 'read' }
    const made = await admin.app.inject({ method: 'POST', url: '/v1/keys', payload })
    keys.push(made.json().key)
  }
  const reason = 'x'.repeat(1000)
  const lines = Array.from({ length: entries }, (_, index) => {
    const prefix = `20.0.${index >> 8}.${index & 255}`
    return `${JSON.stringify({ prefix, reason })}\n`
  })
  const imported = await admin.app.inject({
    ...{ method: 'POST', url: '/v1/import?list=big&format=ndjson', payload: lines.join('') },
    headers: { 'content-type': 'application/x-ndjson' },
  })
  assert.equal(imported.statusCode, 200, imported.body)
  admin.byKey = true
  const open = new Set<Export>()
  const exported = admin.blocklist.export.bind(admin.blocklist)
  t.mock.method(admin.blocklist, 'export', (list: string | undefined) => {
    const found = exported(list)
    if (found === undefined) return undefined
    open.add(found)
    const close = () => {
      open.delete(found)
      found.close()
    }
    return { ...found, close }
  })
  const whenReleased = async () => {
    while (open.size > 0) await new Promise((next) => setTimeout(next, 20))
  }
  const listener = await serveOnTcp(admin.app, { ...listenerOptions(admin), ...more })
  t.after(() => listener.close())
  /** The head of an answer; its body stays where it is until somebody reads it. */
  const begin = async (key = '', signal?: AbortSignal): Promise<IncomingMessage> => {
    const url = `http://${listener.address}/v1/export?format=ndjson`
    const headers = { authorization: `Bearer ${key}` }
    const asked = get(url, { headers, agent: false, ...(signal && { signal }) })
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    answer.on('error', () => undefined)
    t.after(() => answer.destroy())
    return answer
  }
  return { keys, begin, open, whenReleased }
}

/** Asks until an export begins. */
async function whenFree(begin: () => Promise<IncomingMessage>): Promise<IncomingMessage> {
  for (;;) {
    const answer = await begin()
    if (answer.statusCode === 200) return answer
    assert.equal(answer.statusCode, 429)
    answer.resume()
    await new Promise((next) => setTimeout(next, 20))
  }
}

test('slow exports: two for each key, four in all, and the next one is put off', async (t) => {
  const { keys, begin } = await openSite(t)
  const [a, b, c] = keys
  const first = await begin(a)
  const others = [await begin(a), await begin(b)]
  assert.deepEqual(
    [first, ...others].map(({ statusCode }) => statusCode),
    [200, 200, 200],
  )
  const third = await begin(a)
  assert.equal(third.statusCode, 429)
  assert.equal(third.headers['retry-after'], '10')
  const text = Buffer.concat(await third.toArray()).toString()
  assert.equal(JSON.parse(text).code, 'too-many-exports')
  assert.equal((await begin(c)).statusCode, 200)
  assert.equal((await begin(b)).statusCode, 429, 'b has one, but there are four')
  const whole = Buffer.concat(await first.toArray()).toString()
  assert.equal(whole.split('\n').length, entries + 1)
  assert.equal((await whenFree(() => begin(a))).statusCode, 200)
})

test('a reader that goes away leaves its place and holds no snapshot', async (t) => {
  const { keys, begin, open, whenReleased } = await openSite(t)
  const [a] = keys
  for (let round = 0; round < 3; round++) {
    const answers = [await whenFree(() => begin(a)), await whenFree(() => begin(a))]
    assert.equal(open.size, 2)
    for (const answer of answers) answer.destroy()
    await whenReleased()
  }
  const last = [await whenFree(() => begin(a)), await whenFree(() => begin(a))]
  assert.equal(last.length, 2)
})

test('HEAD answers with the head of an export and reads no entry', async (t) => {
  const { app, blocklist } = openAdmin(t)
  const exported = blocklist.export.bind(blocklist)
  const told: string[] = []
  t.mock.method(blocklist, 'export', (): Export | undefined => {
    const found = exported(undefined)
    if (found === undefined) return undefined
    const { pages, close } = found
    return {
      ...found,
      pages: Iterator.from(pages).map((page) => {
        told.push('read')
        return page
      }),
      close() {
        told.push('closed')
        close()
      },
    }
  })
  const head = await app.inject({ method: 'HEAD', url: '/v1/export' })
  assert.deepEqual([head.statusCode, head.body], [200, ''])
  assert.match(String(head.headers['content-type']), /^text\/plain/)
  while (!told.includes('closed')) await new Promise((next) => setTimeout(next, 20))
  assert.deepEqual(told, ['closed'])
  const whole = await app.inject({ method: 'GET', url: '/v1/export' })
  assert.equal(whole.headers['content-type'], head.headers['content-type'])
  assert.ok(told.includes('read'))
})

test('a reader that takes nothing is dropped, and its place is free', async (t) => {
  const { keys, begin, whenReleased } = await openSite(t, { deadlines: { idleMs: 2000 } })
  const [a] = keys
  for (const answer of [await begin(a), await begin(a)]) answer.pause()
  await whenReleased()
  assert.equal((await whenFree(() => begin(a))).statusCode, 200)
})

test('a reader that takes a little now and then does not keep its place and a snapshot for days', {
  timeout: 120_000,
}, async (t) => {
  const { keys, begin, whenReleased } = await openSite(t, { deadlines: { exchangeMs: 5000 } })
  const [a] = keys
  const answers = [await begin(a), await begin(a)]
  const taking = setInterval(() => {
    for (const answer of answers) answer.read(1000)
  }, 50)
  t.after(() => clearInterval(taking))
  for (const answer of answers) answer.on('readable', () => undefined)
  await whenReleased()
  assert.equal((await whenFree(() => begin(a))).statusCode, 200)
})

test('slow imports: two for each key, and the next one is put off', async (t) => {
  const admin = openAdmin(t)
  const payload = { name: 'a', scope: 'write' }
  const made = await admin.app.inject({ method: 'POST', url: '/v1/keys', payload })
  admin.byKey = true
  const listener = await serveOnTcp(admin.app, listenerOptions(admin))
  t.after(() => listener.close())
  const begin = (list: string): ClientRequest => {
    const sent = request(`http://${listener.address}/v1/import?list=${list}`, {
      ...{ method: 'POST', agent: false },
      headers: { authorization: `Bearer ${made.json().key}`, 'content-type': 'text/plain' },
    })
    sent.on('error', () => undefined)
    t.after(() => sent.destroy())
    sent.write('20.0.0.0/24\n')
    return sent
  }
  const statusOf = async (sent: ClientRequest): Promise<number | undefined> => {
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    answer.resume()
    return answer.statusCode
  }
  const begun = Promise.withResolvers<void>()
  const imported = admin.blocklist.import.bind(admin.blocklist)
  let running = 0
  t.mock.method(admin.blocklist, 'import', (given: Parameters<typeof imported>[0]) => {
    if (++running === 2) begun.resolve()
    return imported(given)
  })
  const first = begin('one')
  const second = begin('two')
  await begun.promise
  assert.equal(await statusOf(begin('three')), 429)
  first.end()
  assert.equal(await statusOf(first), 200)
  second.destroy()
  const fourth = begin('four')
  fourth.end()
  assert.equal(await statusOf(fourth), 200)
})
