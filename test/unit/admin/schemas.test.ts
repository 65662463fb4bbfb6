import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { timestamp } from '../../../src/admin/schemas.ts'

test('a timestamp is what Date says of it, to the second', () => {
  // To the end of the year 9999, as far as RFC 3339 goes.
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
      assert.equal(timestamp(seconds), new Date(seconds * 1000).toISOString().replace('.000', ''))
    }),
    { numRuns: 2000 },
  )
})
