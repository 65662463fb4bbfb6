// What doctor makes of the state that a running server tells.
import assert from 'node:assert/strict'
import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkHost } from '../../../src/commands/doctor/host.ts'
import type { Installation } from '../../../src/commands/doctor/installation.ts'
import { temporaryDirectory } from '../../support/door.ts'

const soon = new Date(Date.now() + 86_400_000).toISOString()

function checksOf(status: object, file = 'a.toml'): string[] {
  const installation = {
    config: {
      file,
      zone: { primary: '' },
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

test('a configuration that the server does not use yet is told', (t) => {
  const file = join(temporaryDirectory(t), 'a.toml')
  writeFileSync(file, '')
  const readAt = 1_790_000_000
  const configReadAt = new Date(readAt * 1000).toISOString()
  const changed = (seconds: number, needRestart: string[] = []): string[] => {
    utimesSync(file, seconds, seconds)
    return checksOf({ configReadAt, needRestart }, file)
  }
  assert.deepEqual(changed(readAt - 1), [])
  assert.deepEqual(changed(readAt + 0.9), [], 'the server tells whole seconds')
  assert.deepEqual(changed(readAt + 1), ['configuration warning'])
  assert.deepEqual(changed(readAt, ['dns']), ['configuration warning'])
})
