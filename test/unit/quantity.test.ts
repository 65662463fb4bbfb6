import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatDuration,
  formatSize,
  formatTime,
  formatTimesIn,
  parseDuration,
  parseSize,
} from '../../src/quantity.ts'
import fc from '../support/properties.ts'

test('durations are read in seconds', () => {
  const cases = {
    '90s': 90,
    '5m': 300,
    '1h': 3600,
    '28d': 2_419_200,
    '2w': 1_209_600,
    '1h30m': 5400,
    '0s': 0,
  }
  for (const [text, seconds] of Object.entries(cases)) {
    assert.deepEqual(parseDuration(text), { value: seconds })
  }
  for (const text of ['', '5', 'm', '5 m', '-5m', '1.5h', '5M', '99999999999d', '5m ']) {
    assert.ok('why' in parseDuration(text), text)
  }
})

test('sizes are read in octets', () => {
  assert.deepEqual(parseSize('1 GiB'), { value: 1024 ** 3 })
  assert.deepEqual(parseSize('10MiB'), { value: 10 * 1024 ** 2 })
  for (const text of ['', '1', '1 GB', '1.5 GiB', '-1 B', '99999999999999999999 GiB']) {
    assert.ok('why' in parseSize(text), text)
  }
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.nat(3_000_000_000), (number) => {
      assert.deepEqual(parseDuration(formatDuration(number)), { value: number })
      assert.deepEqual(parseSize(formatSize(number)), { value: number })
    }),
  )
})

test('times for people, alone and in a sentence', () => {
  assert.equal(formatTime('2026-07-01T10:00:00Z'), '2026-07-01 10:00:00 UTC')
  assert.equal(
    formatTimesIn('it ends at 2026-07-01T10:00:00Z, or at 2026-08-01T10:00:09Z'),
    'it ends at 2026-07-01 10:00:00 UTC, or at 2026-08-01 10:00:09 UTC',
  )
})
