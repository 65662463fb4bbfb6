// The policy and the guide in a browser.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
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
  await page.waitForURL(/#[a-z-]+$/)
  await page.goto(`${url}/guide/transfers`)
  await page.locator('article a[href="/guide/dns#who-is-answered"]').first().click()
  await page.waitForURL(`${url}/guide/dns#who-is-answered`)
  const missing = await page.goto(`${url}/guide/nothing`)
  assert.equal(missing?.status(), 404)
  assert.equal(await page.locator('h1').textContent(), 'There is no page at this address')
})

test(
  'the policy follows the configuration that a reload brings, in both languages',
  needsChromium,
  async (t) => {
    const { site, url } = await start(t)
    const opened = await openPage(t)
    const { page } = opened
    await page.goto(`${url}/policy`)
    await examine(opened)
    assert.match((await page.locator('main').textContent()) ?? '', /ends by itself 7 days after/)
    const configuration = readFileSync(site.configFile, 'utf8')
    writeFileSync(
      site.configFile,
      configuration.replace('[policy]', '[policy]\nfirstListing = "36h"'),
    )
    const { code, stderr } = await site.run('reload')
    assert.equal(code, 0, stderr)
    await page.reload()
    assert.match((await page.locator('main').textContent()) ?? '', /ends by itself 36 hours after/)
    await page.getByRole('link', { name: 'Configurations for these servers' }).click()
    await page.waitForURL(`${url}/guide/transfers`)

    const german = await openPage(t, { locale: 'de-DE' })
    await german.page.goto(`${url}/policy`)
    assert.equal(await german.page.locator('html').getAttribute('lang'), 'de')
    await examine(german)
  },
)
