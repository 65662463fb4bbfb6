// scripts/fleet.ts in its smallest size: it measures, and extrapolates what it measured; the guide's page shows what it prints.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { before, test } from 'node:test'
import { extrapolate } from '../../../scripts/fleet/extrapolate.ts'
import { limitsOf } from '../../../scripts/fleet/limits.ts'
import type { Constants } from '../../../scripts/fleet/rates.ts'

const script = resolve(import.meta.dirname, '../../../scripts/fleet.ts')

function fleet(...args: string[]) {
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
}

let output = ''
before(() => {
  const { status, stdout, stderr } = fleet('--size', '300', '--seconds', '0', '--entries', '3e6')
  assert.equal(status, 0, stderr)
  output = stdout
})

/** The rows under a heading that begins so, each with its cells. */
function rowsOf(heading: string): string[][] {
  const [, text = ''] =
    output
      .split(/^# /m)
      .find((part) => part.startsWith(heading))
      ?.split('\n\n') ?? []
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(/ {2,}/))
}

/** The number in the row that begins so. */
function number(heading: string, row: string): number {
  const [, cell = ''] = rowsOf(heading).find(([name]) => name?.startsWith(row)) ?? []
  return Number.parseFloat(cell.replaceAll(',', ''))
}

test('everything that is measured is more than nothing, and is told apart from what follows', () => {
  const measured = rowsOf('Measured, ')
  assert.ok(measured.length >= 18)
  for (const [name = '', cell = ''] of measured) {
    const figure = Number.parseFloat(cell)
    // A time in so small a run is the difference of two that may be alike.
    assert.ok(/ (µs|ms|s)$/.test(cell) ? Number.isFinite(figure) : figure > 0, `${name} ${cell}`)
  }
  const headings = output.split('\n').filter((line) => line.startsWith('# '))
  const extrapolated = headings.findIndex((line) => line.startsWith('# Extrapolated to '))
  assert.match(headings[extrapolated] ?? '', / 3,000,000 entries, /)
  for (const line of headings.slice(extrapolated + 1)) assert.match(line, /\(extrapolated\)$/)
})

test('what follows is the measured figure times the size', () => {
  const octets = number('Measured', 'database, an entry that traps listed')
  const megabytes = number('Memory and disk', 'database, entries that traps listed')
  assert.ok(Math.abs(megabytes / (octets * 3) - 1) < 0.02, `${octets} ${megabytes}`)
})

test('an entry in a transfer is two A records and a TXT record', () => {
  assert.equal(Math.floor(number('Measured', 'whole transfer, records an entry')), 3)
})

test('the page of the guide shows the rows that are printed', () => {
  const page = readFileSync('data/guide/scale.md', 'utf8')
  const printed = [
    'Measured, ',
    'Assumed',
    'Questions',
    'Memory',
    'Messages',
    'Transfers',
    'Limits',
  ]
  const names = printed.flatMap((heading) => rowsOf(heading).map(([name = '']) => name))
  assert.ok(names.length > 50)
  for (const name of names) assert.ok(page.includes(`\n${name}  `), name)
})

const constants: Constants = {
  treeOctets: 8,
  rowOctets: 150,
  packedOctets: 18,
  rowLoadSeconds: 1e-6,
  packedLoadSeconds: 1e-7,
  recordsPerEntry: 3,
  transferOctets: 80,
  transferSeconds: 1e-5,
  journalOctets: 30,
  incrementOctets: 600,
  changeOctets: 90,
  messageSeconds: 1e-3,
  commitSeconds: 1e-4,
  writtenOctets: 80_000,
  aloneSeconds: 1e-3,
  aloneOctets: 100_000,
  syncSeconds: 1e-3,
  keptOctets: 1000,
  servers: [
    { name: 'fast', memoryOctets: undefined, answersPerCpuSecond: 200_000 },
    { name: 'slow', memoryOctets: 500, answersPerCpuSecond: 1000 },
  ],
  answerOctets: 130,
}
const size = { questionsPerDay: 86_400_000, entries: 1_209_600, collectors: 10 }

function figure(title: string, what: string): number | undefined {
  const section = extrapolate(constants, size).find((each) => each.title === title)
  return section?.figures.find((each) => each.what === what)?.value
}

test('the slowest server tells how many secondaries the peak takes', () => {
  // 1000 questions a second, five times as many at the peak, of 1000 answers, half busy.
  assert.equal(figure('Questions', 'secondaries'), 10)
})

test('one entry a second comes and one goes, and the journal reaches as far as its publications', () => {
  assert.equal(figure('Messages and writing', 'changes a second, mean of the day'), 2)
  assert.equal(figure('Messages and writing', 'messages a second at the peak'), 15)
  assert.equal(figure('Transfers and journal', 'publications a second, at most'), 2)
  assert.equal(figure('Transfers and journal', 'journal reaches back'), 5000)
  assert.equal(figure('Transfers and journal', 'incremental transfers, to one secondary'), 1380)
})

test('the tightest limit comes first', () => {
  const shares = limitsOf(constants, size).map(({ need, limit }) => need / limit)
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => b - a),
  )
  assert.equal(shares[0], 2)
})

test('wrong arguments are named, with the usage', () => {
  for (const [args, expected] of [
    [['--nothing'], /--nothing.*\nusage: /],
    [['--size', '99'], /--size 99: expected a whole number from 100 on\nusage: /],
    [['--entries', 'many'], /--entries many: expected a whole number from 1 on\nusage: /],
  ] as const) {
    const { status, stderr } = fleet(...args)
    assert.match(stderr, expected)
    assert.equal(status, 2)
  }
})
