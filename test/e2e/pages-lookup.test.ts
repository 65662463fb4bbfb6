// The look-up in a browser, as a postmaster uses it.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, type TestContext, test } from 'node:test'
import { closeBrowser, examine, needsChromium, openPage } from '../support/browser.ts'
import { type Server, Site } from '../support/server.ts'

after(closeBrowser)

async function start(t: TestContext): Promise<{ site: Site; server: Server; url: string }> {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration('[admin]\nlisten = "127.0.0.1:0"\n'))
  const server = await site.start()
  return { site, server, url: `http://${server.admin}` }
}

test(
  'an address is looked up by keyboard alone, in the page that the link names',
  needsChromium,
  async (t) => {
    const { url } = await start(t)
    const opened = await openPage(t)
    const { page } = opened
    await page.goto(url)
    await examine(opened)
    await page.keyboard.press('Tab')
    while (
      !(await page.locator('#address').evaluate((field) => field === document.activeElement))
    ) {
      await page.keyboard.press('Tab')
    }
    await page.keyboard.type('192.0.2.99')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${url}/lookup/192.0.2.99`)
    assert.equal(await page.locator('h1').textContent(), '192.0.2.99 is not listed')
    await examine(opened)
  },
)
