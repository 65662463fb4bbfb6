// How long a mailbox's server may take: a reading that has waited its time ends, and fails only when it brought nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ExchangeMeter, ReadingClock, usualDeadlines } from '../../../src/traps/mail-server.ts'

const atOnce = { ...usualDeadlines, readingMs: 0 }

test('a reading that has waited too long for its server ends with the messages that it brought', async () => {
  const clock = new ReadingClock(atOnce)
  assert.equal(clock.isOver(), false)
  assert.equal(await clock.during(delay(5, 'answer')), 'answer')
  assert.equal(clock.isOver(), true)
  clock.restart()
  assert.equal(clock.isOver(), false)
})

test('a reading that has waited too long for its first message fails', async () => {
  const clock = new ReadingClock(atOnce)
  await clock.during(delay(5))
  assert.throws(() => clock.isOver(), { fault: 'timed-out' })
})

test('time that the server is not waited for does not count', async () => {
  const clock = new ReadingClock(atOnce)
  await delay(5)
  assert.equal(clock.isOver(), false)
})

test('an exchange that brings enough in each span is over at last all the same', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const meter = new ExchangeMeter(
    { ...usualDeadlines, windowMs: 20, windowOctets: 1, exchangeMs: 200 },
    resolve,
  )
  meter.begin({ octets: 1e9 })
  const coming = setInterval(() => meter.count(new Uint8Array(100)), 1)
  await promise
  clearInterval(coming)
  assert.equal(meter.fault?.fault, 'timed-out')
})

test('octets and lines of one answer do not count for the next', () => {
  const meter = new ExchangeMeter(usualDeadlines, () => undefined)
  for (let times = 0; times < 5; times++) {
    meter.begin({ octets: 10, lines: 2 })
    meter.count(Buffer.from('a\nb\n'))
    meter.count(Buffer.from('123456'))
    assert.equal(meter.fault, null)
    meter.end()
  }
  meter.begin({ octets: 10, lines: 2 })
  meter.count(Buffer.from('\n\n\n'))
  assert.equal(meter.fault?.fault, 'protocol-broken')
})
