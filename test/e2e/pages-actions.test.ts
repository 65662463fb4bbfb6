// What an operator does in the tables of the dashboard, by keyboard alone, seen in DNS and in the HTTP interface.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { closeBrowser, examine, needsChromium, type TestPage } from '../support/browser.ts'
import { type Dashboard, startDashboard, tabTo } from '../support/dashboard.ts'
import { origin, until } from '../support/server.ts'

after(closeBrowser)

const day = 86_400_000
const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')

async function deliver({ server }: Dashboard, client: string): Promise<void> {
  const message = bounce.replaceAll('@trap.example.org', `${client}@trap.example.org`)
  const to = ['orders@trap.example.org']
  assert.match(await submit({ server: server.smtp, from: '', to, client, message }), /^250 /)
}

async function isAnswered({ server }: Dashboard, address: string, expected: boolean) {
  const { a } = await until(
    () => ask(server.dns, reversed(address, origin)),
    (answer) => answer.a.length > 0 === expected,
    30_000,
  )
  assert.equal(a.length > 0, expected, address)
}

/** What the page says was done. Its element has the focus, so that a screen reader begins there. */
async function told({ page }: TestPage, text: string): Promise<void> {
  const place = page.locator('[data-told]', { hasText: text })
  await place.waitFor()
  await page.waitForLoadState()
  assert.ok(await place.evaluate((element) => element === document.activeElement))
}

interface Listing {
  readonly id: number
  readonly state: string
  readonly kinds: string[]
  readonly reason: string | null
  readonly expiresAt: string | null
}

async function listingOf(dashboard: Dashboard, prefix: string): Promise<Listing> {
  const { body } = await dashboard.call('GET', `/v1/listings?prefix=${prefix}`)
  const [listing] = (body as { items: Listing[] }).items
  assert.ok(listing, prefix)
  return listing
}

test(
  'listings are added, extended, exempted and ended by keyboard, and DNS follows',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    const opened = await dashboard.signIn('write')
    const { page } = opened
    await page.goto(`${dashboard.url}/dashboard/listings`)
    await page.getByText('Nothing is listed.').waitFor()
    await examine(opened)

    await tabTo(opened, 'Add a listing')
    await page.keyboard.press('Enter')
    await page.keyboard.type('198.51.100.7')
    await page.keyboard.press('Enter')
    await page.keyboard.type('10.0.0.1')
    await tabTo(opened, 'dsn')
    await page.keyboard.press('Space')
    await tabTo(opened, 'Reason')
    await page.keyboard.type('forged senders')
    await examine(opened)
    await page.keyboard.press('Enter')
    const fault = page.locator('dialog[open] [data-fault]')
    await fault.getByText('10.0.0.1/32 is in 10.0.0.0/8').waitFor()
    assert.equal((await dashboard.call('GET', '/v1/listings')).status, 200)
    // Nothing that was typed is lost.
    const addresses = page.locator('dialog[open] textarea')
    assert.equal(await addresses.inputValue(), '198.51.100.7\n10.0.0.1')
    await addresses.fill('198.51.100.7')
    await addresses.press('Tab')
    await tabTo(opened, 'Add')
    opened.faults.length = 0
    await page.keyboard.press('Enter')
    await told(opened, 'It is listed.')
    await isAnswered(dashboard, '198.51.100.7', true)
    const added = await listingOf(dashboard, '198.51.100.7')
    assert.deepEqual([added.kinds, added.reason], [['dsn'], 'forged senders'])
    assert.equal(Math.round((Date.parse(added.expiresAt ?? '') - Date.now()) / day), 7)

    await tabTo(opened, 'Ends (UTC)')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\?sort=ending$/)
    assert.equal(await page.locator('th[aria-sort=ascending]').textContent(), 'Ends (UTC)')
    await examine(opened)

    await tabTo(opened, 'Extend: 198.51.100.7/32')
    await page.keyboard.press('Enter')
    await page.locator('dialog[open]').waitFor()
    await page.keyboard.press('End')
    await tabTo(opened, 'Extend')
    await page.keyboard.press('Enter')
    await told(opened, '198.51.100.7/32 has another end now.')
    assert.equal((await listingOf(dashboard, '198.51.100.7')).expiresAt, null)

    await tabTo(opened, 'Delist: 198.51.100.7/32')
    await page.keyboard.press('Enter')
    await page.locator('dialog[open]').waitFor()
    await page.keyboard.press('Escape')
    await isAnswered(dashboard, '198.51.100.7', true)
    await page.keyboard.press('Enter')
    await tabTo(opened, 'Delist')
    await page.keyboard.press('Enter')
    await told(opened, '198.51.100.7/32 is off the list.')
    await isAnswered(dashboard, '198.51.100.7', false)

    await deliver(dashboard, '198.51.100.8')
    await isAnswered(dashboard, '198.51.100.8', true)
    await page.reload()
    await tabTo(opened, 'Exempt: 198.51.100.8/32')
    await page.keyboard.press('Enter')
    await tabTo(opened, 'Note')
    await page.keyboard.type('our own relay')
    await page.keyboard.press('Enter')
    await told(opened, '198.51.100.8/32 is exempt.')
    await isAnswered(dashboard, '198.51.100.8', false)
    await page.goto(`${dashboard.url}/dashboard/exemptions`)
    await page.getByText('our own relay').waitFor()
    await examine(opened)
  },
)

test(
  'a change that meets another one is refused, and says what to do',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    await dashboard.call('POST', '/v1/listings', { prefix: '198.51.100.9' })
    const opened = await dashboard.signIn('write')
    const { page } = opened
    await page.goto(`${dashboard.url}/dashboard/listings`)
    await dashboard.call('POST', '/v1/listings', { prefix: '198.51.100.9', expiresAt: null })
    await page.getByRole('button', { name: 'Extend: 198.51.100.9/32' }).click()
    await page.locator('dialog[open]').getByRole('button', { name: 'Extend' }).click()
    await page.getByText('Somebody changed it meanwhile.').waitFor()
    assert.equal((await listingOf(dashboard, '198.51.100.9')).expiresAt, null)
  },
)

test(
  'a removal that waits is approved by keyboard, and another refused',
  needsChromium,
  async (t) => {
    const dashboard = await startDashboard(t)
    for (const address of ['198.51.100.11', '198.51.100.12']) {
      await deliver(dashboard, address)
      await isAnswered(dashboard, address, true)
      const { status } = await dashboard.call('POST', '/v1/removals', { address })
      assert.equal(status, 202)
    }
    const opened = await dashboard.signIn('write')
    const { page } = opened
    await page.goto(`${dashboard.url}/dashboard/removals?state=queued`)
    await examine(opened)
    await tabTo(opened, 'Approve: 198.51.100.11/32')
    await page.keyboard.press('Enter')
    await page.keyboard.type('they mended their server')
    await page.keyboard.press('Enter')
    await told(opened, '198.51.100.11/32 is removed.')
    await isAnswered(dashboard, '198.51.100.11', false)
    await tabTo(opened, 'Refuse: 198.51.100.12/32')
    await page.keyboard.press('Enter')
    await tabTo(opened, 'Refuse')
    await page.keyboard.press('Enter')
    await told(opened, '198.51.100.12/32 stays listed.')
    await page.getByText('No request is in this state.').waitFor()
    await isAnswered(dashboard, '198.51.100.12', true)
    const { body } = await dashboard.call('GET', '/v1/removals')
    const { items } = body as { items: { state: string; decidedBy: string; why: string }[] }
    assert.deepEqual(
      items.map(({ state, decidedBy, why }) => [state, decidedBy, why]),
      [
        ['refused', 'write', 'refused by the operator'],
        ['removed', 'write', 'they mended their server'],
      ],
    )
  },
)

test('traps, exclusions and keys are made and taken away', needsChromium, async (t) => {
  const dashboard = await startDashboard(t)
  await dashboard.call('POST', '/v1/listings', { prefix: '198.51.100.0/28' })
  const opened = await dashboard.signIn('admin')
  const { page } = opened

  await page.goto(`${dashboard.url}/dashboard/traps`)
  await tabTo(opened, 'Add a trap')
  await page.keyboard.press('Enter')
  await page.keyboard.type('old@new.example.org')
  await page.keyboard.press('Enter')
  await told(opened, 'The trap is set.')
  const { server } = dashboard
  const to = ['old@new.example.org']
  const message = bounce.replaceAll('@trap.example.org', '1@trap.example.org')
  const client = '198.51.100.77'
  assert.match(await submit({ server: server.smtp, from: '', to, client, message }), /^250 /)
  await isAnswered(dashboard, client, true)
  await tabTo(opened, 'Remove: old@new.example.org')
  await page.keyboard.press('Enter')
  await tabTo(opened, 'Remove')
  await page.keyboard.press('Enter')
  await told(opened, 'old@new.example.org is no trap any more.')
  await assert.rejects(
    submit({ server: server.smtp, from: '', to, client, message }),
    /^Error: 550 /,
  )

  await page.goto(`${dashboard.url}/dashboard/exclusions`)
  await tabTo(opened, 'Add an exclusion')
  await page.keyboard.press('Enter')
  await page.keyboard.type('198.51.100.3')
  await page.keyboard.press('Enter')
  await told(opened, 'It is left out of larger listings.')
  await isAnswered(dashboard, '198.51.100.3', false)
  await isAnswered(dashboard, '198.51.100.4', true)

  await page.goto(`${dashboard.url}/dashboard/keys`)
  await tabTo(opened, 'Make a key')
  await page.keyboard.press('Enter')
  await page.keyboard.type('monitor')
  await page.keyboard.press('Enter')
  const secret = (await page.locator('dialog[open] pre').textContent()) ?? ''
  await examine(opened)
  const status = async () => {
    const headers = { authorization: `Bearer ${secret}` }
    return (await fetch(`${dashboard.url}/v1/stats`, { headers })).status
  }
  assert.equal(await status(), 200)
  const reloaded = page.waitForEvent('load')
  await page.getByRole('button', { name: 'I have kept it' }).click()
  await reloaded
  await page.getByRole('button', { name: 'Revoke: monitor' }).click()
  assert.doesNotMatch(await page.content(), new RegExp(secret))
  await page.locator('dialog[open]').getByRole('button', { name: 'Revoke' }).click()
  await told(opened, 'Key monitor is revoked.')
  assert.equal(await status(), 401)
})
