// Imports and purges in the dashboard: tried first, with what would change; then done, until DNS follows.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { after, test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { closeBrowser, examine, needsChromium } from '../support/browser.ts'
import { startDashboard, tabTo } from '../support/dashboard.ts'
import { origin, until } from '../support/server.ts'

after(closeBrowser)

const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
/** So many that the import takes several looks at its progress. */
const many = 150_000

test(
  'a list is tried, then imported with its progress shown, until DNS answers it',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    const opened = await dashboard.signIn('admin')
    const { page } = opened
    const seen = new Set<string>()
    await page.exposeFunction('note', (text: string) => seen.add(text))
    await page.addInitScript(() => {
      document.addEventListener('DOMContentLoaded', () => {
        const place = document.getElementById('import-progress')
        const { note } = globalThis as unknown as { note(text: string): void }
        if (place) {
          new MutationObserver(() => note(place.textContent)).observe(place, { childList: true })
        }
      })
    })
    await page.goto(`${dashboard.url}/dashboard/lists`)
    const importing = page.getByRole('button', { name: 'Import' })
    assert.equal(await importing.isDisabled(), true)

    await tabTo(opened, 'Name of the list')
    await page.keyboard.type('partners')
    await tabTo(opened, 'Or paste the list')
    await page.keyboard.insertText('198.51.100.1\n198.51.100.2\nnonsense <b>\n')
    await tabTo(opened, 'Try it')
    await page.keyboard.press('Enter')
    const answer = page.locator('[data-answer]')
    await answer.getByText('nonsense <b>').waitFor()
    assert.match((await answer.locator('table').first().textContent()) ?? '', /New2Gone0Kept0/)
    assert.deepEqual((await dashboard.call('GET', '/v1/lists')).body, {
      items: [],
      nextCursor: null,
    })
    await examine(opened)
    // Another list needs another trial.
    await page.getByLabel('Or paste the list').fill('198.51.100.1')
    assert.equal(await importing.isDisabled(), true)

    const lines = Array.from(
      { length: many },
      (_, index) => `${11 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.1`,
    )
    const buffer = Buffer.from(`198.51.100.1\n${lines.join('\n')}\n`)
    await page
      .getByLabel('File')
      .setInputFiles({ name: 'list.txt', mimeType: 'text/plain', buffer })
    await page.getByRole('button', { name: 'Try it' }).click()
    await answer.getByText('150,001').waitFor()
    await importing.click()
    await page
      .locator('[data-told]', { hasText: 'DNS answers list partners: 150,001 new' })
      .waitFor()
    const { a } = await ask(dashboard.server.dns, reversed('198.51.100.1', origin))
    assert.ok(a.includes('127.0.0.2'))
    assert.ok([...seen].some((text) => /^List partners, step \d of 4: \w+, [\d,]+/.test(text)))
    await page.getByText('DNS answers it').waitFor()
    await page.waitForLoadState()

    // A list that would lose most of its entries needs one more word.
    await page.getByLabel('Name of the list').fill('partners')
    await page.getByLabel('Or paste the list').fill('198.51.100.2')
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.getByText('150001 of the 150001 entries of list partners would be removed').waitFor()
    assert.equal(await importing.isDisabled(), true)
    await page.getByLabel('Import it all the same').check()
    await importing.click()
    await page.locator('[data-told]', { hasText: '1 new, 150,001 gone' }).waitFor()
    assert.equal((await ask(dashboard.server.dns, reversed('198.51.100.1', origin))).rcode, 3)
    await examine(opened)
  },
)

test(
  'a wrong line that was pasted is shown to who pasted it, below scope admin too',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    const { page } = await dashboard.signIn('write')
    await page.goto(`${dashboard.url}/dashboard/lists`)
    await page.getByLabel('Name of the list').fill('partners')
    await page.getByLabel('Or paste the list').fill('198.51.100.1\nnonsense <b>\n')
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.locator('[data-answer] code', { hasText: 'nonsense <b>' }).waitFor()
    // The server does not repeat the lines of a file, so the number of the line has to do.
    const buffer = Buffer.from('198.51.100.1\nnonsense of a file\n')
    const file = { name: 'list.txt', mimeType: 'text/plain', buffer }
    await page.getByLabel('File').setInputFiles(file)
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.locator('[data-answer] code', { hasText: '(not shown)' }).waitFor()
  },
)

test('an import that runs already is followed to its end', needsChromium, async (t) => {
  const dashboard = await startDashboard(t)
  const sending = request(`${dashboard.url}/v1/import?list=partners`, {
    method: 'POST',
    headers: { authorization: `Bearer ${dashboard.keys.write}`, 'content-type': 'text/plain' },
  })
  sending.write('198.51.100.1\n')
  // The server closes a connection on which nothing moves for a minute.
  const going = setInterval(() => sending.write('# more to come\n'), 5000)
  t.after(() => clearInterval(going))
  await until(
    () => dashboard.call('GET', '/v1/stats'),
    ({ body }) => (body as { imports: unknown[] }).imports.length === 1,
    30_000,
  )
  const opened = await dashboard.signIn('write')
  const { page } = opened
  await page.goto(`${dashboard.url}/dashboard/lists`)
  await page.getByText('List partners, step 1 of 4: reading').waitFor()
  await examine(opened)
  clearInterval(going)
  sending.end('198.51.100.2\n')
  await page.locator('[data-told]', { hasText: 'The import of list partners has ended.' }).waitFor()
  await page.getByText('DNS answers it').waitFor()
})

test('a purge tells what would end, then ends it', needsChromium, async (t) => {
  const dashboard = await startDashboard(t)
  const { server } = dashboard
  for (const [client, trap] of [
    ['198.51.100.21', 'poisoned'],
    ['198.51.100.22', 'orders'],
  ] as const) {
    const message = bounce.replaceAll('@trap.example.org', `${client}@trap.example.org`)
    const to = [`${trap}@trap.example.org`]
    await submit({ server: server.smtp, from: '', to, client, message })
  }
  const isAnswered = async (address: string) =>
    (await ask(server.dns, reversed(address, origin))).a.length > 0
  assert.deepEqual(
    [await isAnswered('198.51.100.21'), await isAnswered('198.51.100.22')],
    [true, true],
  )
  const opened = await dashboard.signIn('admin')
  const { page } = opened
  await page.goto(`${dashboard.url}/dashboard/purge`)
  await tabTo(opened, 'Trap')
  await page.keyboard.type('poisoned@trap.example.org')
  await page.keyboard.press('Enter')
  const answer = page.locator('[data-answer]')
  await answer.getByText('1 message would no longer count: 1 listing would end at once').waitFor()
  await answer.getByText('198.51.100.21/32').waitFor()
  assert.equal(await isAnswered('198.51.100.21'), true)
  await examine(opened)
  // The focus is on the button that does it.
  await page.keyboard.press('Enter')
  await page.locator('[data-told]', { hasText: '1 message no longer counts.' }).waitFor()
  assert.deepEqual(
    [await isAnswered('198.51.100.21'), await isAnswered('198.51.100.22')],
    [false, true],
  )
  await page.locator('table', { hasText: '1 listing ended' }).waitFor()
  await page.waitForLoadState()
  await page.getByLabel('Seen before (UTC)').fill('2020-01-01T00:00')
  await page.getByRole('button', { name: 'Try it' }).click()
  await answer.getByText('nothing would change').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Purge' }).isDisabled(), true)
})
