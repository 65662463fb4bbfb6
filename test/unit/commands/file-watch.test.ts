// A process that can open nothing more says so, and not with each look.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchFiles } from '../../../src/commands/file-watch.ts'
import type { OperationalError } from '../../../src/errors.ts'
import { OncePerMinute } from '../../../src/log-rarely.ts'

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
