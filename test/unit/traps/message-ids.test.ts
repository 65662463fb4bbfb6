import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { knownMessageIds } from '../../../src/traps/message-ids.ts'

test('Message-IDs are read as logs write them, and again when the file has changed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'message-ids-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ids')
  writeFileSync(path, '<1@a.example>\n2@a.example\r\n\n')
  utimesSync(path, 1, 1)
  const isOurs = knownMessageIds(path)
  const known = () =>
    ['<1@a.example>', '<2@a.example>', '<3@a.example>', '<>', ''].map((id) => isOurs(id))
  assert.deepEqual(known(), [true, true, false, false, false])
  writeFileSync(path, '<3@a.example>\n')
  utimesSync(path, 2, 2)
  assert.deepEqual(known(), [false, false, true, false, false])
  rmSync(path)
  assert.deepEqual(known(), [false, false, true, false, false])
})
