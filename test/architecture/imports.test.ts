// The house rules that a machine can hold: which room may import which, where each npm package lives, and that
// the wire-level room stays free of the platform.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { test } from 'node:test'

/** Which rooms each room may import. Files directly under src/ are rooms of one file. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'quantity.ts': ['ip'],
  'clock.ts': ['errors.ts'],
  'thread-environment.ts': [],
  'schedule.ts': ['errors.ts'],
  config: ['errors.ts', 'quantity.ts', 'ip', 'bounce', 'blocklist'],
  libc: [],
  ip: ['errors.ts'],
  tree: ['ip', 'errors.ts'],
  dns: ['ip', 'tree'],
  resolver: ['ip', 'errors.ts'],
  nameserver: ['thread-environment.ts', 'dns', 'tree', 'store', 'libc', 'errors.ts'],
  bounce: ['ip'],
  store: ['ip', 'bounce', 'errors.ts'],
  blocklist: ['ip', 'tree', 'bounce', 'resolver', 'store', 'errors.ts', 'quantity.ts'],
  traps: [
    'thread-environment.ts',
    'ip',
    'libc',
    'bounce',
    'resolver',
    'store',
    'blocklist',
    'schedule.ts',
    'errors.ts',
  ],
  feeds: ['ip', 'store', 'blocklist', 'errors.ts'],
  admin: ['ip', 'bounce', 'store', 'blocklist', 'feeds', 'errors.ts', 'quantity.ts'],
  commands: [
    'config',
    'quantity.ts',
    'clock.ts',
    'schedule.ts',
    'errors.ts',
    'ip',
    'libc',
    'tree',
    'dns',
    'resolver',
    'nameserver',
    'bounce',
    'store',
    'blocklist',
    'traps',
    'feeds',
    'admin',
  ],
  'main.ts': ['commands', 'errors.ts'],
}

/** The one room that knows each npm package. */
const home: Readonly<Record<string, readonly string[]>> = {
  '@fastify/helmet': ['admin'],
  '@fastify/rate-limit': ['admin'],
  '@fastify/swagger': ['admin'],
  '@fastify/swagger-ui': ['admin'],
  '@fastify/type-provider-typebox': ['admin'],
  'better-sqlite3': ['store'],
  'cli-progress': ['commands'],
  commander: ['main.ts'],
  dns2: ['resolver'],
  fastify: ['admin'],
  imapflow: ['traps'],
  'ip-num': ['ip'],
  koffi: ['libc'],
  mailauth: ['traps'],
  mailparser: ['bounce'],
  'node-cron': ['schedule.ts'],
  pino: ['commands'],
  'smol-toml': ['config'],
  'smtp-server': ['traps'],
  tldts: ['traps'],
  typebox: ['admin'],
}

const sources = globSync('src/**/*.ts').map((file) => ({ file, text: readFileSync(file, 'utf8') }))
/** Static imports and re-exports, imports for effect, and dynamic ones; not the word 'import' in a string. */
const specifier =
  /^(?:import|export)\b[\w\s{},*$]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm

function room(file: string): string {
  return relative('src', file).split(sep)[0] ?? ''
}

function imports(text: string): string[] {
  return [...text.matchAll(specifier)].map(
    ([, path = '', effect, dynamic]) => path || (effect ?? dynamic ?? ''),
  )
}

test('the source tree is there', () => {
  assert.ok(sources.length > 5)
})

for (const { file, text } of sources) {
  test(`${file} imports only the rooms and packages it may`, () => {
    const from = room(file)
    const allowed = mayImport[from]
    assert.ok(allowed, `${from} is not a known room`)
    for (const path of imports(text)) {
      if (path.startsWith('node:')) {
        assert.notEqual(from, 'dns', `${file} imports ${path}: dns turns bytes into bytes`)
      } else if (path.startsWith('.')) {
        const target = resolve(dirname(file), path)
        if (target.startsWith(resolve('data') + sep) || target === resolve('package.json')) continue
        const to = room(target)
        assert.ok(
          to === from || allowed.includes(to),
          `${file} imports ${path}: ${from} must not know ${to}`,
        )
      } else {
        const name = /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path
        assert.ok(home[name]?.includes(from), `${file} imports ${name}: not its home`)
      }
    }
  })
}

test('each dependency is used by its home', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const name of Object.keys(dependencies)) {
    assert.ok(home[name], `${name} has no home`)
    const users = sources.filter(({ text }) =>
      imports(text).some((path) => path === name || path.startsWith(`${name}/`)),
    )
    assert.ok(users.length > 0, `${name} is never imported`)
  }
})

test('no room or file has a name that says nothing', () => {
  for (const { file } of sources) {
    assert.doesNotMatch(file, /(^|[/-])(utils?|helpers?|common|misc|managers?|services?|index)\b/)
  }
})

test('no throw in the answer path', () => {
  for (const { file, text } of sources) {
    if (room(file) === 'dns' || file.endsWith('tree/reader.ts')) {
      assert.doesNotMatch(text, /\bthrow\b/, file)
    }
  }
})
