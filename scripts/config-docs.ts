// Writes the configuration's documentation from its declaration in src/config/keys.ts: the table in README.md and
// data/backscatterd.example.toml. A test checks that both are current. Run: npm run config-docs
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { declaration } from '../src/config/keys.ts'
import type { Fields, Setting } from '../src/config/schema.ts'

const root = resolve(import.meta.dirname, '..')
export const readmeFile = resolve(root, 'README.md')
export const exampleFile = resolve(root, 'data/backscatterd.example.toml')

const tableStart = '<!-- configuration table: npm run config-docs -->'
const tableEnd = '<!-- end of the configuration table -->'

/** Values that the example shows for required keys, and in optional tables. */
const examples: Readonly<Record<string, string>> = {
  'zone.origin': '"bl.backscatter.example"',
  'zone.nameservers': '["ns1.backscatter.example"]',
  'zone.hostmaster': '"hostmaster.backscatter.example"',
  'dns.access[].client': '"192.0.2.0/24"',
  'dns.access[].action': '"refuse"',
  'policy.exempt[].prefix': '"192.0.2.0/28"',
  'policy.exempt[].note': '"our own relays"',
  'trap[].address': '"@trap.example.org"',
  'trapSmtp.hostname': '"mx.trap.example.org"',
  'mailbox[].name': '"traps"',
  'mailbox[].type': '"maildir"',
  'mailbox[].path': '"/var/mail/traps"',
}

interface Row {
  readonly path: string
  readonly setting: Setting<unknown>
}

function rows(fields: Fields, path = ''): Row[] {
  return Object.entries(fields).flatMap(([key, node]) =>
    node.node === 'setting'
      ? [{ path: path + key, setting: node }]
      : rows(node.fields, `${path}${key}${node.node === 'tables' ? '[]' : ''}.`),
  )
}

/** README.md with a new configuration table. */
export function withTable(readme: string): string {
  const [before = '', rest = ''] = readme.split(tableStart)
  const after = rest.slice(rest.indexOf(tableEnd))
  const lines = rows(declaration.fields).map(({ path, setting }) => {
    const initial = setting.initial === undefined ? '*required*' : `\`${toml(setting.initial)}\``
    const taken = setting.expects === 'a string' ? '' : ` *${escaped(setting.expects)}*`
    return `| \`${path}\` | ${initial} | ${escaped(setting.about)}${taken} |`
  })
  const table = ['| key | default | meaning, *what is taken* |', '|---|---|---|', ...lines].join(
    '\n',
  )
  return `${before}${tableStart}\n\n${table}\n\n${after}`
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
  return text.replaceAll('|', '\\|').replaceAll('*@', '\\*@').replaceAll('*.', '\\*.')
}

if (import.meta.main) {
  writeFileSync(readmeFile, withTable(readFileSync(readmeFile, 'utf8')))
  writeFileSync(exampleFile, exampleToml())
}
