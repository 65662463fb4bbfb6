// How facts are put for people.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatColumns,
  formatUntil,
  printable,
  roughDuration,
  wrapText,
} from '../../../src/commands/format.ts'

test('durations in the two largest units, rounded', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [59, '59s'],
    [61, '1m 1s'],
    [3600, '1h'],
    [7199, '2h'],
    [86_399, '1d'],
    [86_400 + 3600 * 5 + 100, '1d 5h'],
    [28 * 86_400 - 1, '28d'],
  ]
  for (const [seconds, text] of cases) assert.equal(roughDuration(seconds), text)
})

test('times and terms', () => {
  const now = Date.parse('2026-07-01T10:00:00Z') / 1000
  assert.equal(formatUntil(null, now), 'permanently')
  assert.equal(formatUntil('2026-07-03T10:00:00Z', now), 'until 2026-07-03 10:00:00 UTC (2d left)')
  assert.equal(formatUntil('2026-06-30T10:00:00Z', now), 'until 2026-06-30 10:00:00 UTC')
})

test('columns are aligned and no line ends in blanks', () => {
  assert.equal(
    formatColumns(
      [
        ['a', 'bb', 'c'],
        ['aaa', '', 'c'],
        ['a', 'b'],
      ],
      ' ',
    ),
    ' a    bb  c\n aaa      c\n a    b\n',
  )
  assert.equal(formatColumns([]), '')
})

test('control and invisible characters are shown, others kept', () => {
  assert.equal(printable('a\u001b[31mb\u0000\r\n\u202e\u200b\u2028\u009bé☃'), 'a?[31mb???????é☃')
})

test('text is broken at blanks, and a long word stands alone', () => {
  const word = 'x'.repeat(90)
  assert.deepEqual(wrapText(`${'four '.repeat(20)}${word} end`), [
    'four '.repeat(15).trim(),
    'four '.repeat(5).trim(),
    word,
    'end',
  ])
  assert.deepEqual(wrapText(''), [])
})
