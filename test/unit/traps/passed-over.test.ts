// Messages that were for no trap: known again by their names, and no more of them kept than there is room for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustedRelays } from '../../../src/mail/trace.ts'
import { storedDelivery } from '../../../src/traps/delivery.ts'
import { PassedOver } from '../../../src/traps/mailbox.ts'

test('what was passed over is known by its name, with the recipients it had', () => {
  const passedOver = new PassedOver<number>()
  passedOver.add(7, ['a@example.org', 'b@example.org'])
  passedOver.add(9, ['c@example.org'])
  assert.deepEqual(passedOver.recipientsOf(7), ['a@example.org', 'b@example.org'])
  assert.equal(passedOver.recipientsOf(8), undefined)
  assert.deepEqual(passedOver.names(), [7, 9])
  assert.deepEqual(passedOver.allRecipients(), ['a@example.org', 'b@example.org', 'c@example.org'])
})

test('messages with thousands of recipients, or long names, do not fill the memory', () => {
  for (const [name, recipients] of [
    ['uid', Array<string>(10_000).fill('a@example.org')],
    ['x'.repeat(255), ['y'.repeat(8000)]],
  ] as const) {
    const passedOver = new PassedOver<string>()
    for (let at = 0; at < 20_000; at++) passedOver.add(`${name}${at}`, recipients)
    const kept = [...passedOver.names(), ...passedOver.allRecipients()]
    const octets = kept.reduce((sum, text) => sum + 32 + text.length, 0)
    assert.ok(octets <= 16 * 1024 ** 2 && octets > 15 * 1024 ** 2, `${octets} octets`)
  }
})

test('of a field that names recipients without end, a message takes the first hundred', () => {
  const fields = Array(30).fill(`Delivered-To: ${'a@example.org,'.repeat(500)}b@example.org\r\n`)
  const raw = Buffer.from(`${fields.join('')}Subject: a\r\n\r\nb\r\n`)
  let asked = 0
  const { named } = storedDelivery(
    { raw, source: 'box', storedAt: 1, allTraps: false },
    {
      relays: parseTrustedRelays([]),
      list: {
        isTrap: () => {
          asked++
          return false
        },
      },
      now: () => 1,
    },
  )
  assert.equal(named.length, 100)
  assert.equal(asked, 100)
})
