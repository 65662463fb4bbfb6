// Schedules while the wall clock jumps. The timers are real, so the expressions are of seconds.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startSchedule } from '../../src/schedule.ts'

/** A wall clock that runs with the monotonic one and can be set; `set` moves it by seconds. */
function jumpingClock(t: TestContext): { set(seconds: number): void } {
  const begun = Date.now() - performance.now()
  let offset = 0
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const follow = () => t.mock.timers.setTime(Math.floor(begun + performance.now()) + offset)
  const following = setInterval(follow, 5)
  t.after(() => clearInterval(following))
  return {
    set(seconds) {
      offset += seconds * 1000
      follow()
    },
  }
}

function everySecond(t: TestContext): { nextCall(): Promise<void>; readonly calls: number } {
  let called = Promise.withResolvers<void>()
  let calls = 0
  const schedule = startSchedule({
    expression: '* * * * * *',
    run: async () => {
      calls += 1
      called.resolve()
      called = Promise.withResolvers()
    },
  })
  t.after(() => schedule.stop())
  return {
    nextCall: () => called.promise,
    get calls() {
      return calls
    },
  }
}

test('a wall clock that jumps ahead is not followed through every time that it left out', async (t) => {
  const clock = jumpingClock(t)
  const schedule = everySecond(t)
  await schedule.nextCall()
  const fresh = t.mock.method(Date.prototype, 'getTime')
  clock.set(86_400)
  await schedule.nextCall()
  await schedule.nextCall()
  assert.ok(schedule.calls <= 4, `${schedule.calls} calls`)
  // A day has 86,400 of these times, and each one that is worked out takes a Date.
  assert.ok(fresh.mock.callCount() < 10_000, `${fresh.mock.callCount()} dates`)
})

test('a wall clock that is set back by a day does not end the calls for a day', {
  timeout: 60_000,
}, async (t) => {
  const clock = jumpingClock(t)
  const schedule = everySecond(t)
  await schedule.nextCall()
  clock.set(-86_400)
  await schedule.nextCall()
  await schedule.nextCall()
})
