// Measures the classifier on a folder of labelled messages: precision and recall by kind, family and collection, each by
// message and by cluster of near-duplicates, and every mistake with the rule that made it.
//   node scripts/score-corpus.ts FOLDER [COLLECTION…] [--no-mistakes]
// FOLDER holds messages/<collection>/… and labels.tsv with the columns path, kind, backscatter (yes or no), and if you like
// sub and alt (kinds that are right too), family and cluster. It may also hold ips.tsv (path, handing_ip, mx_by, skip) and
// fields.tsv (path, recipient, status).
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Classification, classify } from '../src/classify/classify.ts'
import { formatAddress } from '../src/ip/address.ts'
import { allValues } from '../src/mail/header.ts'
import { type Message, parseMessage } from '../src/mail/message.ts'
import { parseReceivedField } from '../src/mail/received-field.ts'
import { parseTrustedRelays, traceStored } from '../src/mail/trace.ts'

type Row = Readonly<Record<string, string>>

interface Judged {
  readonly row: Row
  readonly isBackscatter: boolean
  readonly verdict: Classification
  readonly message: Message
  /** One divided by the size of its cluster. */
  readonly weight: number
}

const { positionals, values } = readArguments()
const [folder = '', ...collections] = positionals
if (folder === '') endUsage('no folder is given')
if (!isFolder(folder)) endUsage(`${folder} is no folder`)
const labels = join(folder, 'labels.tsv')
if (!existsSync(labels)) endUsage(`${folder} has no labels.tsv`)
if (!isFolder(join(folder, 'messages'))) endUsage(`${folder} has no folder messages`)

const table = readTable(labels, ['path', 'kind', 'backscatter'])
const rows = table.filter(({ path = '' }) => isWanted(path))
const clusterSizes = countBy(rows, clusterOf)
const judged: Judged[] = []
for (const row of rows) {
  const message = await parseMessage(readLabelled(row))
  judged.push({
    row,
    isBackscatter: row['backscatter'] === 'yes',
    verdict: classify(message),
    message,
    weight: 1 / (clusterSizes.get(clusterOf(row)) ?? 1),
  })
}

printScore()
printBreakdown('kind', ({ row }) => kindOf(row['kind'] ?? ''))
printBreakdown('family', ({ row }) => row['family'] || '-', true)
printBreakdown('collection', ({ row }) => collectionOf(row['path'] ?? ''))
printRules()
printAddresses()
printFields()
if (!values['no-mistakes']) printMistakes()

function readArguments() {
  const options = { 'no-mistakes': { type: 'boolean', default: false } } as const
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    return endUsage((error as Error).message)
  }
}

function endUsage(why: string): never {
  console.error(why)
  console.error('usage: node scripts/score-corpus.ts FOLDER [COLLECTION…] [--no-mistakes]')
  process.exit(2)
}

/** An error in the folder's content, told in one line. */
function endFault(why: string): never {
  console.error(why)
  process.exit(2)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** The message that a row of labels.tsv is about. */
function readLabelled(row: Row): Uint8Array {
  const file = join(folder, 'messages', row['path'] ?? '')
  try {
    return readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const place = `${labels}: row ${table.indexOf(row) + 2}, column path`
    return endFault(`${place}: ${file} cannot be read (${code})`)
  }
}

function isWanted(path: string): boolean {
  return collections.length === 0 || collections.includes(collectionOf(path))
}

function collectionOf(path: string): string {
  return path.slice(0, path.indexOf('/'))
}

function clusterOf({ cluster, path }: Row): string {
  return cluster || `alone ${path}`
}

/** Our kind for a label's word; other words stay as they are. */
function kindOf(label: string): string {
  const names: Readonly<Record<string, string>> = {
    'dsn-delayed': 'dsn',
    challenge: 'challenge-response',
    'virus-notice': 'content-notice',
  }
  return names[label] ?? label
}

function isKindRight({ row, verdict }: Judged): boolean {
  const labels = [row['kind'], ...(row['alt'] ?? '').split(','), ...(row['sub'] ?? '').split(',')]
  return labels.some((label) => label && kindOf(label) === verdict.kind)
}

function printScore(): void {
  console.log(`${judged.length} messages, ${clusterSizes.size} clusters\n`)
  console.log(`${'backscatter yes or no'.padEnd(24)}precision  recall    kind right`)
  for (const [name, weigh] of [
    ['by message', () => 1],
    ['by cluster', ({ weight }: Judged) => weight],
  ] as const) {
    const sum = (which: (each: Judged) => boolean): number =>
      judged.filter(which).reduce((total, each) => total + weigh(each), 0)
    const found = sum((each) => each.isBackscatter && each.verdict.backscatter)
    const taken = sum(({ verdict }) => verdict.backscatter)
    const right = sum((each) => each.isBackscatter && isKindRight(each))
    const all = sum(({ isBackscatter }) => isBackscatter)
    const cells = [ratio(found, taken), ratio(found, all), ratio(right, found)]
    console.log(name.padEnd(24) + cells.map((cell) => cell.padEnd(11)).join(''))
  }
  const innocent = judged.filter((each) => !each.isBackscatter && each.verdict.backscatter)
  console.log(`wrongly taken: ${innocent.length}\n`)
}

/** For each group of labelled messages: how many there are and how many count as backscatter, by message and by cluster. */
function printBreakdown(title: string, groupOf: (each: Judged) => string, only = false): void {
  const chosen = only ? judged.filter(({ isBackscatter }) => isBackscatter) : judged
  console.log(`${title.padEnd(24)}messages   taken      by cluster`)
  for (const [group, members] of [...Map.groupBy(chosen, groupOf)].toSorted(
    ([, a], [, b]) => b.length - a.length,
  )) {
    const taken = members.filter(({ verdict }) => verdict.backscatter)
    const weight = (of: readonly Judged[]): number =>
      of.reduce((total, each) => total + each.weight, 0)
    const byCluster = ratio(weight(taken), weight(members))
    console.log(
      group.padEnd(24) +
        String(members.length).padEnd(11) +
        String(taken.length).padEnd(11) +
        byCluster,
    )
  }
  console.log('')
}

/** How often each rule decided, and how often it was wrong. A rule with a single case was tried on one message only. */
function printRules(): void {
  console.log(`${'rule'.padEnd(44)}decided    clusters   wrong`)
  for (const [rule, cases] of [...Map.groupBy(judged, ({ verdict }) => verdict.rule)].toSorted()) {
    const clusters = new Set(cases.map(({ row }) => clusterOf(row))).size
    const wrong = cases.filter((each) => each.isBackscatter !== each.verdict.backscatter).length
    console.log(
      rule.padEnd(44) +
        String(cases.length).padEnd(11) +
        String(clusters).padEnd(11) +
        (wrong || ''),
    )
  }
  console.log('')
}

/**
 * Compares the address of the sending host with the right one. The relays that are believed come from the row: the host
 * in `mx_by`, and for each of the `skip` hops above it the host that wrote the field and the address it received from.
 */
function printAddresses(): void {
  const expected = rowsOfMessages('ips.tsv', ['path', 'handing_ip'])
  if (expected.length === 0) return
  const mistakes: string[] = []
  for (const [{ message }, row] of expected) {
    const { path = '', handing_ip: address = '-', mx_by: mx = '', skip = '0' } = row
    const hops = allValues(message.header, 'received')
      .slice(0, Number(skip))
      .map((value) => parseReceivedField(value))
    const relays = [
      ...[mx, ...hops.flatMap(({ by }) => by ?? [])].filter((name) => name !== '-' && name !== ''),
      ...hops.flatMap(({ from }) => (from === null ? [] : formatAddress(from))),
    ]
    const { client } = traceStored(message.header, parseTrustedRelays(relays))
    const got = client === null ? '-' : formatAddress(client)
    if (got !== address) {
      mistakes.push(`  ${path}: ${got}, expected ${address} (relays ${relays.join(' ')})`)
    }
  }
  console.log(`handing address right in ${expected.length - mistakes.length} of ${expected.length}`)
  for (const line of mistakes) console.log(line)
  console.log('')
}

/** Compares recipient and status of a verdict with the right ones, if the folder has them. */
function printFields(): void {
  const expected = Map.groupBy(rowsOfMessages('fields.tsv', ['path']), ([each]) => each)
  if (expected.size === 0) return
  const mistakes: string[] = []
  const counts: string[] = []
  for (const [field, said] of [
    ['recipient', 'finalRecipient'],
    ['status', 'status'],
  ] as const) {
    let asked = 0
    let right = 0
    for (const [{ row, verdict }, rows] of expected) {
      const known = rows.flatMap(([, of]) => of[field]?.toLowerCase() || [])
      if (known.length === 0) continue
      asked++
      const got = verdict.dsn?.[said]?.toLowerCase() ?? '-'
      if (known.includes(got)) right++
      else mistakes.push(`  ${row['path']}: ${field} ${got}, expected ${known.join(' or ')}`)
    }
    counts.push(`${field} right in ${right} of ${asked}`)
  }
  for (const line of values['no-mistakes'] ? counts : [...counts, ...mistakes]) console.log(line)
  console.log('')
}

/** The rows of another table of the folder, each with its message; none if the table does not exist. */
function rowsOfMessages(name: string, columns: readonly string[]): [Judged, Row][] {
  const file = join(folder ?? '', name)
  if (!existsSync(file)) return []
  const byPath = new Map(judged.map((each) => [each.row['path'], each]))
  return readTable(file, columns).flatMap((row) => {
    const each = byPath.get(row['path'])
    return each === undefined ? [] : [[each, row] as [Judged, Row]]
  })
}

function printMistakes(): void {
  console.log('mistakes')
  for (const each of judged) {
    const { row, verdict, isBackscatter } = each
    const what =
      isBackscatter !== verdict.backscatter
        ? isBackscatter
          ? 'missed'
          : 'WRONGLY TAKEN'
        : isBackscatter && !isKindRight(each)
          ? 'wrong kind'
          : null
    if (what === null) continue
    const said = verdict.kind ?? verdict.notBackscatter
    const cluster = `cluster ${clusterOf(row)}`
    console.log(`  ${what}: ${row['path']} (${row['kind']}, ${cluster}) ${said} by ${verdict.rule}`)
  }
}

function ratio(part: number, whole: number): string {
  return whole === 0 ? '-' : (part / whole).toFixed(4)
}

function countBy(all: readonly Row[], key: (row: Row) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const row of all) counts.set(key(row), (counts.get(key(row)) ?? 0) + 1)
  return counts
}

/** Row 1 must hold the names of the columns, `needed` among them. */
function readTable(file: string, columns: readonly string[]): Row[] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/)
  const names = head.split('\t')
  const missing = columns.filter((column) => !names.includes(column))
  if (missing.length > 0) endFault(`${file}: row 1: there is no column ${missing.join(', ')}`)
  return lines.map((line) => {
    const cells = line.split('\t')
    return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? '']))
  })
}
