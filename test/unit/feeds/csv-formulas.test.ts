// A reason is text that somebody wrote: in a CSV export no spreadsheet runs it, and an import has it back as it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csv, csvLines } from '../../../src/feeds/csv.ts'
import { prefix } from '../../support/door.ts'
import fc from '../../support/properties.ts'

function lineOf(reason: string): string {
  const attributes = { kinds: 0, reason, expiresAt: null }
  return csvLines([{ prefix: prefix('20.0.0.1'), attributes, listedAt: 1 }])
}

function reasonIn(line: string): string | null | undefined {
  const items: unknown[] = []
  csv.createReader({ now: 0 })(line.replace(/\n$/, ''), 1, items as never)
  const [item] = items as { attributes?: { reason: string | null } }[]
  return item?.attributes?.reason
}

test('a cell that begins like a formula is written as text', () => {
  const cells: [reason: string, cell: string][] = [
    ['=HYPERLINK("http://x.example")', `"'=HYPERLINK(""http://x.example"")"`],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ["'=1", "''=1"],
    ["'quoted'", "'quoted'"],
    ['a=b', 'a=b'],
  ]
  for (const [reason, cell] of cells) {
    assert.equal(lineOf(reason), `20.0.0.1/32,,${cell},\n`)
    assert.equal(reasonIn(lineOf(reason)), reason)
  }
})

test('whatever a reason is, it comes back, and no cell begins like a formula', () => {
  const character = fc.constantFrom(...'\'=+-@\t",;#ab ')
  const reasons = fc.string({ unit: character, minLength: 1, maxLength: 8 })
  const check = (reason: string) => {
    const line = lineOf(reason)
    assert.equal(reasonIn(line), reason)
    assert.doesNotMatch(line, /^20\.0\.0\.1\/32,,"?[=+\-@\t\r]/)
  }
  // An import takes blanks at the ends of a cell away.
  const trimmed = reasons.filter((reason) => reason.trim() === reason || reason.startsWith('\t'))
  fc.assert(
    fc.property(
      trimmed.filter((reason) => !/[\s]$/.test(reason)),
      check,
    ),
  )
})
