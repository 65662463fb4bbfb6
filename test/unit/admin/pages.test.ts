// The pages for people, without a browser: what they tell of addresses that are not listed, their languages, headers and errors.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import rows from '../../../data/advice.json' with { type: 'json' }
import german from '../../../data/texts/de.json' with { type: 'json' }
import english from '../../../data/texts/en.json' with { type: 'json' }
import { type Admin, evidence, openAdmin, policy } from '../../support/admin.ts'
import { prefix } from '../../support/door.ts'

/** The page of a look-up as anyone sees it. */
async function get(admin: Admin, url: string, headers: Record<string, string> = {}) {
  admin.scope = 'public'
  const answer = await admin.app.inject({ url, headers: { accept: 'text/html', ...headers } })
  admin.scope = 'admin'
  return answer
}

test('pages of addresses that are not listed are equal but for the address, whatever is known of it', async (t) => {
  const admin = openAdmin(t)
  const two = { messages: 2, traps: 2, windowSeconds: 86_400 }
  await admin.blocklist.reconfigure({
    ...policy,
    ...{ publish: ['dsn'], threshold: { ...policy.threshold, 'auto-reply': two } },
  })
  // Counted below the threshold, listed without being shown, removed, exempt.
  await admin.blocklist.record([
    evidence('203.0.113.1', 'auto-reply'),
    evidence('203.0.113.2', 'callout'),
    evidence('203.0.113.3', 'dsn'),
    evidence('203.0.113.241', 'dsn'),
  ])
  assert.equal(admin.blocklist.explain(prefix('203.0.113.2/32')).state, 'shadow')
  const [removed] = admin.blocklist.explain(prefix('203.0.113.3/32')).listings
  await admin.app.inject({ method: 'DELETE', url: `/v1/listings/${removed?.id}` })
  const shownAt = async (address: string) => {
    const { statusCode, headers, body } = await get(admin, `/lookup/${address}`)
    assert.ok(body.includes(`${address} is not listed`), body)
    const { 'x-request-id': _, date: __, 'content-length': ___, ...same } = headers
    return { statusCode, same, body: body.replaceAll(address, 'ADDRESS') }
  }
  const neverSeen = await shownAt('203.0.113.100')
  for (const last of [1, 2, 3, 241]) {
    assert.deepEqual(await shownAt(`203.0.113.${last}`), neverSeen)
  }
})

test('of a listed address the page shows what the look-up without a key shows, and says whom to ask of others', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  await admin.app.inject({
    ...{ method: 'POST', url: '/v1/listings' },
    payload: { prefix: '203.0.113.11', kinds: ['dsn'], reason: 'a secret reason' },
  })
  const alone = await get(admin, '/lookup/203.0.113.9')
  assert.match(alone.body, /We do not show the details yet/)
  assert.doesNotMatch(alone.body, /secret-trap|mx\.example\.net|failure|10:00/)
  const byHand = await get(admin, '/lookup/203.0.113.11')
  assert.match(
    byHand.body,
    /ask the operator of the list: <a href="mailto:hostmaster@test\.example">/,
  )
  assert.doesNotMatch(byHand.body, /secret reason|method="post"/)
  const entry = await get(admin, '/lookup/127.0.0.2')
  assert.match(entry.body, /127\.0\.0\.2 is listed[\s\S]*This is a test entry/)
})

test('the page counts in the same limits as the interface, and an error on its path is a page', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  const remoteAddress = '198.51.100.77'
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const press = async () => {
    admin.scope = 'public'
    return await admin.app.inject({
      ...{ method: 'POST', url: '/lookup/203.0.113.9/removal', remoteAddress },
      ...{ headers: form, payload: '' },
    })
  }
  for (let each = 0; each < 5; each++) assert.match((await press()).body, /your request waits/)
  const refused = await press()
  assert.equal(refused.statusCode, 429)
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.match(
    refused.body,
    /<h1>Too many requests<\/h1>\n<p>Please wait 1 hour and try again\.<\/p>/,
  )
  const url = '/v1/removals'
  const payload = { address: '203.0.113.9' }
  const same = await admin.app.inject({ method: 'POST', url, payload, remoteAddress })
  assert.equal(same.statusCode, 429)
  assert.equal(same.headers['content-type'], 'application/problem+json')
})

test('what has no page is a page for a browser and a problem document for others', async (t) => {
  const admin = openAdmin(t)
  const page = await get(admin, '/nowhere', { 'accept-language': 'de-CH, en;q=0.5' })
  assert.deepEqual([page.statusCode, page.headers['content-language']], [404, 'de'])
  assert.match(String(page.headers['content-security-policy']), /style-src 'self'/)
  for (const [url, accept] of [
    ['/nowhere', '*/*'],
    ['/v1/nowhere', 'text/html'],
  ] as const) {
    const { headers } = await get(admin, url, { accept })
    assert.equal(headers['content-type'], 'application/problem+json', url)
  }
})

test('a malformed URL has a page and headers like any other, and counts in the limits', async (t) => {
  const admin = openAdmin(t)
  const headersOf = ({ headers }: { headers: Record<string, unknown> }) =>
    Object.keys(headers).filter((name) => name !== 'content-length')
  const missing = await get(admin, '/nowhere')
  for (const [url, status, why] of [
    ['/%zz', 400, /the path is not a well-formed URL/],
    [`/lookup/${'1'.repeat(600)}`, 414, /a part of the path is too long/],
  ] as const) {
    const page = await get(admin, url)
    assert.deepEqual([page.statusCode, headersOf(page)], [status, headersOf(missing)], url)
    assert.match(page.body, /<h1>The request is malformed<\/h1>/)
    assert.match(page.body, why)
    const document = await get(admin, url, { accept: '*/*' })
    assert.equal(document.headers['content-type'], 'application/problem+json')
    assert.equal(document.headers['cache-control'], 'no-store')
  }
  admin.scope = 'public'
  admin.requestsPerMinute = 3
  const remoteAddress = '198.51.100.77'
  const statuses: number[] = []
  for (let each = 0; each < 4; each++) {
    statuses.push((await admin.app.inject({ url: '/%zz', remoteAddress })).statusCode)
  }
  assert.deepEqual(statuses, [400, 400, 400, 429])
})

test('a request that waits is told the rules that it does not meet, in words', async (t) => {
  const admin = openAdmin(t)
  const press = async (language: string) => {
    admin.scope = 'public'
    const { body } = await admin.app.inject({
      ...{ method: 'POST', url: '/lookup/203.0.113.9/removal', payload: '' },
      headers: {
        ...{ 'content-type': 'application/x-www-form-urlencoded', 'accept-language': language },
      },
    })
    admin.scope = 'admin'
    return body
  }
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  const quiet = await press('en')
  assert.match(quiet, /only if our traps have heard nothing new for 1 day\. That is not so yet/)
  assert.doesNotMatch(quiet, /removed fewer/)
  assert.match(await press('de'), /nur zu, wenn unsere Fallen 1 Tag lang nichts Neues gehört haben/)
  const removal = { isOpen: true, quietSeconds: 0, times: 0, periodSeconds: 86_400 }
  await admin.blocklist.reconfigure({ ...policy, removal })
  admin.shownPolicy = { ...admin.shownPolicy, removal }
  const byOperator = await press('en')
  assert.match(byOperator, /the operator decides on it\. You need not ask again/)
  assert.doesNotMatch(byOperator, /only if|From /)
})

test('pages are not kept, their files are kept for a year, and only what browsers need is served', async (t) => {
  const admin = openAdmin(t)
  const page = await get(admin, '/')
  assert.equal(page.headers['cache-control'], 'no-store')
  assert.equal(page.headers['vary'], 'Accept-Language')
  // The hosts below ours may have no HTTPS.
  assert.equal(page.headers['strict-transport-security'], 'max-age=31536000')
  const [, path = ''] = /href="([^"]+)\/pages\.css"/.exec(page.body) ?? []
  const style = await get(admin, `${path}/pages.css`)
  assert.equal(style.headers['cache-control'], 'public, max-age=31536000, immutable')
  const head = await admin.app.inject({ method: 'HEAD', url: `${path}/pages.css` })
  assert.deepEqual([head.statusCode, head.body], [200, ''])
  assert.equal(head.headers['content-length'], style.headers['content-length'])
  for (const file of ['tsconfig.json', '../pages.ts', '%2e%2e/pages.ts']) {
    assert.equal((await get(admin, `${path}/${file}`)).statusCode, 404, file)
  }
  assert.equal((await get(admin, path)).statusCode, 404)
})

test('both languages have the same texts, with the same values in them, and each text is used', () => {
  assert.deepEqual(Object.keys(german), Object.keys(english))
  const advice = rows.flatMap(({ id }) =>
    ['title', 'text', 'log'].map((part) => `advice.${id}.${part}`),
  )
  const sources = globSync('src/admin/pages/**/*.{ts,eta}').map((file) =>
    readFileSync(file, 'utf8'),
  )
  const code = sources.join('\n')
  const isUsed = (key: string): boolean =>
    code.includes(`'${key}'`) || prefixes.some((each) => key.startsWith(each))
  /** Keys that are put together, such as `kind.${kind}`. */
  const prefixes = [...code.matchAll(/`([a-z.]+\.)\$\{/g)].map(([, start = '']) => start)
  for (const [key, text] of Object.entries(english)) {
    const values = (each: string) => [...each.matchAll(/\{\w+\}/g)].map(String).sort()
    assert.deepEqual(values(german[key as keyof typeof german]), values(text), key)
    assert.ok(advice.includes(key) || isUsed(key), `${key} is not used`)
  }
  for (const key of advice) assert.ok(key in english, key)
})

test('each class of the style sheets is used by a page, and each class of a page has its rule', () => {
  const read = (pattern: string): string =>
    globSync(`src/admin/pages/${pattern}`)
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n')
  const rules = read('assets/*.css').replaceAll(/\/\*.*?\*\//gs, '')
  const styled = new Set([...rules.matchAll(/\.([a-z][a-z-]*)/g)].map(([, name = '']) => name))
  const templates = read('templates/*.eta')
  const named = [...templates.matchAll(/class="([^"]*)"/g)].flatMap(([, names = '']) =>
    names
      .replaceAll(/<%.*?%>/g, ' ')
      .trim()
      .split(/\s+/),
  )
  const code = read('{assets/*.js,*.ts}')
  const isUsed = (name: string): boolean =>
    named.includes(name) || new RegExp(`'[a-z ]*\\b${name}\\b[a-z ]*'`).test(code)
  // The classes inside a chart are those of uPlot.
  const unused = [...styled].filter((name) => !isUsed(name) && !name.startsWith('u-'))
  assert.deepEqual(unused, [])
  const unstyled = named.filter((name) => name !== '' && !styled.has(name))
  assert.deepEqual(unstyled, [])
})
