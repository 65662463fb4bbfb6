// The overview of the dashboard in a browser: figures that follow the server, with and without JavaScript, and hostile text in it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { closeBrowser, examine, needsChromium } from '../support/browser.ts'
import { startDashboard } from '../support/dashboard.ts'
import { origin } from '../support/server.ts'

after(closeBrowser)

const isLive = (page: Page) => page.getByText('Live: the figures follow the server.').waitFor()

test(
  'the figures follow queries and a bounce, and nothing is wrong with the page',
  needsChromium,
  async (t) => {
    const started = await startDashboard(t)
    const { server } = started
    const opened = await started.signIn('read')
    await opened.page.goto(`${started.url}/dashboard`)
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
    // This hour, 24 hours, two days. Another hour may begin meanwhile.
    const smtp = { name: /^smtp [01] 1 1$/ }
    await page.locator('#overview-evidence').getByRole('row', smtp).waitFor()
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
    const started = await startDashboard(t)
    const { page } = await started.signIn('read', { javaScriptEnabled: false })
    await page.goto(`${started.url}/dashboard`)
    await page.getByText('These are the figures of').waitFor()
    await page.getByText('All is well.').waitFor()
    await page.locator('#overview-parts').getByText('1 restarts').waitFor({ state: 'detached' })
    assert.equal(await page.getByRole('button', { name: 'Pause' }).count(), 0)
  },
)

test('hostile text in the error of a mailbox is shown as text', needsChromium, async (t) => {
  const hostile = '<img src=x onerror=alert(1)>'
  const box = `[[mailbox]]\nname = "bad"\ntype = "maildir"\npath = "none/${hostile}"\n`
  const started = await startDashboard(t, `${box}schedule = "* * * * * *"\n`)
  const opened = await started.signIn('admin')
  await opened.page.goto(`${started.url}/dashboard`)
  await isLive(opened.page)
  await opened.page.locator('#overview-health').getByText(hostile).waitFor()
  await opened.page.locator('#overview-parts').getByText(hostile).waitFor()
  assert.equal(await opened.page.locator('main img').count(), 0)
  await examine(opened)
})
