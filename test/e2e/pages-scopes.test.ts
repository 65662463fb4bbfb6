// What each scope sees in the dashboard's tables and may do there, and what becomes of hostile texts in them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { closeBrowser, examine, needsChromium } from '../support/browser.ts'
import { type Dashboard, startDashboard } from '../support/dashboard.ts'

after(closeBrowser)

const pages = [
  'listings',
  'listings?sort=ending',
  'listings/1',
  'removals',
  'exemptions',
  'exclusions',
  'lists',
]
const pagesOfAdmin = ['evidence', 'traps', 'purge', 'audit', 'keys']
const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')

/** Would run if it came out as anything but text. */
const hostile = '<img src=x onerror=alert(1)>"\'&'

async function deliver({ server }: Dashboard, message: string, client: string): Promise<void> {
  const to = ['secret@trap.example.org']
  assert.match(await submit({ server: server.smtp, from: '', to, client, message }), /^250 /)
}

test(
  'a key of scope read sees no trap and no button, and may change nothing',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    await deliver(dashboard, bounce, '198.51.100.10')
    await dashboard.call('POST', '/v1/removals', { address: '198.51.100.10' })
    await dashboard.call('POST', '/v1/exemptions', { prefix: '192.0.2.1' })
    const opened = await dashboard.signIn('read')
    const { page, faults } = opened
    for (const path of pages) {
      await page.goto(`${dashboard.url}/dashboard/${path}`)
      assert.equal(
        await page.locator('button[data-dialog], dialog, form[data-method], #import').count(),
        0,
        path,
      )
      assert.doesNotMatch(await page.content(), /trap\.example\.org/, path)
      await examine(opened)
    }
    for (const path of pagesOfAdmin) {
      const answer = await page.goto(`${dashboard.url}/dashboard/${path}`)
      assert.equal(answer?.status(), 403, path)
      await page.getByText('This page needs a key of scope admin').waitFor()
      assert.doesNotMatch(await page.content(), /trap\.example\.org/, path)
    }
    // The browser tells of each refused page on its console.
    faults.length = 0
    await examine(opened)
    const status = await page.evaluate(async () => {
      const sent = await fetch('/v1/listings/1', { method: 'DELETE' })
      return sent.status
    })
    assert.equal(status, 403)
  },
)

test('a request that another site sends with the cookie is refused', needsChromium, async (t) => {
  const dashboard = await startDashboard(t)
  await dashboard.call('POST', '/v1/listings', { prefix: '198.51.100.30' })
  const { page } = await dashboard.signIn('write')
  const remove = (headers: Record<string, string>) =>
    page.request.delete(`${dashboard.url}/v1/listings/1`, { headers })
  assert.equal((await remove({ 'sec-fetch-site': 'cross-site' })).status(), 403)
  assert.equal((await remove({ 'sec-fetch-site': 'same-site' })).status(), 403)
  assert.equal((await remove({ origin: 'https://other.example' })).status(), 403)
  assert.equal((await remove({})).status(), 403)
  assert.equal((await remove({ 'sec-fetch-site': 'same-origin' })).status(), 200)
})

test(
  'hostile texts of senders, lists and keys come out as text on every page',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    const message = bounce
      .replace(/^Subject: .*$/m, `Subject: Undelivered Mail Returned to Sender ${hostile}`)
      .replace(/^Reporting-MTA: .*$/m, `Reporting-MTA: dns; ${hostile}`)
      .replace(/^Diagnostic-Code: .*$/m, `Diagnostic-Code: smtp; 550 ${hostile}`)
      .replace(/^Message-Id: .*$/im, `Message-Id: <1${hostile}@mx.example.net>`)
    await deliver(dashboard, message, '198.51.100.40')
    const { call } = dashboard
    await call('POST', '/v1/removals', { address: '198.51.100.40' })
    await call('POST', '/v1/removals/1/refuse', { why: hostile })
    await call('POST', '/v1/listings', { prefix: '198.51.100.41', reason: hostile })
    await call('POST', '/v1/exemptions', { prefix: '192.0.2.1', note: hostile })
    await call('POST', '/v1/exclusions', { prefix: '192.0.2.2', note: hostile })
    const imported = await fetch(`${dashboard.url}/v1/import?list=a.b&format=csv`, {
      method: 'POST',
      headers: { authorization: `Bearer ${dashboard.keys.admin}`, 'content-type': 'text/csv' },
      body: `prefix,reason\n203.0.113.4,"${hostile.replace('"', '""')}"\n`,
    })
    assert.equal(imported.status, 200)

    const opened = await dashboard.signIn('admin')
    const { page } = opened
    const entry = encodeURIComponent('a.b:203.0.113.4-32')
    const shown = {
      listings: 2,
      'listings/1': 3,
      'listings/2': 1,
      [`listings/${entry}`]: 1,
      evidence: 3,
      removals: 1,
      exemptions: 1,
      exclusions: 1,
      audit: 3,
    }
    for (const path of new Set([...pages, ...pagesOfAdmin, ...Object.keys(shown)])) {
      await page.goto(`${dashboard.url}/dashboard/${path}`)
      assert.equal(await page.locator('img').count(), 0, path)
      await page.locator('summary').evaluateAll((all) => {
        for (const each of all) if (each instanceof HTMLElement) each.click()
      })
      const text = (await page.locator('main').textContent()) ?? ''
      const count = text.split('<img src=x onerror=alert(1)>').length - 1
      assert.ok(count >= (shown[path] ?? 0), `${path}: ${count}`)
      // The other pages are examined with a key of scope read.
      if (path === 'listings' || pagesOfAdmin.includes(path)) await examine(opened)
      assert.deepEqual(opened.faults, [], path)
    }
  },
)

test('a malformed filter is told beside it, and what was typed stays', needsChromium, async (t) => {
  const dashboard = await startDashboard(t)
  const opened = await dashboard.signIn('read')
  const { page } = opened
  await page.goto(`${dashboard.url}/dashboard/listings`)
  await page.getByLabel('Address or network').fill('192.0.2.300')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').getByText('not an IP address').waitFor()
  assert.equal(await page.getByLabel('Address or network').inputValue(), '192.0.2.300')
  opened.faults.length = 0
  await examine(opened)
  await page.getByRole('link', { name: 'Clear' }).click()
  await page.getByText('Nothing is listed.').waitFor()
})

test(
  'without JavaScript a purge is not sent, and no URL names a trap',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    const { page } = await dashboard.signIn('admin', { javaScriptEnabled: false })
    await page.goto(`${dashboard.url}/dashboard/purge`)
    await page.getByLabel('Trap').fill('secret@trap.example.org')
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.getByText('this resource takes GET').waitFor()
    assert.equal(page.url(), `${dashboard.url}/dashboard/purge`)
  },
)
