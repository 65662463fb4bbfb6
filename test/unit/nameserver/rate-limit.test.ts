// The rate limit by itself: budgets, their growing back, slip, and what clocks and crowds do to it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QueryContext } from '../../../src/dns/query-context.ts'
import { type ResponseClass, responseClasses } from '../../../src/dns/responder.ts'
import { createRateLimitTable, RateLimiter } from '../../../src/nameserver/rate-limit.ts'

const { data, negative, error } = responseClasses

function client(w0: number, family: 4 | 6 = 4, w1 = 0): QueryContext {
  return Object.assign(new QueryContext(), { family, w0, w1 })
}

function limiter(responsesPerSecond: number, slip = 2, table = createRateLimitTable()) {
  const made = new RateLimiter(table, { responsesPerSecond, slip })
  made.now = 1_700_000_000_000
  return made
}

function passed(
  rate: RateLimiter,
  who: QueryContext,
  count: number,
  what: ResponseClass = data,
): number {
  let sent = 0
  for (let index = 0; index < count; index++) {
    if (rate.limit(who, what) === 'pass') sent++
  }
  return sent
}

test('a second’s worth at once, then as much as grows back', () => {
  const rate = limiter(10)
  const who = client(0xc0000201)
  assert.equal(passed(rate, who, 50), 10)
  rate.now += 300
  assert.equal(passed(rate, who, 50), 3)
  rate.now += 60_000
  assert.equal(passed(rate, who, 50), 10)
})

test('a budget is a /24’s, or a /56’s, and a class’s', () => {
  const rate = limiter(10)
  assert.equal(passed(rate, client(0xc0000201), 10), 10)
  assert.equal(passed(rate, client(0xc00002fe), 1), 0)
  assert.equal(passed(rate, client(0xc0000301), 10), 10)
  assert.equal(passed(rate, client(0xc0000201), 10, negative), 10)
  assert.equal(passed(rate, client(0xc0000201), 10, error), 10)
  const net = 0x20010db8
  assert.equal(passed(rate, client(net, 6, 0x00010001), 10), 10)
  assert.equal(passed(rate, client(net, 6, 0x000100ff), 1), 0)
  assert.equal(passed(rate, client(net, 6, 0x00010100), 10), 10)
})

test('slip: every so manieth limited response is cut, or none', () => {
  for (const [slip, expected] of [
    [0, 0],
    [1, 60],
    [2, 30],
    [3, 20],
  ] as const) {
    const rate = limiter(1, slip)
    const who = client(1)
    const verdicts = Array.from({ length: 61 }, () => rate.limit(who, data)).slice(1)
    assert.equal(verdicts.filter((verdict) => verdict === 'slip').length, expected)
    assert.equal(verdicts.filter((verdict) => verdict === 'pass').length, 0)
  }
})

test('threads share the table', () => {
  const table = createRateLimitTable()
  const [one, two] = [limiter(10, 2, table), limiter(10, 2, table)]
  assert.equal(passed(one, client(7), 6) + passed(two, client(7), 50), 10)
})

test('a clock that is set back leaves nobody in debt', () => {
  const rate = limiter(10)
  assert.equal(passed(rate, client(7), 50), 10)
  rate.now -= 3_600_000
  assert.equal(passed(rate, client(7), 50), 10)
})

test('a million forged networks do not free the one that asks too much', () => {
  const rate = limiter(5)
  const who = client(0x0a000001)
  assert.equal(passed(rate, who, 100), 5)
  let sent = 0
  for (let index = 0; index < 1_000_000; index++) {
    rate.limit(client((index * 256) | 0), data)
    // It keeps asking, at a hundred times its budget.
    if (index % 100 === 0 && rate.limit(who, data) === 'pass') sent++
    if (index % 2000 === 0) rate.now += 100
  }
  // 50 seconds of 5 a second; a place lost to a forged network costs one budget each.
  assert.ok(sent <= 50 * 5 * 2, `${sent} sent`)
})
