import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OncePerMinute } from '../../src/log-rarely.ts'

test('the first line is logged at once, the next one when a minute has passed', () => {
  let nowMs = 5
  const rarely = new OncePerMinute(() => nowMs)
  const loggedAt: number[] = []
  for (nowMs of [5, 6, 60_004, 60_005, 60_006, 120_005]) rarely.run(() => loggedAt.push(nowMs))
  assert.deepEqual(loggedAt, [5, 60_005, 120_005])
})
