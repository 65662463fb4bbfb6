// Every conformance test stands in the table of rows, and every row has its test.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { rowOf, rows } from '../conformance/table.ts'

const titles = globSync('test/conformance/*/*.test.ts').flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/\btest\(\s*(['`])(.+?)\1/g)].map(([, , title = '']) => ({
    folder: basename(dirname(file)),
    title,
  })),
)

test('every conformance test belongs to a row', () => {
  assert.ok(titles.length > 80)
  for (const { folder, title } of titles) assert.ok(rowOf(folder, title), `${folder}: ${title}`)
})

test('every row has a test', () => {
  const covered = new Set(titles.map(({ folder, title }) => rowOf(folder, title)))
  for (const row of rows) assert.ok(covered.has(row), row.rule)
})

test('the guide names every row, and its table has them in the same order', () => {
  const page = readFileSync('data/guide/dns.md', 'utf8')
  for (const { rule } of rows) assert.ok(page.includes(rule), rule)
  const [, table = ''] = page.split('| --- | --- | --- | --- |')
  const shown = [...table.matchAll(/^\| ([^|*]+) \|/gm)].map(([, rule]) => rule ?? '')
  const inOrder = rows.map(({ rule }) => rule).filter((rule) => shown.includes(rule))
  assert.deepEqual(shown, inOrder)
})
