// Runs the conformance tests against Knot DNS, rbldnsd and this server, each with the same list on loopback, and prints the
// scores for the table of data/guide/dns.md. Tests that need a server with other settings are skipped, and not counted.
// Needs Debian's knot and rbldnsd. Run: npm run conformance-score [-- --verbose]
import { globSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { run } from 'node:test'
import { rowOf, rows } from '../test/conformance/table.ts'
import { needs } from '../test/support/debian.ts'
import { startSubject } from '../test/support/dns-subject.ts'
import { type OtherServer, startKnot, startRbldnsd } from '../test/support/other-servers.ts'

interface Result {
  readonly folder: string
  readonly title: string
  readonly passed: boolean
}

const files = globSync(resolve(import.meta.dirname, '../test/conformance/*/*.test.ts'))

/** Runs the tests against one server; skipped tests are not counted. */
async function score({ subject }: OtherServer): Promise<Result[]> {
  const results: Result[] = []
  const stream = run({
    files,
    concurrency: 1,
    env: {
      ...process.env,
      DNSBL_SUBJECT: `${subject.host}:${subject.port}`,
      DNSBL_ZONE: subject.zone,
    },
  })
  const take =
    (passed: boolean) => (data: { name: string; file?: string; skip?: string | boolean }) => {
      const { name: title, file = '', skip } = data
      if (skip !== undefined || title.endsWith('.test.ts')) return
      results.push({ folder: basename(dirname(file)), title, passed })
    }
  stream.on('test:pass', take(true))
  stream.on('test:fail', take(false))
  for await (const _ of stream);
  return results
}

async function startOurs(): Promise<OtherServer> {
  const subject = await startSubject({ nsid: 'ns1-ams', tcpConnections: 1000, tcpIdleSeconds: 10 })
  return { subject, stop: () => subject.close() }
}

const servers: readonly [string, () => Promise<OtherServer>, { skip: string | false }][] = [
  ['backscatterd', startOurs, { skip: false }],
  ['Knot DNS', startKnot, needs('knotd', 'knot')],
  ['rbldnsd', startRbldnsd, needs('rbldnsd', 'rbldnsd')],
]

const scores = new Map<string, Result[]>()
for (const [name, start, { skip }] of servers) {
  if (skip !== false) {
    console.error(`${name}: ${skip}`)
    continue
  }
  const server = await start()
  scores.set(name, await score(server))
  await server.stop()
}

const names = [...scores.keys()]
const line = (cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`)
line(['rule', ...names])
line(['---', ...names.map(() => '---')])
const counted = rows.map((row) =>
  names.map((name) => {
    const results = (scores.get(name) ?? []).filter(
      ({ folder, title }) => rowOf(folder, title) === row,
    )
    return { passed: results.filter(({ passed }) => passed).length, of: results.length }
  }),
)
for (const [index, { rule }] of rows.entries()) {
  const cells = counted[index] ?? []
  if (cells.every((cell) => cell.of === 0)) continue
  line([
    rule,
    ...cells.map((cell) =>
      cell.passed === cell.of ? `${cell.of}` : `${cell.passed} of ${cell.of}`,
    ),
  ])
}
const asked = counted.filter((cells) => cells.some((cell) => cell.of > 0))
line([
  '**rows kept whole**',
  ...names.map((_, at) => {
    const whole = asked.filter((cells) => cells[at]?.passed === cells[at]?.of)
    return `**${whole.length} of ${asked.length}**`
  }),
])
line([
  '**tests passed**',
  ...names.map((name) => {
    const results = scores.get(name) ?? []
    return `**${results.filter(({ passed }) => passed).length} of ${results.length}**`
  }),
])
if (process.argv.includes('--verbose')) {
  for (const [name, results] of scores) {
    for (const { folder, title, passed } of results) {
      if (!passed) console.log(`${name}: ${folder}: ${title}`)
    }
  }
}
