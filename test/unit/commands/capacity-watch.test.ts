// The tree's fill is told when it matters: once on the way up, once on the way down.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchCapacity } from '../../../src/commands/capacity-watch.ts'
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
