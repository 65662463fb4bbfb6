// /policy tells what the configuration in force says: thresholds, terms, removal, codes; and nothing of the traps.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mailServerLines } from '../../../src/admin/mail-server-lines.ts'
import type { ShownPolicy } from '../../../src/admin/options.ts'
import { type Admin, openAdmin } from '../../support/admin.ts'
import { testPolicy } from '../../support/door.ts'

const day = 86_400

/** The text of the page, its markup as blanks. */
async function textOf({ app }: Admin, language = 'en'): Promise<string> {
  const { statusCode, headers, body } = await app.inject({
    url: '/policy',
    headers: { 'accept-language': language },
  })
  assert.equal(statusCode, 200)
  assert.equal(headers['content-language'], language)
  const text = body.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
  const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" }
  return text.replaceAll(/&(\w+|#39);/g, (whole, name: string) => entities[name] ?? whole)
}

function shown(changes: Partial<ShownPolicy>): ShownPolicy {
  return { ...testPolicy(), asksHosts: false, ...changes }
}

test('thresholds, terms and codes are those in force, and follow a reload', async (t) => {
  const admin = openAdmin(t)
  admin.shownPolicy = shown({})
  const before = await textOf(admin)
  for (const words of [
    'bounces (reports that mail could not be delivered) 2 1 7 days',
    'Only counted, and never listed for it: checks whether a sender exists (callouts).',
    'ends by itself 7 days after',
    'up to 28 days',
    'a /64 network',
    'nothing new for 1 day',
    'fewer than 3 times within 30 days',
    '25.2.0.192.bl.test.example',
    'kept for 5 minutes',
    'hostmaster@test.example',
    'make entries by hand',
  ]) {
    assert.ok(before.includes(words), `${words}: ${before}`)
  }
  assert.deepEqual(
    before.match(/127\.0\.0\.[3-7]\b/g),
    ['3', '4', '5', '6'].map((n) => `127.0.0.${n}`),
  )
  assert.doesNotMatch(before, /every 12 hours|providers|list\.dnswl|Only counted: /)

  admin.shownPolicy = shown({
    publish: ['dsn', 'callout'],
    threshold: {
      ...testPolicy().threshold,
      callout: { messages: 50, traps: 4, windowSeconds: 36 * 3600 },
    },
    firstListingSeconds: day,
    longestListingSeconds: day,
    holdForSeconds: 12 * 3600,
    ipv6Prefix: 56,
    likely: 'list',
    asksHosts: true,
    whitelists: ['list.dnswl.example'],
    removal: { isOpen: false, quietSeconds: day, times: 3, periodSeconds: day },
  })
  const after = await textOf(admin)
  for (const words of [
    'checks whether a sender exists (callouts) 50 4 36 hours',
    'ends by itself 1 day after',
    'once in 12 hours',
    'a /56 network',
    'takes no requests for removal',
    'large providers',
    'hosts on list.dnswl.example',
  ]) {
    assert.ok(after.includes(words), `${words}: ${after}`)
  }
  assert.doesNotMatch(after, /twice as long|leave no doubt|fewer than|Look up an address/)
  assert.deepEqual(after.match(/127\.0\.0\.[3-7]\b/g), ['127.0.0.3', '127.0.0.7'])
})

test('in German it says the same, and imported lists are told of without their names', async (t) => {
  const admin = openAdmin(t)
  admin.shownPolicy = shown({})
  const { statusCode } = await admin.app.inject({
    method: 'POST',
    url: '/v1/import?list=secret-partner&format=text',
    headers: { 'content-type': 'text/plain' },
    payload: '20.0.0.1\n',
  })
  assert.equal(statusCode, 200)
  const german = await textOf(admin, 'de')
  for (const words of [
    '7 Tage nach',
    'auf höchstens 28 Tage',
    'über 30 Tage gerechnet',
    'aus anderen Listen',
  ]) {
    assert.ok(german.includes(words), `${words}: ${german}`)
  }
  assert.doesNotMatch(german, /secret-partner|undefined|\{\w+\}/)
})

test('the lines for mail servers are those that quickstart prints, with this zone', async (t) => {
  const text = await textOf(openAdmin(t))
  const { postfix, exim, spamassassin, rspamd } = mailServerLines('bl.test.example')
  for (const lines of [postfix, exim, spamassassin, ...rspamd.map((each) => each.text)]) {
    assert.ok(text.includes(lines.trim().replaceAll(/\s+/g, ' ')), lines)
  }
  assert.doesNotMatch(text, /check_recipient_access/)
})

test('a retired list says that it lists nobody', async (t) => {
  const words = /retired and lists nobody/
  assert.doesNotMatch(await textOf(openAdmin(t)), words)
  assert.match(await textOf(openAdmin(t, { isRetired: true })), words)
})
