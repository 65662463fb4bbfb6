// The house rules that a machine can hold: which room may import which, that no files import each other in a circle, where
// each npm package lives, and that the wire-level room stays free of the platform.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, normalize, relative, sep } from 'node:path'
import { test } from 'node:test'
import { parseSync } from 'oxc-parser'

/** Which rooms each room may import; `commands` may import all. Each row is used in full, or the row is too long. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  ip: [],
  tree: [],
  dns: ['tree'],
  nameserver: ['dns', 'tree', 'ip', 'transfer'],
  transfer: ['dns', 'ip', 'blocklist'],
  mirror: ['dns', 'ip', 'store', 'transfer', 'tree'],
  resolver: ['ip'],
  mail: ['ip'],
  classify: ['mail', 'ip'],
  store: ['ip', 'classify'],
  blocklist: ['ip', 'tree', 'classify', 'store'],
  feeds: ['ip', 'blocklist'],
  traps: ['ip', 'mail', 'classify', 'resolver'],
  admin: ['ip', 'mail', 'classify', 'store', 'blocklist', 'feeds', 'traps'],
  config: ['ip', 'blocklist', 'classify'],
}

/** Files directly in src/ that any room may import. */
const openToAll = ['errors.ts', 'libc.ts', 'log-rarely.ts', 'quantity.ts', 'schedule.ts']

/** These rooms answer by value, hostile input too, and never with an OperationalError. */
const answerByValue = ['dns', 'mail', 'classify']

/** What files directly in src/ may import beside those: quantity.ts answers with the type that ip has for texts that may be wrong. */
const rootMayImport: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['commands'],
  'quantity.ts': ['ip'],
}

/** The one room that knows each npm package. */
const home: Readonly<Record<string, string>> = {
  '@fastify/accepts': 'admin',
  '@fastify/cookie': 'admin',
  '@fastify/helmet': 'admin',
  '@fastify/rate-limit': 'admin',
  '@fastify/static': 'admin',
  '@fastify/swagger': 'admin',
  '@fastify/swagger-ui': 'admin',
  '@fastify/type-provider-typebox': 'admin',
  'better-sqlite3': 'store',
  'cli-progress': 'commands',
  commander: 'main.ts',
  dns2: 'resolver',
  entities: 'mail',
  eta: 'admin',
  fastify: 'admin',
  imapflow: 'traps',
  'ip-num': 'ip',
  koffi: 'libc.ts',
  libmime: 'mail',
  libqp: 'mail',
  mailauth: 'traps',
  'markdown-it': 'admin',
  'node-cron': 'schedule.ts',
  papaparse: 'feeds',
  pino: 'commands',
  'smol-toml': 'config',
  'smtp-server': 'traps',
  tldts: 'traps',
  typebox: 'admin',
  uplot: 'admin',
}

interface Source {
  readonly file: string
  readonly room: string
  readonly text: string
  /** What the file imports, types too: source files as paths from the top, everything else as it is written. */
  readonly imports: readonly string[]
}

const sources = globSync('src/**/*.ts').map(readSource)
const files = new Map(sources.map((source) => [source.file, source]))

function readSource(file: string): Source {
  const text = readFileSync(file, 'utf8')
  const { module, errors } = parseSync(file, text)
  assert.deepEqual(errors, [], file)
  const imports = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
    ),
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
      text.slice(start + 1, end - 1),
    ),
  ].map((path) => (path.startsWith('.') ? normalize(`${dirname(file)}/${path}`) : path))
  return { file, room: roomOf(file), text, imports: [...new Set(imports)] }
}

/** The folder below src/, or the name of a file directly in it. */
function roomOf(file: string): string {
  return relative('src', file).split(sep)[0] ?? ''
}

function isAllowed(from: string, to: string): boolean {
  if (from === to || from === 'commands') return true
  if (to === 'errors.ts' && answerByValue.includes(from)) return false
  if (openToAll.includes(to)) return true
  return (mayImport[from] ?? rootMayImport[from])?.includes(to) ?? false
}

/** Groups of files in which each imports the others, directly or over files of the group (Tarjan's algorithm). */
function cycles(): string[][] {
  const found: string[][] = []
  const order = new Map<string, number>()
  const path: string[] = []
  const visit = (file: string): number => {
    const index = order.size
    order.set(file, index)
    path.push(file)
    let lowest = index
    for (const next of files.get(file)?.imports ?? []) {
      if (!files.has(next)) continue
      if (!order.has(next)) lowest = Math.min(lowest, visit(next))
      else if (path.includes(next)) lowest = Math.min(lowest, order.get(next) ?? index)
    }
    if (lowest === index) {
      const group = path.splice(path.indexOf(file))
      if (group.length > 1) found.push(group.sort())
    }
    return lowest
  }
  for (const file of files.keys()) if (!order.has(file)) visit(file)
  return found
}

/** The name of the npm package that a specifier means, without a path inside it. */
function packageOf(specifier: string): string {
  return /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier
}

test('no file imports a room that its own may not know', () => {
  assert.ok(sources.length > 100)
  const forbidden = sources.flatMap(({ file, room, imports }) =>
    imports
      .filter((path) => path.startsWith(`src${sep}`) && !isAllowed(room, roomOf(path)))
      .map((path) => `${file} imports ${path}`),
  )
  assert.deepEqual(forbidden, [])
})

test('each room that a room may import is imported', () => {
  const used = new Set(
    sources.flatMap(({ room, imports }) =>
      imports.map((path) => `${room} imports ${roomOf(path)}`),
    ),
  )
  for (const [from, rooms] of [...Object.entries(mayImport), ...Object.entries(rootMayImport)]) {
    for (const to of rooms) {
      assert.ok(used.has(`${from} imports ${to}`), `${from} never imports ${to}`)
    }
  }
})

test('no files import each other in a circle, types included', () => {
  assert.deepEqual(cycles(), [])
})

test('the room that turns bytes into bytes imports no module of the platform', () => {
  const platform = sources.flatMap(({ room, file, imports }) =>
    room === 'dns' ? imports.filter((path) => path.startsWith('node:')).map(() => file) : [],
  )
  assert.deepEqual(platform, [])
})

test('each npm package is imported by its home, and there alone', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  assert.deepEqual(Object.keys(home).sort(), Object.keys(dependencies).sort())
  const rooms = Map.groupBy(
    sources.flatMap(({ room, imports }) =>
      imports.map((path) => ({ room, name: packageOf(path) })),
    ),
    ({ name }) => name,
  )
  for (const [name, room] of Object.entries(home)) {
    const importers = new Set(rooms.get(name)?.map((each) => each.room))
    assert.deepEqual([...importers], [room], name)
  }
})

test('whatever else is imported is data or the manifest', () => {
  const isKnown = (path: string) =>
    files.has(path) || /^(node:|data\/|package\.json$)/.test(path) || packageOf(path) in home
  const unknown = sources.flatMap(({ file, imports }) =>
    imports.filter((path) => !isKnown(path)).map((path) => `${file} imports ${path}`),
  )
  assert.deepEqual(unknown, [])
})

test('no room or file has a name that says nothing', () => {
  for (const { file } of sources) {
    assert.doesNotMatch(file, /(^|[/-])(utils?|helpers?|common|misc|managers?|services?|index)\b/)
  }
})

test('no throw in the answer path', () => {
  for (const { file, room, text } of sources) {
    if (room === 'dns' || file.endsWith('tree/reader.ts')) {
      assert.doesNotMatch(text, /\bthrow\b/, file)
    }
  }
})
