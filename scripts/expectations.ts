// Writes what the classifier says now into the tables test/bounces/*/expectations.tsv, and prints each row that is new or
// changed. A sample's folder says what it is. A sample with another verdict is an error, and its row stays.
//   node scripts/expectations.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { classify } from '../src/classify/classify.ts'
import { parseMessage } from '../src/mail/message.ts'
import {
  describeVerdict,
  expectedColumns,
  kindOfSample,
  readExpectations,
  readSample,
  samplePaths,
} from '../test/support/samples.ts'

const before = readExpectations()
for (const [kind, paths] of Map.groupBy(samplePaths, kindOfSample)) {
  const rows = [['file', ...expectedColumns]]
  for (const path of paths) {
    const message = parseMessage(readSample(path))
    const verdict = classify(message)
    const isRight = (verdict.kind ?? 'not-backscatter') === kind
    const old = before.get(path)
    const row = describeVerdict(message, verdict)
    const change = expectedColumns
      .filter((column) => old !== undefined && old[column] !== row[column])
      .map((column) => `${column} ${old?.[column]} → ${row[column]}`)
    if (old === undefined && isRight) {
      console.log(`${path}: new, ${row.verdict} by ${row.rule}, ${row.certainty}`)
    }
    if (change.length > 0) console.log(`${path}: ${change.join(', ')}`)
    if (!isRight) {
      console.error(`${path} is taken for ${row.verdict} by ${row.rule}`)
      process.exitCode = 1
    }
    const kept = isRight ? row : old
    if (kept === undefined) continue
    rows.push([path.slice(kind.length + 1), ...expectedColumns.map((column) => kept[column])])
  }
  const file = join(import.meta.dirname, '../test/bounces', kind, 'expectations.tsv')
  writeFileSync(file, rows.map((row) => `${row.join('\t')}\n`).join(''))
}
