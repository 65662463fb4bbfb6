// The man page is current, renders without a warning, and has every command.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { manFile, manPage } from '../../../scripts/man.ts'
import { program } from '../../../src/commands/table/table.ts'
import { needs } from '../../support/debian.ts'

test('the man page is current: npm run man', () => {
  assert.equal(readFileSync(manFile, 'utf8'), manPage(program))
})

test('the man page renders without a warning', needs('man', 'man-db'), () => {
  const env = { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8' }
  const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-l', manFile], {
    encoding: 'utf8',
    env,
  })
  assert.deepEqual([status, stderr], [0, ''])
  for (const row of program.groups.flatMap(({ commands }) => commands)) {
    const names = row.subcommands?.map(({ name }) => `${row.name} ${name}`) ?? [row.name]
    for (const name of names) assert.match(stdout, new RegExp(`^ {7}${name}( |$)`, 'm'))
  }
  assert.match(stdout, /^ {18}backscatterd add 192\.88\.100\.25$/m)
})
