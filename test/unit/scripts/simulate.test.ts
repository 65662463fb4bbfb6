// scripts/simulate.ts on a few hosts: the same seed prints the same figures, and the default policy lists nobody that it should not.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { before, test } from 'node:test'

const script = resolve(import.meta.dirname, '../../../scripts/simulate.ts')

function simulate(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

const few = ['--scale', '0.1', '--days', '30']
let output = ''
before(() => {
  output = simulate(...few, '--seed', '7').stdout
})

/** The cell of a table: `table` counts the tables of the output, and the column's title begins with `title`. */
function cell(table: number, policy: string, title: string): string {
  const rows = output
    .split('\n\n')
    .filter((part) => part.startsWith('policy'))
    [table]?.split('\n')
    .map((line) => line.split(/ {2,}/))
  const column = rows?.[0]?.findIndex((each) => each.startsWith(title)) ?? -1
  const found = rows?.find(([name]) => name === policy)?.[column]
  assert.ok(found !== undefined, `${policy}, ${title}`)
  return found
}

test('the same seed prints the same figures, and another seed prints others', () => {
  assert.match(
    output,
    /^\d+ messages from \d+ hosts in 30 days; seed 7; mail: the samples in test\/bounces$/m,
  )
  // A folder that is not there is left out.
  assert.equal(simulate('no-such-folder', ...few, '--seed', '7').stdout, output)
  assert.notEqual(simulate(...few, '--seed', '8').stdout.replace('seed 8', 'seed 7'), output)
})

test('the default policy lists offenders, and no pool member, site or forwarder', () => {
  assert.notEqual(cell(0, 'default', 'listed'), '0')
  for (const group of ['pool members', 'sites', 'forwarders', 'forwarders without To']) {
    assert.equal(cell(1, 'default', group), '0', group)
  }
  assert.match(cell(1, 'pools = false', 'pool members'), /^[1-9]\d*, \d+ host-days$/)
})

test('with two traps for bounces, a poisoner who knows one gets nobody listed', () => {
  assert.ok(Number(cell(2, 'default', 'strangers')) > 0)
  assert.equal(cell(2, 'dsn: traps = 2', 'strangers'), '0.0')
  assert.ok(Number(cell(3, 'dsn: traps = 2', 'strangers')) > 0)
})

test('wrong arguments are named, with the usage', () => {
  for (const [args, expected] of [
    [['--nothing'], /--nothing.*\nusage: /],
    [['--seed', '0'], /--seed 0: expected a whole number above 0\nusage: /],
    [['--days', 'x'], /--days x: expected a whole number above 0\nusage: /],
    [['--scale', '2'], /--scale 2: expected a share up to 1\nusage: /],
  ] as const) {
    const { status, stderr } = simulate(...args)
    assert.match(stderr, expected)
    assert.equal(status, 2)
  }
})
