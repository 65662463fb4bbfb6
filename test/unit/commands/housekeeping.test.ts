// What serve looks at while it runs is told when it matters, and not with each look.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchCapacity, watchFiles } from '../../../src/commands/housekeeping.ts'
import type { OperationalError } from '../../../src/errors.ts'
import { OncePerMinute } from '../../../src/log-rarely.ts'
import { silentLog } from '../../support/dns-subject.ts'

test('nearly full is told once, and so is that it is over', () => {
  const usage = { usedBytes: 0, capacityBytes: 1000, freeBytes: 0 }
  const told: string[] = []
  const tell = (level: string) => () => void told.push(level)
  const look = watchCapacity(() => usage, { ...silentLog, warn: tell('warn'), info: tell('info') })
  const after = (usedBytes: number, freeBytes = 0): boolean => {
    Object.assign(usage, { usedBytes, freeBytes })
    return look()
  }
  assert.equal(after(899), false)
  assert.deepEqual(told, [])
  assert.equal(after(900), true)
  assert.equal(after(999), true)
  assert.equal(after(860), true, 'a little less is not the end of it')
  assert.deepEqual(told, ['warn'])
  assert.equal(after(999, 200), false, 'what is free again counts as room')
  assert.deepEqual(told, ['warn', 'info'])
  assert.equal(after(950, 100), false)
  assert.equal(after(950), true)
  assert.deepEqual(told, ['warn', 'info', 'warn'])
})

test('EMFILE is told as an operational error, once a minute however often it comes and goes', () => {
  const told: { err: OperationalError }[] = []
  const silent = () => undefined
  const error = (fields: object) => told.push(fields as (typeof told)[number])
  let code: string | undefined
  let now = 0
  const open = () => {
    if (code !== undefined) throw Object.assign(new Error('open'), { code })
  }
  const look = watchFiles(
    { error, warn: silent, info: silent, debug: silent },
    open,
    new OncePerMinute(() => now),
  )
  look()
  assert.equal(told.length, 0)
  for (const next of ['EMFILE', undefined, 'ENFILE', 'EMFILE']) {
    code = next
    look()
  }
  assert.deepEqual(
    told.map(({ err }) => err.code),
    ['files-exhausted'],
  )
  now = 60_000
  look()
  assert.equal(told.length, 2)
  now = 120_000
  code = 'EACCES'
  look()
  assert.equal(told.length, 2)
})
