// Signing in to the dashboard and out of it in a browser: wrong keys, sessions that end, and what other sites cannot do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { closeBrowser, examine, needsChromium, openPage } from '../support/browser.ts'
import { startDashboard } from '../support/dashboard.ts'
import { freePort } from '../support/ports.ts'

after(closeBrowser)

const isLive = (page: Page) => page.getByText('Live: the figures follow the server.').waitFor()

test(
  'a wrong key is refused in words; a right one leads to the overview, the sign-out away from it',
  needsChromium,
  async (t) => {
    const { url, keys } = await startDashboard(t)
    const opened = await openPage(t)
    const { page, faults } = opened
    await page.goto(`${url}/dashboard`)
    assert.match(page.url(), /\/dashboard\/sign-in\?to=%2Fdashboard$/)
    await examine(opened)
    await page.getByLabel('Key').fill('bsd_wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This is not a valid key').waitFor()
    assert.match(faults.pop() ?? '', /401/)
    await examine(opened)
    await page.getByLabel('Key').fill(keys.read)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${url}/dashboard`)
    await page.getByText('All is well.').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${url}/dashboard/sign-in`)
    await page.goto(`${url}/dashboard`)
    assert.match(page.url(), /sign-in/)
  },
)

test(
  'a browser that comes by plain HTTP, and so sends no Sec-Fetch-Site, signs in and out, and removes an address',
  needsChromium,
  async (t) => {
    const { url, keys } = await startDashboard(t)
    const named = url.replace('127.0.0.1', 'list.example')
    const { page } = await openPage(t)
    await page.goto(`${named}/dashboard`)
    await page.getByLabel('Key').fill(keys.write)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${named}/dashboard`)
    await page.goto(`${named}/lookup/198.51.100.9`)
    await page.evaluate(() => {
      const form = document.createElement('form')
      Object.assign(form, { method: 'post', action: '/lookup/198.51.100.9/removal' })
      document.body.append(form)
      form.submit()
    })
    await page.getByText('198.51.100.9 is not listed').waitFor()
    await page.goto(`${named}/dashboard`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${named}/dashboard/sign-in`)
    await page.goto(`${named}/dashboard`)
    assert.match(page.url(), /sign-in/)
  },
)

test('live figures pause and go on, and end with the session', needsChromium, async (t) => {
  const started = await startDashboard(t)
  const opened = await started.signIn('read')
  await opened.page.goto(`${started.url}/dashboard`)
  const { page, faults } = opened
  await isLive(page)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('Paused at').waitFor()
  await page.getByRole('button', { name: 'Go on' }).click()
  await isLive(page)
  const { stdout } = await started.site.run('key', 'list', '--json')
  const { id } = JSON.parse(stdout).items.find(({ name }: { name: string }) => name === 'read')
  assert.equal((await started.site.run('key', 'revoke', String(id))).code, 0)
  await page.getByText('You are signed out').waitFor()
  assert.deepEqual(faults, [])
  await page.getByRole('link', { name: 'Sign in again' }).click()
  await page.getByText('Your session has ended').waitFor()
})

test(
  'a page that outlives the server says so, and leads to the sign-in of the next one',
  needsChromium,
  async (t) => {
    const started = await startDashboard(t, '', `127.0.0.1:${await freePort()}`)
    const { page } = await started.signIn('read')
    await page.goto(`${started.url}/dashboard`)
    await isLive(page)
    await started.server.kill('SIGTERM')
    await page.getByText('The server does not answer.').waitFor()
    await started.site.start()
    await page.getByText('You are signed out').waitFor()
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await page.getByText('Your session has ended').waitFor()
  },
)

test(
  'a page of another origin cannot act in the name of who is signed in',
  needsChromium,
  async (t) => {
    const started = await startDashboard(t)
    const { page } = await started.signIn('admin')
    const evil = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<form method="post" action="${started.url}/dashboard/sign-out" enctype="text/plain">
      <button>win a prize</button></form>`)
    })
    evil.listen(0, '127.0.0.1')
    await once(evil, 'listening')
    t.after(() => evil.close())
    // The same host on another port is the same site, so the browser does send the cookie.
    await page.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`)
    const statuses = await page.evaluate(async (url) => {
      const body = JSON.stringify({ prefix: '203.0.113.9' })
      const options = { method: 'POST', credentials: 'include', mode: 'no-cors' } as const
      const headers = { 'content-type': 'text/plain' }
      await fetch(`${url}/v1/listings`, { ...options, headers, body }).catch(() => undefined)
      const readable = await fetch(`${url}/v1/stats`, { credentials: 'include' }).catch(
        () => 'refused',
      )
      return typeof readable
    }, started.url)
    assert.equal(statuses, 'string', 'its script reads nothing of ours')
    await page.getByRole('button').click()
    await page.getByText('a page of another site sent this').waitFor()
    const list = JSON.parse((await started.site.run('list', '--json')).stdout)
    assert.deepEqual(list.items, [])
    await page.goto(`${started.url}/dashboard`)
    await page.getByText('All is well.').waitFor()
  },
)
