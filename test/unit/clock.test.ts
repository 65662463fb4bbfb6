// The server's clock: what a wall clock that jumps does to it, with both clocks in the test's hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Clock, type ClockSources } from '../../src/clock.ts'
import { OperationalError } from '../../src/errors.ts'
import { silentLog } from '../support/door.ts'

const start = 1_800_000_000
const hour = 3600
const years40 = 40 * 365 * 24 * hour

/** Both clocks; `pass` moves them together, `jump` the wall clock alone. */
class Clocks implements ClockSources {
  #wall = start * 1000
  #monotonic = 12_345
  wall = () => this.#wall
  monotonic = () => this.#monotonic

  pass(seconds: number): void {
    this.#wall += seconds * 1000
    this.#monotonic += seconds * 1000
  }

  jump(seconds: number): void {
    this.#wall += seconds * 1000
  }
}

function clockAt(lastPublishedAt?: number) {
  const clocks = new Clocks()
  const logged: string[] = []
  const log = { ...silentLog, warn: (_: object, message: string) => void logged.push(message) }
  return { clocks, clock: new Clock({ lastPublishedAt, log, sources: clocks }), logged }
}

function assertHeld(clock: Clock): void {
  assert.ok(clock.held)
  assert.throws(
    () => clock.requireSure(),
    (error) => error instanceof OperationalError && error.code === 'clock-held',
  )
}

test('the wall clock is followed, and so are small steps of it', () => {
  const { clocks, clock, logged } = clockAt()
  for (const step of [0, 1, -1, hour - 1, -hour + 1, hour]) {
    clocks.pass(10)
    clocks.jump(step)
    assert.equal(clock.now(), Math.floor(clocks.wall() / 1000))
    clock.requireSure()
  }
  assert.equal(clock.held, undefined)
  assert.equal(clock.correction, 0)
  assert.deepEqual(logged, [])
})

for (const jump of [years40, -years40, hour + 1, -hour - 1]) {
  test(`a clock that jumps by ${jump} s and back moves nothing`, () => {
    const { clocks, clock, logged } = clockAt()
    clocks.jump(jump)
    assert.equal(clock.now(), start)
    assertHeld(clock)
    assert.deepEqual(clock.held, { since: start, wallClock: start + jump })
    assert.equal(clock.correction, -jump)
    clocks.pass(3)
    assert.equal(clock.now(), start + 3)
    clocks.jump(-jump)
    assert.equal(clock.now(), start + 3)
    clock.requireSure()
    assert.equal(logged.length, 2)
  })

  test(`a clock that jumps by ${jump} s is followed once it has kept that for 10 minutes`, () => {
    const { clocks, clock, logged } = clockAt()
    clocks.jump(jump)
    for (let second = 0; second < 600; second += 50) {
      assert.equal(clock.now(), start + second)
      assertHeld(clock)
      clocks.pass(50)
    }
    assert.equal(clock.now(), start + jump + 600)
    clock.requireSure()
    assert.equal(logged.length, 2)
  })
}

test('a clock that jumps again while it is held begins its 10 minutes anew', () => {
  const { clocks, clock } = clockAt()
  clocks.jump(years40)
  clock.now()
  clocks.pass(599)
  clocks.jump(-2 * hour)
  assert.equal(clock.now(), start + 599)
  clocks.pass(599)
  assertHeld(clock)
  assert.equal(clock.held?.since, start)
  clocks.pass(1)
  assert.equal(clock.now(), start + years40 - 2 * hour + 1199)
})

test('a held clock that is corrected by minutes keeps its 10 minutes', () => {
  const { clocks, clock } = clockAt()
  clocks.jump(years40)
  clock.now()
  clocks.pass(300)
  clocks.jump(120)
  assertHeld(clock)
  clocks.pass(300)
  assert.equal(clock.now(), start + years40 + 720)
})

test('an operator may confirm a clock that is held', () => {
  const { clocks, clock } = clockAt()
  clocks.jump(years40)
  clock.confirm()
  assert.equal(clock.now(), start + years40)
  clock.requireSure()
})

test('a confirmation of a clock that did not jump changes nothing', () => {
  const { clock, logged } = clockAt()
  clock.confirm()
  assert.equal(clock.now(), start)
  assert.deepEqual(logged, [])
})

for (const [what, published] of [
  ['before the last publication', start + 1],
  ['long before the last publication', start + years40],
  ['more than a day after the last publication', start - 24 * hour - 1],
] as const) {
  test(`at the start a clock ${what} is held at that`, () => {
    const { clocks, clock } = clockAt(published)
    assert.equal(clock.now(), published)
    assertHeld(clock)
    clocks.pass(599)
    assert.equal(clock.now(), published + 599)
    assertHeld(clock)
    clocks.pass(1)
    assert.equal(clock.now(), start + 600)
    clock.requireSure()
  })
}

for (const published of [undefined, start, start - 24 * hour]) {
  test(`at the start a clock is believed after a publication at ${published}`, () => {
    const { clock } = clockAt(published)
    clock.requireSure()
    assert.equal(clock.now(), start)
  })
}
