// Writes the configuration's documentation from its declaration in src/config/keys.ts: the tables in
// data/guide/configuration.md and data/backscatterd.example.toml. A test checks that both are current. Run: npm run config-docs
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { declaration } from '../src/config/keys.ts'
import type { Fields } from '../src/config/schema.ts'

const root = resolve(import.meta.dirname, '..')
export const guideFile = resolve(root, 'data/guide/configuration.md')
export const exampleFile = resolve(root, 'data/backscatterd.example.toml')

const tablesStart = '<!-- what follows is made by npm run config-docs -->'

/** Values that the example shows for required keys, and in optional tables. */
const examples: Readonly<Record<string, string>> = {
  'zone.origin': '"bl.backscatter.example"',
  'zone.nameservers': '["ns1.backscatter.example"]',
  'zone.hostmaster': '"hostmaster.backscatter.example"',
  'dns.access[].client': '"192.0.2.0/24"',
  'dns.access[].action': '"refuse"',
  'dns.key[].name': '"mirror1"',
  'dns.key[].secretFile': '"mirror1.key"',
  'dns.transfer[].address': '"192.0.2.54"',
  'dns.transfer[].allow': '"192.0.2.54"',
  'dns.transfer[].key': '"mirror1"',
  'policy.exempt[].prefix': '"192.0.2.0/28"',
  'policy.exempt[].note': '"our own relays"',
  'trap[].address': '"@trap.example.org"',
  'trapSmtp.hostname': '"mx.trap.example.org"',
  'mailbox[].name': '"traps"',
  'mailbox[].type': '"maildir"',
  'mailbox[].path': '"/var/mail/traps"',
}

/** The page with new tables: what is before its mark, and a part for each table of the configuration. */
export function withTables(page: string): string {
  const [before = ''] = page.split(tablesStart)
  return `${before}${tablesStart}\n\n${parts(declaration.fields).join('\n\n')}\n`
}

/** A heading, a sentence and a table of keys for each table of the configuration. */
function parts(fields: Fields, path = ''): string[] {
  return Object.entries(fields).flatMap(([key, node]) => {
    if (node.node === 'setting' || node.about === '') return []
    const name = path + key
    const header = node.node === 'tables' ? `[[${name}]]` : `[${name}]`
    const isMany = node.node === 'tables'
    const inner = `${name}${isMany ? '[]' : ''}.`
    const keys = rows(node.fields, inner)
    const table = ['| key | default | meaning, *what is taken* |', '|---|---|---|', ...keys]
    const about = isMany ? `${node.about} Write this table once for each.` : node.about
    return [
      [
        `##${path === '' ? '' : '#'} ${header}`,
        '',
        about,
        ...(keys.length > 0 ? ['', ...table] : []),
      ].join('\n'),
      ...parts(node.fields, inner),
    ]
  })
}

/** The rows of a table's own keys, and of tables within it that have no heading of their own. */
function rows(fields: Fields, path: string): string[] {
  return Object.entries(fields).flatMap(([key, node]) => {
    if (node.node !== 'setting') return node.about === '' ? rows(node.fields, `${path}${key}.`) : []
    const initial = node.initial === undefined ? '*required*' : `\`${toml(node.initial)}\``
    const taken = node.expects === 'a string' ? '' : ` *${escaped(node.expects)}*`
    return [`| \`${path}${key}\` | ${initial} | ${escaped(node.about)}${taken} |`]
  })
}

/** data/backscatterd.example.toml: every key with its default, optional parts commented out. */
export function exampleToml(): string {
  const lines = [
    '# Every key of backscatterd with its default. Lines that begin with #[ or #NAME are optional parts: remove the #.',
    '# Made from the declaration in src/config/keys.ts.',
  ]
  writeTable(declaration.fields, '', '', lines)
  return `${lines.join('\n')}\n`
}

function writeTable(fields: Fields, path: string, mark: string, lines: string[]): void {
  for (const [key, node] of Object.entries(fields)) {
    if (node.node !== 'setting') continue
    const value = examples[path + key] ?? toml(node.initial)
    lines.push(`${mark}# ${node.about}`.trimEnd(), `${mark}${keyText(key)} = ${value}`)
  }
  for (const [key, node] of Object.entries(fields)) {
    if (node.node === 'setting') continue
    const name = path.replaceAll('[]', '') + keyText(key)
    const inner = node.node === 'table' ? mark : '#'
    const header = node.node === 'tables' ? `[[${name}]]` : `[${name}]`
    lines.push('')
    if (node.about !== '') lines.push(`# ${node.about}`)
    lines.push(inner + header)
    writeTable(node.fields, `${path}${key}${node.node === 'tables' ? '[]' : ''}.`, inner, lines)
  }
}

/** A default as TOML has it. */
function toml(value: unknown): string {
  return Array.isArray(value)
    ? `[${value.map((each) => JSON.stringify(each)).join(', ')}]`
    : JSON.stringify(value)
}

function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key)
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) {
  writeFileSync(guideFile, withTables(readFileSync(guideFile, 'utf8')))
  writeFileSync(exampleFile, exampleToml())
}
