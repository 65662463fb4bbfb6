// The README and the guide's pages: each link, path, npm script and command in them exists, and the README stays short.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type BackscatterKind, backscatterKinds } from '../../src/classify/kinds.ts'
import type { CommandRow } from '../../src/commands/command.ts'
import { program } from '../../src/commands/table/table.ts'
import { loadConfig } from '../../src/config/load.ts'
import { commandsOf } from '../support/demo.ts'

const readme = readFileSync('README.md', 'utf8')
const pages = ['README.md', ...globSync('data/guide/*.md').sort()].map((file) => ({
  file,
  text: readFileSync(file, 'utf8'),
}))

test('the README has at most 150 lines and 14 kB', () => {
  assert.ok(readme.trimEnd().split('\n').length <= 150)
  assert.ok(Buffer.byteLength(readme) <= 14_000)
})

test('each relative link leads to a file, and to a heading in it', () => {
  let links = 0
  for (const { file, text } of pages) {
    for (const [link, target = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      links++
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? file : join(dirname(file), path)
      assert.ok(existsSync(to), `${file}: ${link}`)
      if (anchor !== undefined) assert.ok(anchorsOf(to).includes(anchor), `${file}: ${link}`)
    }
  }
  assert.ok(links >= 30)
})

test('the README leads to each page of the guide', () => {
  for (const { file } of pages.slice(1)) assert.ok(readme.includes(`](${file})`), file)
})

test('each path of the project that is named exists', () => {
  for (const { file, text } of pages) {
    for (const [, path = ''] of text.matchAll(/`((?:src|data|test|scripts)\/[^`\s]*)`/g)) {
      // Words in capitals stand for names of the reader's own; the demonstration makes some files itself.
      if (/[A-Z]{3}|…/.test(path) || /^data\/(backscatterd\.db|demo-maildir)/.test(path)) continue
      assert.ok(globSync(path).length > 0, `${file}: ${path}`)
    }
  }
})

test('each npm script that is named exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const { file, text } of pages) {
    for (const [named, script = ''] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
      assert.ok(script in scripts, `${file}: ${named}`)
    }
  }
})

test('commands that no test runs are at least well-formed', () => {
  for (const { file, text } of pages) {
    for (const { text: commands } of commandsOf(text)) {
      const { status, stderr } = spawnSync('bash', ['-n', '-c', commands], { encoding: 'utf8' })
      assert.equal(status, 0, `${file}: ${commands}\n${stderr}`)
    }
  }
})

test('each command and option that is named exists', () => {
  const rows = program.groups.flatMap(({ commands }) => commands)
  let found = 0
  for (const { file, text } of pages) {
    const code = [
      ...commandsOf(text).map((each) => each.text.replaceAll('\\\n', ' ')),
      ...[...withoutCode(text).matchAll(/`([^`]+)`/g)].map(([, inline = '']) => inline),
    ].join('\n')
    // The line that the server prints when it is ready is no command.
    for (const [line] of code.matchAll(/(?<![\w/.-])backscatterd (?!ready|…)[^|>;&\n]+/g)) {
      const [, ...words] = line.trim().split(/\s+/)
      if (words[0] === '--config') words.splice(0, 2)
      if (words[0]?.startsWith('-') || words[0] === 'help') continue
      const row = named(rows, words)
      assert.ok(row, `${file}: ${line}`)
      found++
      const known = ['--help', ...(row.options ?? []).flatMap(({ flags }) => flags.split(/[ ,]+/))]
      for (const option of line.match(/(?<=\s)--[a-z-]+/g) ?? [])
        assert.ok(known.includes(option) || option === '--config', `${file}: ${line}: ${option}`)
    }
  }
  assert.ok(found >= 30)
})

test('the guide names each kind of backscatter, and the thresholds and terms that hold by default', () => {
  const judging = readFileSync('data/guide/judging.md', 'utf8')
  const named = [...judging.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, kind]) => kind)
  assert.deepEqual(named, [...backscatterKinds])
  const { policy } = loadConfig({ file: 'data/backscatterd.example.toml', env: {}, cwd: '.' })
  const days = (seconds: number): string => `${seconds / 86_400} days`
  const counts = (kind: BackscatterKind): string => {
    const { messages, traps } = policy.threshold[kind]
    return `${messages} to ${traps} trap${traps === 1 ? '' : 's'}`
  }
  assert.equal(counts('auto-reply'), counts('content-notice'))
  assert.equal(counts('auto-reply'), counts('challenge-response'))
  for (const words of [
    `${counts('dsn')} for bounces, ${counts('auto-reply')} for the other kinds, ${counts('callout').replace(/ traps?$/, '')} for callouts`,
    `within\n  ${days(policy.threshold.dsn.window)}`,
    `ends ${days(policy.firstListing)} after`,
    `up to ${days(policy.longestListing)} `,
  ]) {
    assert.ok(judging.includes(words), words)
  }
})

/** The command that the words name, down to its subcommand. */
function named(rows: readonly CommandRow[], words: readonly string[]): CommandRow | undefined {
  const row = rows.find(({ name }) => name === words[0])
  return row?.subcommands ? named(row.subcommands, words.slice(1)) : row
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(file: string): string[] {
  const headings = withoutCode(readFileSync(file, 'utf8')).matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function withoutCode(text: string): string {
  return text.replace(/^ *```.*?^ *```$/gms, '')
}
