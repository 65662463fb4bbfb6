// What doctor makes of the state that a running server tells.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHost } from '../../../src/commands/doctor/host.ts'
import type { Installation } from '../../../src/commands/doctor/installation.ts'

const soon = new Date(Date.now() + 86_400_000).toISOString()

function checksOf(status: object): string[] {
  const installation = {
    config: {
      file: 'a.toml',
      dns: { batch: true },
      store: { path: '/nowhere/list.db', minFree: 1 },
    },
    user: { name: 'backscatterd', uid: 1 },
    server: {
      status: {
        validUntil: soon,
        tree: { capacityBytes: 1 << 30, nearlyFull: false },
        udp: { transport: 'batch', receiveBufferBytes: 8 << 20 },
        ...status,
      },
    },
  } as unknown as Installation
  return checkHost(installation).map(({ check, level }) => `${check} ${level}`)
}

test('each trouble of a running server is told', () => {
  const past = '2026-01-01T00:00:00Z'
  assert.deepEqual(checksOf({}), [])
  assert.deepEqual(checksOf({ clockHeld: { since: past, wallClock: soon } }), ['clock broken'])
  assert.deepEqual(checksOf({ writeFailure: { since: past, why: 'the disk is full' } }), [
    'database broken',
  ])
  assert.deepEqual(checksOf({ validUntil: past }), ['publication broken'])
  assert.deepEqual(checksOf({ tree: { capacityBytes: 1 << 30, nearlyFull: true } }), [
    'memory warning',
  ])
})

test('a small receive buffer is told only where datagrams are received in batches', () => {
  const small = (transport: string) => checksOf({ udp: { transport, receiveBufferBytes: 425_984 } })
  assert.deepEqual(small('batch'), ['receive buffer warning'])
  assert.deepEqual(small('events'), [])
})
