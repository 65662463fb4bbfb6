// Measures the classifier on sets of labelled messages: precision, recall and right kinds, for all verdicts and for the certain
// ones alone, and every mistake with the rule that made it. Also compares phrases with their witnesses in these sets.
//   node scripts/score.ts [FOLDER…] [--floors] [--no-mistakes]
// Without a folder, the sets beside the project are measured. A set is a folder that holds messages/<collection>/… and labels.tsv
// with the columns path, kind, backscatter (yes or no), and if you like sub and alt (kinds that are right too), family and cluster
// (near-duplicates: together they count as one message). It may also hold ips.tsv (path, handing_ip, mx_by, skip) and fields.tsv
// (path, recipient, status). --floors fails if a figure is below its floor.
import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Classification, classify } from '../src/classify/classify.ts'
import { formatAddress } from '../src/ip/address.ts'
import { allValues } from '../src/mail/header.ts'
import type { Message } from '../src/mail/message.ts'
import { parseReceivedField } from '../src/mail/received-field.ts'
import { parseTrustedRelays, traceStored } from '../src/mail/trace.ts'
import { clusterOf, kindOf, type Row, readLabelled, readTable } from './labelled-set.ts'
import { type Witness, witnessFaults } from './witnesses.ts'

/** The sets beside the project. They are not part of it: their licences differ, and some messages hold real addresses. */
const ownSets = ['../../shared/mail', '../../shared/mail-made'].map((path) =>
  resolve(import.meta.dirname, path),
)

/** By cluster, except for the two counts of messages. */
interface Figures {
  readonly precision: number
  readonly recall: number
  readonly kindRight: number
  readonly certainPrecision: number
  readonly certainRecall: number
  readonly innocentsCertain: number
  readonly innocentsLikely: number
}

/** By the name of the set's folder. Counts of innocents may not rise above their number, other figures not fall below it. */
const floors: Readonly<Record<string, Partial<Figures>>> = {
  mail: { precision: 1, recall: 0.985, certainPrecision: 1, certainRecall: 0.7 },
  'mail-made': { recall: 0.9, kindRight: 0.95, innocentsCertain: 0, innocentsLikely: 2 },
}

interface Judged {
  readonly row: Row
  readonly isBackscatter: boolean
  readonly verdict: Classification
  readonly message: Message
  /** One divided by the size of its cluster. */
  readonly weight: number
}

interface LabelledSet {
  readonly name: string
  readonly folder: string
  readonly judged: readonly Judged[]
}

const { positionals, values } = readArguments()
const folders = positionals.length > 0 ? positionals : ownSets.filter((path) => existsSync(path))
if (folders.length === 0) console.log('no labelled set is at hand; nothing is measured')
const faults: string[] = []
const witnesses = new Map<string, Witness>()
for (const folder of folders) {
  const set = await readSet(folder)
  const figures = printScore(set)
  printBreakdown(set, 'kind', 1, ({ row }) => kindOf(row['kind'] ?? ''))
  printBreakdown(set, 'family', 2, ({ row }) => row['family'] || '-')
  printRules(set)
  printAddresses(set)
  printFields(set)
  if (!values['no-mistakes']) printMistakes(set)
  faults.push(...belowFloors(set.name, figures))
  for (const each of set.judged)
    witnesses.set(`sha256:${sha256(each.message.raw)}`, { ...each, kinds: kindsOf(each) })
}
if (folders.length > 0) printWitnesses()
if (values.floors && faults.length > 0) {
  for (const fault of faults) console.error(fault)
  process.exitCode = 1
}

/** A phrase's witness may be missing only while a set is. */
function printWitnesses(): void {
  const areAllHere = ownSets.every((path) => folders.includes(path))
  const isHash = (name: string): boolean => name.startsWith('sha256:')
  const wrong = witnessFaults((name) =>
    isHash(name) ? (witnesses.get(name) ?? (areAllHere ? undefined : null)) : null,
  )
  console.log(`phrases that their witnesses do not write: ${wrong.length}`)
  for (const line of wrong) console.log(`  ${line}`)
  faults.push(...wrong)
}

function sha256(raw: Uint8Array): string {
  return createHash('sha256').update(raw).digest('hex')
}

function readArguments() {
  const options = {
    floors: { type: 'boolean', default: false },
    'no-mistakes': { type: 'boolean', default: false },
  } as const
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    return endUsage((error as Error).message)
  }
}

function endUsage(why: string): never {
  console.error(why)
  console.error('usage: node scripts/score.ts [FOLDER…] [--floors] [--no-mistakes]')
  process.exit(2)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

async function readSet(folder: string): Promise<LabelledSet> {
  if (!isFolder(folder)) endUsage(`${folder} is no folder`)
  if (!existsSync(join(folder, 'labels.tsv'))) endUsage(`${folder} has no labels.tsv`)
  if (!isFolder(join(folder, 'messages'))) endUsage(`${folder} has no folder messages`)
  const judged = readLabelled(folder).map((each) => ({
    ...each,
    isBackscatter: each.row['backscatter'] === 'yes',
    verdict: classify(each.message),
  }))
  return { name: basename(resolve(folder)), folder, judged }
}

/** The kinds that are right for a message. */
function kindsOf({ row }: Judged): string[] {
  const { kind = '', alt = '', sub = '' } = row
  return [kind, ...alt.split(','), ...sub.split(',')].filter((label) => label !== '').map(kindOf)
}

function isKindRight(each: Judged): boolean {
  return kindsOf(each).includes(each.verdict.kind ?? '')
}

function isTaken({ verdict }: Judged): boolean {
  return verdict.backscatter
}

function isCertain({ verdict }: Judged): boolean {
  return verdict.certainty === 'certain'
}

function printScore({ name, judged }: LabelledSet): Figures {
  const clusters = new Set(judged.map(({ row }) => clusterOf(row))).size
  console.log(`${name}: ${judged.length} messages, ${clusters} clusters\n`)
  printLine('', ['precision', 'recall', 'kind right'])
  const score = (isFound: (each: Judged) => boolean, weigh: (each: Judged) => number) => {
    const sum = (which: (each: Judged) => boolean): number =>
      judged.filter(which).reduce((total, each) => total + weigh(each), 0)
    const found = sum((each) => each.isBackscatter && isFound(each))
    const right = sum((each) => each.isBackscatter && isFound(each) && isKindRight(each))
    const all = sum(({ isBackscatter }) => isBackscatter)
    return [found / sum(isFound), found / all, right / found] as const
  }
  const byCluster = ({ weight }: Judged): number => weight
  const rows = {
    'by cluster': score(isTaken, byCluster),
    'by cluster, certain': score(isCertain, byCluster),
    'by message': score(isTaken, () => 1),
    'by message, certain': score(isCertain, () => 1),
  }
  for (const [title, row] of Object.entries(rows)) printLine(title, row.map(share))
  const innocents = judged.filter((each) => !each.isBackscatter)
  const innocentsCertain = innocents.filter(isCertain).length
  const innocentsLikely = innocents.filter(isTaken).length - innocentsCertain
  console.log(
    `wrongly taken: ${innocentsCertain} certain, ${innocentsLikely} likely, of ${innocents.length} innocents\n`,
  )
  const [precision, recall, kindRight] = rows['by cluster']
  const [certainPrecision, certainRecall] = rows['by cluster, certain']
  return {
    precision,
    recall,
    kindRight,
    certainPrecision,
    certainRecall,
    innocentsCertain,
    innocentsLikely,
  }
}

function belowFloors(name: string, figures: Figures): string[] {
  const keys = Object.keys(floors[name] ?? {}) as (keyof Figures)[]
  return keys.flatMap((key) => {
    const floor = floors[name]?.[key] ?? 0
    // Sums of cluster weights differ from whole numbers by rounding.
    const isMet = key.startsWith('innocents') ? figures[key] <= floor : figures[key] >= floor - 1e-9
    return isMet ? [] : [`${name}: ${key} is ${figures[key]}, and its floor ${floor}`]
  })
}

/** For each group of at least `smallest` labelled messages: how many there are, how many are taken, and shares by cluster. */
function printBreakdown(
  { judged }: LabelledSet,
  title: string,
  smallest: number,
  groupOf: (each: Judged) => string,
): void {
  printLine(title, ['messages', 'taken', 'certain', 'by cluster', 'certain', 'kind right'])
  for (const [group, members] of [...Map.groupBy(judged, groupOf)].toSorted(
    ([, a], [, b]) => b.length - a.length,
  )) {
    if (members.length < smallest) continue
    const taken = members.filter(isTaken)
    const certain = members.filter(isCertain)
    const weight = (of: readonly Judged[]): number =>
      of.reduce((total, each) => total + each.weight, 0)
    printLine(group, [
      String(members.length),
      String(taken.length),
      String(certain.length),
      share(weight(taken) / weight(members)),
      share(weight(certain) / weight(members)),
      members.some(({ isBackscatter }) => isBackscatter)
        ? share(weight(taken.filter(isKindRight)) / weight(taken))
        : '-',
    ])
  }
  console.log('')
}

/** How often each rule decided, and how often it was wrong. A rule with a single case was tried on one message only. */
function printRules({ judged }: LabelledSet): void {
  printLine('rule', ['decided', 'clusters', 'certain', 'wrong'], 44)
  for (const [rule, cases] of [...Map.groupBy(judged, ({ verdict }) => verdict.rule)].toSorted()) {
    const clusters = new Set(cases.map(({ row }) => clusterOf(row))).size
    const wrong = cases.filter((each) => mistakeIn(each) !== null).length
    const counts = [cases.length, clusters, cases.filter(isCertain).length, wrong || '']
    printLine(rule, counts.map(String), 44)
  }
  console.log('')
}

/**
 * Compares the address of the sending host with the right one. The relays that are believed come from the row: the host
 * in `mx_by`, and for each of the `skip` hops above it the host that wrote the field and the address it received from. Two of our
 * hosts may both name the sending host, which is no relay.
 */
function printAddresses(set: LabelledSet): void {
  const expected = rowsOfMessages(set, 'ips.tsv', ['path', 'handing_ip'])
  if (expected.length === 0) return
  const mistakes: string[] = []
  for (const [{ message }, row] of expected) {
    const { path = '', handing_ip: address = '-', mx_by: mx = '', skip = '0' } = row
    const hops = allValues(message.header, 'received')
      .slice(0, Number(skip))
      .map((value) => parseReceivedField(value))
    const relays = [
      ...[mx, ...hops.flatMap(({ by }) => by ?? [])].filter((name) => name !== '-' && name !== ''),
      ...hops
        .flatMap(({ from }) => (from === null ? [] : formatAddress(from)))
        .filter((from) => from !== address),
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
function printFields(set: LabelledSet): void {
  const expected = Map.groupBy(rowsOfMessages(set, 'fields.tsv', ['path']), ([each]) => each)
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
function rowsOfMessages(
  { folder, judged }: LabelledSet,
  name: string,
  columns: readonly string[],
): [Judged, Row][] {
  const file = join(folder, name)
  if (!existsSync(file)) return []
  const byPath = new Map(judged.map((each) => [each.row['path'], each]))
  return readTable(file, columns).flatMap((row) => {
    const each = byPath.get(row['path'])
    return each === undefined ? [] : [[each, row] as [Judged, Row]]
  })
}

function mistakeIn(each: Judged): string | null {
  const { isBackscatter, verdict } = each
  if (isBackscatter !== verdict.backscatter) return isBackscatter ? 'missed' : 'WRONGLY TAKEN'
  return isBackscatter && !isKindRight(each) ? 'wrong kind' : null
}

function printMistakes({ judged }: LabelledSet): void {
  console.log('mistakes')
  for (const each of judged) {
    const what = mistakeIn(each)
    if (what === null) continue
    const { row, verdict } = each
    const said = verdict.kind ?? verdict.notBackscatter
    const certainty = verdict.certainty === null ? '' : `, ${verdict.certainty}`
    const label = `${row['path']} (${row['kind']}, cluster ${clusterOf(row)})`
    console.log(`  ${what}: ${label} ${said} by ${verdict.rule}${certainty}`)
  }
  console.log('')
}

function printLine(title: string, cells: readonly string[], width = 24): void {
  console.log(title.padEnd(width) + cells.map((cell) => cell.padEnd(11)).join(''))
}

function share(part: number): string {
  return Number.isNaN(part) ? '-' : part.toFixed(4)
}
