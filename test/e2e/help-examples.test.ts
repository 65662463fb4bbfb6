// Runs every example of every command's help as it is printed, in the order of the table, against the demonstration.
import assert from 'node:assert/strict'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CommandRow } from '../../src/commands/command.ts'
import { program } from '../../src/commands/table/table.ts'
import { runCommands, startDemo } from '../support/demo.ts'

/** Commands without examples: they run until they are stopped, fail while a server runs, or need a request that waits. */
const withoutExamples = ['serve', 'migrate', 'removals approve', 'removals refuse']

function leaves(rows: readonly CommandRow[], above = ''): (CommandRow & { path: string })[] {
  return rows.flatMap((row) => {
    const path = `${above}${row.name}`
    return row.subcommands ? leaves(row.subcommands, `${path} `) : [{ ...row, path }]
  })
}

test('every example in the help works as printed', async (t) => {
  const { site } = await startDemo(t)
  const cwd = site.folder
  writeFileSync(join(cwd, 'list.txt'), '192.88.101.0/24\n192.88.102.7\n')
  copyFileSync('data/samples/postfix-bounce.eml', join(cwd, 'bounce.eml'))
  for (const { path, examples = [] } of leaves(
    program.groups.flatMap(({ commands }) => commands),
  )) {
    await t.test(path, () => {
      assert.equal(examples.length === 0, withoutExamples.includes(path))
      for (const { command } of examples) {
        assert.ok(
          command.split('\n').every((line) => line.length <= 76),
          command,
        )
        const done = runCommands(command, { cwd, configFile: site.configFile })
        // 3: the address is listed.
        const allowed = path === 'lookup' ? [0, 3] : [0]
        assert.ok(allowed.includes(done.status ?? -1), `${command}\n${done.stderr}`)
      }
    })
  }
})
