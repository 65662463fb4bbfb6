// The guide's pages (data/guide): their commands run as they stand there, and what their tables say is so.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandsOf, runCommands, startDemo } from '../support/demo.ts'

const page = (name: string): string => readFileSync(`data/guide/${name}.md`, 'utf8')

/** Runs the commands of a page in the project's folder; resolves with what they printed. */
async function run(t: { after(cleanup: () => unknown): void }, name: string): Promise<string> {
  const { site, onFreePorts } = await startDemo(t)
  const commands = commandsOf(page(name)).filter(({ needs }) => needs === '')
  assert.ok(commands.length > 0, name)
  const text = commands.map((each) => each.text).join('')
  const where = { cwd: process.cwd(), configFile: site.configFile }
  const { status, stdout, stderr } = runCommands(onFreePorts(text), where)
  assert.equal(status, 0, stdout + stderr)
  return stdout
}

test('judging: its commands, and the command for Message-IDs', async (t) => {
  const stdout = await run(t, 'judging')
  assert.match(stdout, /rule +rfc3464-report/)
  assert.match(stdout, /What would list it/)
  const { site } = await startDemo(t)
  const [command] = commandsOf(page('judging')).filter(({ needs }) => needs === 'mail.log')
  const log =
    '2026-11-24T12:00:00+00:00 mx postfix/cleanup[7]: 4F1: message-id=<1@trap.example.org>\n'
  writeFileSync(join(site.folder, 'mail.log'), log)
  runCommands(command?.text ?? '', { cwd: site.folder, configFile: site.configFile })
  assert.equal(readFileSync(join(site.folder, 'message-ids'), 'utf8'), '<1@trap.example.org>\n')
})

test('traps: its commands', async (t) => {
  assert.match(await run(t, 'traps'), /@trap\.example\.org/)
})

test('traps: each example of a Received field is read as its table says', async (t) => {
  const { site } = await startDemo(t)
  const examples = [...page('traps').matchAll(/^```eml\n(.*?)^```\n\n((?:\|[^\n]*\n)+)/gms)]
  assert.ok(examples.length >= 12)
  for (const [index, [, fields = '', table = '']] of examples.entries()) {
    const file = join(site.folder, `${index}.eml`)
    writeFileSync(file, `${fields}Subject: test\n\nText\n`)
    const rows = table.trim().split('\n').slice(2)
    assert.ok(rows.length > 0)
    for (const row of rows) {
      const [, relays = '', client = ''] = row.split('|')
      const named = relays.match(/(?<=`)[^`,]+(?=`)/g)?.filter((each) => each.trim() !== '') ?? []
      const { stdout, code } = await site.run(
        ...['classify', '--json', file],
        ...named.flatMap((each) => ['--trusted-relay', each.trim()]),
      )
      assert.equal(code, 0, row)
      const said = JSON.parse(stdout).client
      assert.equal(
        said,
        client.includes('unknown') ? null : client.replace(/[` ]/g, ''),
        fields + row,
      )
    }
  }
})
