// What the guide says of keys, defaults, codes, formats and scopes is what the code has, and its configurations are valid.
import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { backscatterKinds } from '../../src/classify/kinds.ts'
import { access } from '../../src/commands/table/access.ts'
import { declaration } from '../../src/config/keys.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Fields } from '../../src/config/schema.ts'
import { importFormats } from '../../src/feeds/feed.ts'
import { formatDuration } from '../../src/quantity.ts'

const page = (name: string): string => readFileSync(`data/guide/${name}.md`, 'utf8')
const tables = Object.keys(declaration.fields)
const defaults = loadConfig({ file: 'data/backscatterd.example.toml', env: {}, cwd: '.' })

/** The names in the first column of the table that follows a heading. */
function firstColumn(text: string, heading: string): string[] {
  const [, section = ''] = text.split(`\n## ${heading}\n`)
  const [part = ''] = section.split('\n## ')
  return [...part.matchAll(/^\| `?([a-z]+)`? \|/gm)].flatMap(([, name = '']) =>
    name === 'scope' || name === 'format' ? [] : [name],
  )
}

test('each configuration key that a page names exists', () => {
  let found = 0
  for (const file of ['README.md', ...globSync('data/guide/*.md')]) {
    const text = readFileSync(file, 'utf8').replace(/^```.*?^```$/gms, '')
    for (const [, name = ''] of text.matchAll(/`([A-Za-z]\w*(?:\.[\w-]+)+)(?: = [^`]*)?`/g)) {
      const [first = ''] = name.split('.')
      const isFileOrDomain = name === 'admin.key' || /\.example(\.|$)/.test(name)
      if (!tables.includes(first) || isFileOrDomain) continue
      found++
      assert.ok(hasKey(declaration, name.split('.')), `${file}: ${name}`)
    }
  }
  assert.ok(found > 60, `${found}`)
})

function hasKey(node: unknown, path: readonly string[]): boolean {
  const [first, ...rest] = path
  if (first === undefined) return node !== undefined
  const fields = (node as { fields?: Fields } | undefined)?.fields
  return hasKey(fields?.[first], rest)
}

test('each configuration of the page on traps is valid', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'guide-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const blocks = [...page('traps').matchAll(/^```toml\n(.*?)^```$/gms)].map(([, text = '']) => text)
  assert.equal(blocks.length, 4)
  for (const block of blocks) {
    const file = join(folder, 'backscatterd.toml')
    const zone = 'origin = "bl.example.org"\nnameservers = ["ns1.example.org"]\n'
    writeFileSync(file, `[zone]\n${zone}hostmaster = "hostmaster.example.org"\n${block}`)
    assert.doesNotThrow(() => loadConfig({ file, env: {}, cwd: folder }), block)
  }
})

test('each table of the configuration is said to change at a reload or at a restart', () => {
  const [, section = ''] = page('configuration').split('## What a reload changes')
  const [text = ''] = section.split('<!--')
  const named = [...text.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
  assert.deepEqual(
    tables.filter((table) => !named.includes(table)),
    [],
  )
})

test('the table of codes has each kind with its code', () => {
  for (const [index, kind] of backscatterKinds.entries()) {
    assert.match(
      page('dns'),
      new RegExp(`^\\| 127\\.0\\.0\\.${index + 3} \\| \`${kind}\` \\|`, 'm'),
    )
  }
})

test('the table of scopes has each scope, and that of formats each format', () => {
  const create = access.commands
    .flatMap(({ subcommands = [] }) => subcommands)
    .find(({ name }) => name === 'create')
  const scope = create?.options?.find(({ flags }) => flags.startsWith('--scope'))
  assert.deepEqual(firstColumn(page('http'), 'Keys'), scope?.values)
  assert.deepEqual(firstColumn(page('lists'), 'The formats').toSorted(), importFormats.toSorted())
})

test('the table of mailboxes has each type', () => {
  const { expects } = declaration.fields.mailbox.fields.type
  const types = [...expects.matchAll(/"(\w+)"/g)].map(([, type]) => type)
  const named = [...page('traps').matchAll(/^\| `(\w+)` \|/gm)].map(([, type]) => type)
  assert.deepEqual(named, types)
})

test('the figures of the pages on fairness and traps are the defaults', () => {
  const { removal, evidence } = defaults
  const fair = page('fair-list')
  for (const words of [
    `\`removal.quiet\` (${formatDuration(removal.quiet).replace(/^1d$/, '24h').replace('h', ' h')})`,
    `\`removal.times\` (${removal.times})`,
    `\`removal.period\` (${formatDuration(removal.period).replace('d', ' d')})`,
    `\`evidence.minTraps\` traps (${evidence.minTraps})`,
  ]) {
    assert.ok(fair.replaceAll(/\s+/g, ' ').includes(words), words)
  }
  const errors = Number(declaration.fields.trapSmtp.fields.perMinute.fields.errors.initial)
  assert.ok(page('traps').includes(`more than ${errors} errors in a minute`))
  assert.ok(page('traps').includes(`After its ${errors / 2}th error`))
})
