// The policy and the guide in a browser.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, type TestContext, test } from 'node:test'
import { closeBrowser, examine, needsChromium, openPage } from '../support/browser.ts'
import { Site } from '../support/server.ts'

after(closeBrowser)

async function start(t: TestContext): Promise<{ site: Site; url: string }> {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration('[admin]\nlisten = "127.0.0.1:0"\n'))
  const server = await site.start()
  return { site, url: `http://${server.admin}` }
}

test('each page of the guide can be read on a phone and in the dark', needsChromium, async (t) => {
  const { url } = await start(t)
  const opened = await openPage(t)
  const { page } = opened
  await page.goto(`${url}/guide`)
  await examine(opened)
  const names = await page
    .locator('.pages a')
    .evaluateAll((links) => links.map((link) => link.getAttribute('href')))
  assert.ok(names.length > 10)
  for (const name of ['/guide/readme', '/guide/dns', '/guide/configuration']) {
    assert.ok(names.includes(name))
    await page.goto(url + name)
    await examine(opened)
  }
  await page.locator('.contents a').last().click()
  assert.match(page.url(), /#[a-z-]+$/)
  await page.goto(`${url}/guide/transfers`)
  await page.locator('article a[href="/guide/dns#who-is-answered"]').first().click()
  await page.waitForURL(`${url}/guide/dns#who-is-answered`)
  const missing = await page.goto(`${url}/guide/nothing`)
  assert.equal(missing?.status(), 404)
  assert.equal(await page.locator('h1').textContent(), 'There is no page at this address')
})
