import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { KnownMessageIds } from '../../../src/traps/message-ids.ts'

test('Message-IDs are read as logs write them, and again when the file has changed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'message-ids-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ids')
  writeFileSync(path, '<1@a.example>\n2@a.example\r\n\n')
  utimesSync(path, 1, 1)
  const ids = new KnownMessageIds(path)
  const known = () => {
    ids.refresh()
    return ['<1@a.example>', '<2@a.example>', '<3@a.example>', '<>', ''].map((id) => ids.has(id))
  }
  assert.deepEqual(known(), [true, true, false, false, false])
  writeFileSync(path, '<3@a.example>\n')
  utimesSync(path, 2, 2)
  assert.deepEqual(known(), [false, false, true, false, false])
  rmSync(path)
  assert.deepEqual(known(), [false, false, true, false, false])
})

test('of a hundred thousand Message-IDs each one is known, with its brackets and without, and none beside them', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'message-ids-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ids')
  const id = (number: number) => `${number.toString(36)}.${number * 7}@mx${number % 3}.example.org`
  const numbers = Array.from({ length: 100_000 }, (_, number) => number)
  writeFileSync(
    path,
    numbers.map((number) => (number % 2 ? `<${id(number)}>` : id(number))).join('\n'),
  )
  const ids = new KnownMessageIds(path)
  ids.refresh()
  assert.deepEqual(
    numbers.filter((number) => !ids.has(id(number)) || !ids.has(`<${id(number)}>`)),
    [],
  )
  assert.deepEqual(
    numbers.filter((number) => ids.has(id(number + 100_000))),
    [],
  )
  assert.deepEqual(
    ['<<0.0@mx0.example.org>', '0.0@mx0.example.org>>', '0.0@mx0.example.or'].map((each) =>
      ids.has(each),
    ),
    [false, false, false],
  )
})
