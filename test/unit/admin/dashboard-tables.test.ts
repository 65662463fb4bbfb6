// The tables of the dashboard over HTTP, without a browser: pages and filters, what each scope is shown, and the texts of rows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, evidence, openAdmin, start } from '../../support/admin.ts'
import { day } from '../../support/door.ts'
import { noteStatements } from '../../support/statements.ts'

const pages = ['listings', 'removals', 'exemptions', 'exclusions', 'lists']
const pagesOfAdmin = ['evidence', 'traps', 'purge', 'keys', 'audit']

async function show({ app }: Admin, path: string) {
  const { statusCode: status, body: html } = await app.inject(`/dashboard/${path}`)
  return { status, html }
}

async function post({ app }: Admin, url: string, payload: object): Promise<void> {
  const { statusCode, body } = await app.inject({ method: 'POST', url, payload })
  assert.ok(statusCode < 300, body)
}

async function importList({ app }: Admin, list: string, lines: readonly string[]): Promise<void> {
  const { statusCode, body } = await app.inject({
    ...{ method: 'POST', url: `/v1/import?list=${list}`, payload: lines.join('\n') },
    headers: { 'content-type': 'text/plain' },
  })
  assert.equal(statusCode, 200, body)
}

/** The links to listings in the page's table, in their order. */
function prefixesOf(html: string): string[] {
  return [...html.matchAll(/<a href="\/dashboard\/listings\/[^"]+" class="mono">([^<]+)</g)].map(
    ([, prefix = '']) => prefix,
  )
}

test('pages follow each other to the end, with the filter, and entries of lists come after the rows', async (t) => {
  const admin = openAdmin(t)
  const byHand = Array.from({ length: 60 }, (_, index) => `203.0.113.${index + 1}/32`)
  await post(admin, '/v1/listings', { prefixes: byHand })
  const entries = Array.from({ length: 30 }, (_, index) => `11.0.0.${index}/32`)
  await importList(admin, 'partners', entries)
  const seen: string[] = []
  let path = 'listings?kind=&state=listed'
  for (let page = 0; page < 3; page++) {
    const { status, html } = await show(admin, path)
    assert.equal(status, 200)
    seen.push(...prefixesOf(html))
    const next = /href="\/dashboard\/([^"]+)" rel="next"/.exec(html)?.[1]?.replaceAll('&amp;', '&')
    if (next === undefined) break
    assert.match(next, /state=listed&cursor=/)
    path = next
  }
  assert.deepEqual(seen, [...byHand.toReversed(), ...entries])
})

/** The headings of the page's table: where each leads, and how the table is sorted by it. */
function headingsOf(html: string): Record<string, { href?: string; sorted?: string }> {
  const found = html.matchAll(
    /<th scope="col" role="columnheader"(?: class="\w+")?(?: aria-sort="(\w+)")?>(?:<a href="([^"]+)">)?([^<]+)</g,
  )
  return Object.fromEntries(
    [...found].map(([, sorted, href, title = '']) => [
      title,
      {
        ...(href !== undefined && { href: href.replaceAll('&amp;', '&') }),
        ...(sorted !== undefined && { sorted }),
      },
    ]),
  )
}

test('headings sort listings; the filter stays when the order changes, and the order when the filter changes', async (t) => {
  const admin = openAdmin(t)
  for (const [host, duration] of [
    [9, '3d'],
    [2, '9d'],
    [5, '1d'],
  ] as const) {
    await post(admin, '/v1/listings', { prefix: `203.0.113.${host}`, kinds: ['dsn'], duration })
  }
  await post(admin, '/v1/listings', { prefix: '203.0.113.1', expiresAt: null })
  await importList(admin, 'partners', ['11.0.0.7', '11.0.0.3'])
  const entries = ['11.0.0.3/32', '11.0.0.7/32']
  const inOrder = (...hosts: number[]) => hosts.map((host) => `203.0.113.${host}/32`)
  const plain = await show(admin, 'listings')
  assert.deepEqual(prefixesOf(plain.html), [...inOrder(1, 5, 2, 9), ...entries])
  const headings = headingsOf(plain.html)
  assert.deepEqual(headings, {
    Prefix: { href: '/dashboard/listings?sort=address' },
    ...{ Kinds: {}, State: {}, 'Listed by': {}, Reason: {}, Hits: {} },
    'Since (UTC)': { href: '/dashboard/listings', sorted: 'descending' },
    'Ends (UTC)': { href: '/dashboard/listings?sort=ending' },
  })
  const ending = await show(admin, 'listings?sort=ending')
  assert.deepEqual(prefixesOf(ending.html), [...inOrder(5, 9, 2, 1), ...entries])
  assert.equal(headingsOf(ending.html)['Ends (UTC)']?.sorted, 'ascending')
  assert.equal(headingsOf(ending.html)['Since (UTC)']?.sorted, undefined)
  // The filter's form sends the order along. An order alone is no filter, so there is nothing to clear.
  assert.match(ending.html, /<input type="hidden" name="sort" value="ending">/)
  assert.doesNotMatch(ending.html, />Clear</)

  const filtered = await show(admin, 'listings?sort=address&kind=dsn&state=&limit=2')
  assert.deepEqual(prefixesOf(filtered.html), inOrder(2, 5))
  assert.match(filtered.html, /href="\/dashboard\/listings\?sort=address">Clear</)
  assert.match(
    filtered.html,
    /href="[^"]+sort=address&amp;kind=dsn&amp;limit=2&amp;cursor=[^"]+" rel="next"/,
  )
  assert.equal(
    headingsOf(filtered.html)['Ends (UTC)']?.href,
    '/dashboard/listings?kind=dsn&limit=2&sort=ending',
  )

  // With a prefix there is one order. The chosen one comes back when the prefix is taken out of the filter.
  const within = await show(admin, 'listings?sort=ending&prefix=203.0.113.0%2F24')
  assert.deepEqual(prefixesOf(within.html), inOrder(1, 2, 5, 9))
  const { Prefix, 'Ends (UTC)': ends } = headingsOf(within.html)
  assert.deepEqual([Prefix, ends], [{ sorted: 'ascending' }, {}])
  assert.match(within.html, /<input type="hidden" name="sort" value="ending">/)
  assert.equal((await show(admin, 'listings?sort=hits')).status, 400)
})

test('an empty field of a form is no filter, and its times are in UTC', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([
    evidence('203.0.113.50', 'dsn', { seenAt: start - 60 }),
    evidence('203.0.113.51', 'dsn', { seenAt: start }),
  ])
  const { html } = await show(admin, 'evidence?address=&kind=&trap=&from=2026-07-01T10%3A00&to=')
  assert.match(html, /203\.0\.113\.51/)
  assert.doesNotMatch(html, /203\.0\.113\.50/)
  assert.match(html, /name="from" type="datetime-local" value="2026-07-01T10:00:00"/)
})

test('a wrong value of a filter stays in its field, which says what is wrong', async (t) => {
  const admin = openAdmin(t)
  const cases = [
    ['listings?prefix=192.0.2.999&kind=dsn', 'prefix', '192.0.2.999', 'not an IP address'],
    [`listings?list=${'a'.repeat(65)}`, 'list', 'a'.repeat(65), 'must not have more than 64'],
    ['evidence?address=mail&trap=a', 'address', 'mail', 'not an IP address'],
    ['evidence?from=tomorrow', 'from', 'tomorrow', 'must match format'],
  ] as const
  for (const [path, name, value, why] of cases) {
    const { status, html } = await show(admin, path)
    assert.equal(status, 400, path)
    const field = new RegExp(
      `name="${name}" type="[a-z-]+" value="${value}"[^>]* aria-describedby="filter-${name}-fault" aria-invalid="true">`,
    )
    assert.match(html, field)
    assert.match(html, new RegExp(`id="filter-${name}-fault" role="alert">${why}`))
    assert.equal(html.match(/aria-invalid/g)?.length, 1, path)
    assert.doesNotMatch(html, /notice bad/, path)
  }
  const { html } = await show(admin, 'listings?prefix=192.0.2.999&kind=dsn')
  assert.match(html, /<option value="dsn" selected>/)
  // What belongs to no field is told above the table, and what was typed stays all the same.
  const elsewhere = await show(admin, 'listings?list=partners&limit=0&kind=spam')
  assert.match(elsewhere.html, /<p class="notice bad" role="alert">querystring\/limit: must be/)
  assert.match(elsewhere.html, /id="filter-kind-fault" role="alert">must be one of/)
  assert.match(elsewhere.html, /value="partners"/)
})

test('a scope sees what it may, and is told which one it needs for the rest', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([evidence('203.0.113.50', 'dsn')])
  await post(admin, '/v1/exemptions', { prefix: '203.0.113.60' })
  admin.scope = 'read'
  for (const path of [...pages, 'listings/1']) {
    const { status, html } = await show(admin, path)
    assert.equal(status, 200, path)
    assert.doesNotMatch(html, /<dialog|data-dialog|secret-trap|dashboard\/audit/, path)
  }
  for (const path of pagesOfAdmin) {
    const { status, html } = await show(admin, path)
    assert.equal(status, 403, path)
    assert.match(html, /needs a key of scope <strong>admin</, path)
    assert.doesNotMatch(html, /<table|secret-trap/, path)
  }
  admin.scope = 'write'
  assert.match((await show(admin, 'listings')).html, /Delist: 203\.0\.113\.50\/32/)
  assert.doesNotMatch((await show(admin, 'listings/1')).html, /secret-trap/)
  assert.equal((await show(admin, 'traps')).status, 403)
  admin.scope = 'admin'
  assert.match((await show(admin, 'listings/1')).html, /secret-trap@trap\.example\.org/)
  for (const path of [...pages, ...pagesOfAdmin]) {
    assert.equal((await show(admin, path)).status, 200, path)
  }
})

test('what cannot be done has no button', async (t) => {
  const admin = openAdmin(t)
  await post(admin, '/v1/listings', { prefix: '203.0.113.1' })
  await post(admin, '/v1/listings', { prefix: '203.0.113.2' })
  await admin.app.inject({ method: 'DELETE', url: '/v1/listings/2' })
  await importList(admin, 'partners', ['203.0.113.3'])
  await post(admin, '/v1/exemptions', { prefix: '203.0.113.4' })
  const { html } = await show(admin, 'listings')
  const labels = [...html.matchAll(/aria-label="(\w+: [^"]+)"/g)].map(([, label]) => label)
  assert.deepEqual(labels.sort(), [
    'Delist: 203.0.113.1/32',
    'Delist: 203.0.113.3/32',
    'Exempt: 203.0.113.1/32',
    'Exempt: 203.0.113.3/32',
    'Extend: 203.0.113.1/32',
    'Filter: Listings',
  ])
  const exemptions = (await show(admin, 'exemptions')).html
  assert.match(exemptions, /Remove: 203\.0\.113\.4\/32/)
  // The configuration's exemption can be removed only there.
  assert.match(exemptions, /203\.0\.113\.240\/28/)
  assert.doesNotMatch(exemptions, /Remove: 203\.0\.113\.240\/28/)
})

test('times tell how far they are from now', async (t) => {
  const admin = openAdmin(t)
  await post(admin, '/v1/listings', { prefix: '203.0.113.1', duration: '28d' })
  await post(admin, '/v1/listings', { prefix: '203.0.113.2', expiresAt: null })
  admin.now = start + 25 * day
  const { html } = await show(admin, 'listings')
  assert.match(
    html,
    /<time datetime="2026-07-01T10:00:00Z">2026-07-01 10:00<\/time>\s*<small>25 days ago</,
  )
  assert.match(
    html,
    /<time datetime="2026-07-29T10:00:00Z">2026-07-29 10:00<\/time>\s*<small>in 3 days</,
  )
  assert.match(html, /<td[^>]*>never\s*<\/td>/)
})

test('the page of an entry of a list says which listing DNS answers for', async (t) => {
  const admin = openAdmin(t)
  await importList(admin, 'partners', ['2001:db8:1::/48'])
  const { status, html } = await show(admin, 'listings/partners%3A2001%3Adb8%3A1%3A%3A-48')
  assert.equal(status, 200)
  assert.match(
    html,
    /DNS answers .* for 2001:db8:1::, the first address, because 2001:db8:1::\/48 is listed/,
  )
  await post(admin, '/v1/exclusions', { prefix: '2001:db8:1::/64', note: 'a friend' })
  const excluded = await show(admin, 'listings/partners%3A2001%3Adb8%3A1%3A%3A-48')
  assert.match(
    excluded.html,
    /DNS does not answer 2001:db8:1::, .*, since 2001:db8:1::\/64 is excluded/,
  )
  assert.match(excluded.html, /2001:db8:1::\/64 \(a friend\)/)
})

test('a listing that is not there, and a wrong filter, are pages too', async (t) => {
  const admin = openAdmin(t)
  const missing = await show(admin, 'listings/77')
  assert.equal(missing.status, 404)
  assert.match(missing.html, /<h1>/)
  const wrong = await show(admin, 'listings?state=nonsense&list=partners')
  assert.equal(wrong.status, 400)
  assert.match(wrong.html, /id="filter-state-fault" role="alert">must be one of/)
  const unknown = await show(admin, 'listings?cursor=nonsense')
  assert.equal(unknown.status, 400)
  assert.match(unknown.html, /the cursor is not valid/)
})

test('the audit shows what a change has changed', async (t) => {
  const admin = openAdmin(t)
  await post(admin, '/v1/listings', { prefix: '203.0.113.1', kinds: ['dsn'], duration: '1d' })
  const { headers } = await admin.app.inject('/v1/listings/1')
  await admin.app.inject({
    ...{ method: 'PATCH', url: '/v1/listings/1', payload: { kinds: ['callout'] } },
    headers: { 'if-match': String(headers.etag) },
  })
  const { html } = await show(admin, 'audit?action=amend')
  const lines = [...html.matchAll(/<dt>(.*?)<\/dt>\s*<dd>(.*?)<\/dd>/g)].map(([, ...line]) => line)
  assert.deepEqual(lines, [['kinds', '[&quot;dsn&quot;] → [&quot;callout&quot;]']])
})

test('a page with many rows takes no more statements than one with few', async (t) => {
  const admin = openAdmin(t)
  const statements = noteStatements(t)
  const counts = async (): Promise<number[]> => {
    const found: number[] = []
    for (const path of ['listings', 'removals', 'exemptions', 'lists', 'traps', 'keys', 'audit']) {
      statements.length = 0
      assert.equal((await show(admin, path)).status, 200)
      found.push(statements.length)
    }
    return found
  }
  const add = async (first: number): Promise<void> => {
    for (let index = first; index < first + 5; index++) {
      await admin.blocklist.record([evidence(`203.0.113.${index}`, 'dsn')])
      await post(admin, '/v1/removals', { address: `203.0.113.${index}` })
      await post(admin, '/v1/exemptions', { prefix: `192.0.2.${index}` })
      await post(admin, '/v1/traps', { pattern: `${index}@old.example.org` })
      await post(admin, '/v1/keys', { name: `key ${index}`, scope: 'read' })
    }
  }
  await importList(admin, 'partners', ['203.0.113.99'])
  await add(1)
  const few = await counts()
  await add(11)
  assert.deepEqual(await counts(), few)
})
