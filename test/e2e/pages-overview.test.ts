// The dashboard in a browser: signing in and out, figures that follow the server, and what other sites and strangers cannot do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import {
  closeBrowser,
  examine,
  needsChromium,
  openPage,
  type TestPage,
} from '../support/browser.ts'
import { origin, type Server, Site } from '../support/server.ts'

after(closeBrowser)

interface Started {
  readonly site: Site
  readonly server: Server
  readonly url: string
}

async function start(t: TestContext, more = ''): Promise<Started> {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration(`[admin]\nlisten = "127.0.0.1:0"\n${more}`))
  const server = await site.start()
  return { site, server, url: `http://${server.admin}` }
}

async function makeKey(
  site: Site,
  name: string,
  scope: string,
): Promise<{ id: number; key: string }> {
  const { stdout } = await site.run('key', 'create', '--name', name, '--scope', scope, '--json')
  return JSON.parse(stdout)
}

async function signIn(page: Page, url: string, key: string, path = '/dashboard'): Promise<void> {
  await page.goto(url + path)
  await page.getByLabel('Key').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** A page that is signed in with a key of this scope. */
async function signedIn(t: TestContext, started: Started, scope = 'read'): Promise<TestPage> {
  const { key } = await makeKey(started.site, scope, scope)
  const opened = await openPage(t)
  await signIn(opened.page, started.url, key)
  await opened.page.waitForURL(`${started.url}/dashboard`)
  return opened
}

const isLive = (page: Page) => page.getByText('Live: the figures follow the server.').waitFor()

test(
  'a wrong key is refused in words; a right one leads to the overview, the sign-out away from it',
  needsChromium,
  async (t) => {
    const { site, url } = await start(t)
    const opened = await openPage(t)
    const { page, faults } = opened
    await page.goto(`${url}/dashboard`)
    assert.match(page.url(), /\/dashboard\/sign-in\?to=%2Fdashboard$/)
    await examine(opened)
    await signIn(page, url, 'bsd_wrong')
    await page.getByText('This is not a valid key').waitFor()
    assert.match(faults.pop() ?? '', /401/)
    await examine(opened)
    const { key } = await makeKey(site, 'desk', 'read')
    await page.getByLabel('Key').fill(key)
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
  'the figures follow queries and a bounce, and nothing is wrong with the page',
  needsChromium,
  async (t) => {
    const started = await start(t)
    const { server } = started
    const opened = await signedIn(t, started)
    const { page } = opened
    await isLive(page)
    await page.getByText('Nothing is listed.').waitFor()
    await page.getByText('No query has come in this time.').waitFor()
    await page.getByText('Nothing has come to a trap in two days.').waitFor()
    await examine(opened)

    const client = '198.51.100.10'
    await submit({
      ...{ server: server.smtp, from: '', to: ['orders@trap.example.org'], client },
      message: readFileSync('data/samples/postfix-bounce.eml', 'latin1'),
    })
    await page.locator('#overview-evidence').getByRole('row', { name: 'smtp 1 1 1' }).waitFor()
    await page.locator('#overview-networks').getByText('198.51.100.0/24').waitFor()
    await page.locator('#overview-kinds').getByRole('row', { name: 'bounces (dsn) 1' }).waitFor()
    let isOver = false
    const asking = (async () => {
      while (!isOver) await ask(server.dns, reversed(client, origin))
    })()
    await page.waitForFunction(() => {
      const cell = document.querySelector('#overview-queries tbody tr td')
      return Number.parseFloat(cell?.textContent ?? '') > 0
    })
    isOver = true
    await asking
    await page.locator('#overview-clients').getByText('127.0.0.0/24').waitFor()
    await examine(opened)
    assert.equal(await page.locator('#queries-chart canvas').count(), 1)
    assert.equal(await page.locator('#evidence-chart canvas').count(), 1)
  },
)

test(
  'without JavaScript the overview shows the figures of the moment',
  needsChromium,
  async (t) => {
    const started = await start(t)
    const { key } = await makeKey(started.site, 'desk', 'read')
    const { page } = await openPage(t, { javaScriptEnabled: false })
    await signIn(page, started.url, key)
    await page.getByText('These are the figures of').waitFor()
    await page.getByText('All is well.').waitFor()
    await page.locator('#overview-parts').getByText('1 restarts').waitFor({ state: 'detached' })
    assert.equal(await page.getByRole('button', { name: 'Pause' }).count(), 0)
  },
)

test('live figures pause and go on, and end with the session', needsChromium, async (t) => {
  const started = await start(t)
  const opened = await signedIn(t, started)
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
    const started = await start(t)
    const { page } = await signedIn(t, started)
    await isLive(page)
    const { admin } = started.server
    await started.server.kill('SIGTERM')
    await page.getByText('The server does not answer.').waitFor()
    const { configFile } = started.site
    writeFileSync(configFile, started.site.configuration(`[admin]\nlisten = "${admin}"\n`))
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
    const started = await start(t)
    const { page } = await signedIn(t, started, 'admin')
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

test('hostile text in the error of a mailbox is shown as text', needsChromium, async (t) => {
  const hostile = '<img src=x onerror=alert(1)>'
  const box = `[[mailbox]]\nname = "bad"\ntype = "maildir"\npath = "none/${hostile}"\n`
  const started = await start(t, `${box}schedule = "* * * * * *"\n`)
  const opened = await signedIn(t, started, 'admin')
  await isLive(opened.page)
  await opened.page.locator('#overview-health').getByText(hostile).waitFor()
  await opened.page.locator('#overview-parts').getByText(hostile).waitFor()
  assert.equal(await opened.page.locator('main img').count(), 0)
  await examine(opened)
})
