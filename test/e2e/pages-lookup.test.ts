// The look-up in a browser, as a postmaster uses it: from the link of the TXT record to the removal.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { submit } from '../../scripts/submit.ts'
import { serveOnTcp } from '../../src/admin/listeners.ts'
import { lookupView } from '../../src/admin/pages/lookup-view.ts'
import { PageRenderer } from '../../src/admin/pages/render.ts'
import type { Finding } from '../../src/blocklist/types.ts'
import type { MailDomain } from '../../src/traps/mail-domain.ts'
import { listenerOptions, openAdmin } from '../support/admin.ts'
import { ask, reversed } from '../support/ask.ts'
import { closeBrowser, examine, needsChromium, openPage } from '../support/browser.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

after(closeBrowser)

const sender = '198.51.100.10'
/** Written out in full, as the support of DNS questions wants it, and as pages show it. */
const ipv6 = { full: '2001:0db8:0001:0000:0000:0000:0000:0025', shown: '2001:db8:1::25' }
const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
const maxPageBytes = 100_000

interface Running {
  readonly site: Site
  readonly server: Server
  readonly url: string
}

async function start(t: TestContext, more = '', admin = ''): Promise<Running> {
  const site = new Site(t)
  const publicUrl = 'publicUrl = "https://bl.test.example"'
  const tables = `[admin]\nlisten = "127.0.0.1:0"\n${publicUrl}\n${admin}\n${more}`
  const two = 'threshold.dsn = { messages = 2, traps = 2 }'
  const text = site.configuration(tables).replace('threshold.dsn = { messages = 1 }', two)
  writeFileSync(site.configFile, text)
  const server = await site.start()
  return { site, server, url: `http://${server.admin}` }
}

let messages = 0

/** Bounces to two traps, so that the public sees what they say. */
async function bounce(server: Server, client: string): Promise<void> {
  for (let each = 0; each < 2; each++) {
    const trap = `${++messages}@trap.example.org`
    const message = sample.replaceAll('@trap.example.org', trap)
    const to = [`orders${trap}`]
    assert.match(await submit({ server: server.smtp, from: '', to, client, message }), /^250 /)
  }
  await until(
    () => ask(server.dns, reversed(client, origin)),
    ({ a }) => a.length > 0,
    120_000,
  )
}

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, selector: string): Promise<void> {
  const target = page.locator(selector)
  for (let presses = 0; presses < 200; presses++) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`${selector} is not reached by keyboard`)
}

/** The browser reports the status of a page for a wrong address as an error. */
function isUnexpected(fault: string): boolean {
  return !fault.includes('400 (Bad Request)')
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? ''
}

async function lookUpByKeyboard(page: Page, url: string, text: string): Promise<string> {
  await page.goto(url)
  await tabTo(page, '#address')
  await page.keyboard.type(text)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${url}/lookup/**`)
  return await textOf(page, 'h1')
}

for (const javaScriptEnabled of [true, false]) {
  test(
    `by keyboard alone, JavaScript ${javaScriptEnabled ? 'on' : 'off'}: listed, unlisted, wrong and IPv6`,
    needsChromium,
    async (t) => {
      const { server, url } = await start(t)
      await bounce(server, sender)
      await bounce(server, ipv6.full)
      const opened = await openPage(t, { javaScriptEnabled })
      const { page, faults } = opened
      const answers: readonly [string, string][] = [
        [sender, `${sender} is listed`],
        ['192.0.2.99', '192.0.2.99 is not listed'],
        ['2001:DB8:1:0::25', `${ipv6.shown} is listed`],
        ['2001:db8:2::25', '2001:db8:2::25 is not listed'],
      ]
      for (const [text, answer] of answers) {
        assert.equal(await lookUpByKeyboard(page, url, text), answer)
        if (javaScriptEnabled) await examine(opened)
      }
      await lookUpByKeyboard(page, url, 'mail.example.org')
      assert.equal(await page.locator('#address').getAttribute('aria-invalid'), 'true')
      assert.match(await textOf(page, '#address-fault'), /This is a name/)
      assert.equal(await page.locator('#address').inputValue(), 'mail.example.org')
      const shown = faults.filter((fault) => !fault.includes('400 (Bad Request)'))
      assert.deepEqual(shown, [])
      await page.goto(`${url}/lookup/${sender}`)
      assert.equal((await page.locator('.copy').count()) > 0, javaScriptEnabled)
    },
  )
}

test(
  'the link of the TXT record lands on the page of what is listed, of a network too',
  needsChromium,
  async (t) => {
    const { server, url } = await start(t)
    await bounce(server, sender)
    await bounce(server, ipv6.full)
    for (const address of [sender, ipv6.full]) {
      const { txt } = await ask(server.dns, reversed(address, origin), 'TXT')
      const [link = ''] = /https:\S+/.exec(txt[0] ?? '') ?? []
      assert.match(link, /^https:\/\/bl\.test\.example\/lookup\//)
      const answer = await fetch(url + new URL(link).pathname)
      assert.equal(answer.status, 200)
      assert.match(await answer.text(), /<h1 class="answer bad">\S+ is listed<\/h1>/)
    }
    assert.equal((await fetch(`${url}/lookup/127.0.0.2`)).status, 200)
  },
)

test(
  'removed in one press, by keyboard and without JavaScript, until DNS says NXDOMAIN',
  needsChromium,
  async (t) => {
    const { server, url } = await start(t, '[removal]\nquiet = "0s"\n')
    await bounce(server, sender)
    const { page, faults } = await openPage(t, { javaScriptEnabled: false })
    await page.goto(`${url}/lookup/${sender}`)
    await tabTo(page, 'form[method=post] button')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${url}/lookup/${sender}/removal`)
    assert.equal(await textOf(page, 'h1'), `${sender} is removed from the list`)
    assert.match(await textOf(page, 'main'), /at most 5 minutes/)
    const { rcode } = await until(
      () => ask(server.dns, reversed(sender, origin)),
      (answer) => answer.rcode === 3,
      120_000,
    )
    assert.equal(rcode, 3)
    await page.click('main a')
    await page.waitForURL(`${url}/lookup/${sender}`)
    assert.equal(await textOf(page, 'h1'), `${sender} is not listed`)
    assert.deepEqual(faults, [])
  },
)

test(
  'a removal too early waits, and the page says from when on; a closed server says whom to ask',
  needsChromium,
  async (t) => {
    const { site, server, url } = await start(t)
    await bounce(server, sender)
    const opened = await openPage(t)
    const { page } = opened
    await page.goto(`${url}/lookup/${sender}`)
    await page.click('form[method=post] button')
    await page.waitForURL(`${url}/lookup/${sender}/removal`)
    assert.match(await textOf(page, 'h1'), /still listed: your request waits/)
    assert.match(await textOf(page, 'main'), /From \d+ \w+ \d{4} at \d\d:\d\d UTC on/)
    await examine(opened)
    assert.match((await site.run('removals', 'list')).stdout, /198\.51\.100\.10/)

    const closed = await start(t, '', 'removal = false')
    await bounce(closed.server, sender)
    await page.goto(`${closed.url}/lookup/${sender}`)
    assert.equal(await page.locator('form[method=post]').count(), 0)
    assert.match(await textOf(page, 'main'), /hostmaster@test\.example/)
    const refused = await fetch(`${closed.url}/lookup/${sender}/removal`, { method: 'POST' })
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /<h1>This is not allowed<\/h1>/)
  },
)

const options = {
  ...{ site: 'bl.test.example', contact: 'hostmaster@test.example', ttlSeconds: 300 },
  takesRemovals: true,
}

/** Nothing in it can be shortened, so it needs the most room. */
const longest = '2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa'

function foundAs(values: Readonly<Record<string, string>>): Finding {
  return {
    ...{ query: longest, listed: true, kinds: ['dsn'], codes: ['127.0.0.2'], origin: 'trap' },
    ...{ prefix: `${longest}/128`, since: 1_782_900_000, until: null },
    evidence: [
      {
        ...{ kind: 'dsn', certainty: 'certain', messages: '3–9', traps: '3–9' },
        hours: [1_782_900_000],
        ...values,
      },
    ],
  }
}

function domainOf(name: string): MailDomain {
  return { name, domain: name, spf: 'yes', dkim: 'no', dmarc: 'several' }
}

test(
  'what a stranger writes into his messages and into the field comes out as text',
  needsChromium,
  async (t) => {
    const admin = openAdmin(t)
    admin.scope = 'public'
    const hostile = {
      helo: `"><svg/onload=alert(1)>${'a'.repeat(200)}`,
      reportingMta: '</code><img src=x onerror=alert(1)>',
      generator: '<script>alert(1)</script>',
      status: "'-alert(1)-'",
    }
    // The list shows no such values, so a page is made of them directly.
    const renderer = new PageRenderer('bl.test.example')
    admin.app.after(() => {
      admin.app.get('/hostile', { config: { scope: 'public', isPage: true } }, (request, reply) =>
        renderer.render(request, reply, {
          ...{ template: 'lookup', title: hostile.helo, styles: ['tables.css', 'lookup.css'] },
          view: lookupView(foundAs(hostile), domainOf(hostile.helo), options, 'en'),
        }),
      )
    })
    const { address, close } = await serveOnTcp(admin.app, listenerOptions(admin))
    t.after(() => close())
    const opened = await openPage(t)
    const { page, faults } = opened
    page.on('dialog', (dialog) => faults.push(dialog.message()))
    await page.goto(`http://${address}/hostile`)
    const row = await textOf(page, 'tbody')
    for (const value of Object.values(hostile)) assert.ok(row.includes(value), row)
    await examine(opened)
    const wrong = '"><script>alert(1)</script>'
    await page.goto(`http://${address}/lookup/${encodeURIComponent(wrong)}`)
    assert.equal(await page.locator('#address').inputValue(), wrong)
    assert.equal(await page.locator('main img, main svg, main script').count(), 0)
    assert.deepEqual(faults.filter(isUnexpected), [])
  },
)

test('German by Accept-Language, and everything together is light', needsChromium, async (t) => {
  const { server, url } = await start(t)
  await bounce(server, sender)
  const opened = await openPage(t, { locale: 'de-DE' })
  const { page } = opened
  const loaded: Promise<Buffer>[] = []
  page.on('response', (response) => loaded.push(response.body()))
  await page.goto(`${url}/lookup/${sender}`, { waitUntil: 'networkidle' })
  assert.equal(await textOf(page, 'h1'), `${sender} steht auf der Liste`)
  assert.equal(await page.locator('html').getAttribute('lang'), 'de')
  assert.doesNotMatch(await textOf(page, 'main'), /\b(the|your|which)\b/)
  const bytes = Buffer.concat(await Promise.all(loaded)).length
  assert.ok(bytes > 20_000 && bytes < maxPageBytes, `${bytes} octets`)
  await examine(opened)
})
