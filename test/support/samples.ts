// The project's own labelled messages: test/bounces/KIND/*.eml, and what is expected of each in KIND/expectations.tsv.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Classification } from '../../src/classify/classify.ts'
import { formatAddress } from '../../src/ip/address.ts'
import type { Message } from '../../src/mail/message.ts'
import { parseTrustedRelays, traceStored } from '../../src/mail/trace.ts'
import { deliveredTo } from '../../src/traps/delivery.ts'

const folder = join(import.meta.dirname, '../bounces')

/** Paths below test/bounces, in order. */
export const samplePaths: readonly string[] = globSync('*/*.eml', { cwd: folder }).toSorted()

/** The folder: the kind of backscatter that the sample is, or `not-backscatter`. */
export function kindOfSample(path: string): string {
  return path.slice(0, path.indexOf('/'))
}

export function readSample(path: string): Buffer {
  return readFileSync(join(folder, path))
}

/** The columns of expectations.tsv after the file's name; `-` is nothing. */
export const expectedColumns = [
  'verdict',
  'certainty',
  'rule',
  'action',
  'recipient',
  'status',
  'generator',
  'client',
  'trap',
] as const

export type Expectation = Readonly<Record<(typeof expectedColumns)[number], string>>

/** The rows of all tables, by the sample's path. */
export function readExpectations(): ReadonlyMap<string, Expectation> {
  const found = new Map<string, Expectation>()
  for (const table of globSync('*/expectations.tsv', { cwd: folder })) {
    const [, ...rows] = readFileSync(join(folder, table), 'utf8').trim().split('\n')
    for (const row of rows) {
      const [file = '', ...cells] = row.split('\t')
      const expectation = Object.fromEntries(
        expectedColumns.map((column, index) => [column, cells[index] ?? '']),
      ) as Expectation
      found.set(table.replace('expectations.tsv', file), expectation)
    }
  }
  return found
}

/** What a table's row would say of a verdict. */
export function describeVerdict(message: Message, verdict: Classification): Expectation {
  const trace = traceStored(message.header, parseTrustedRelays([]))
  return {
    verdict: verdict.kind ?? verdict.notBackscatter ?? '-',
    certainty: verdict.certainty ?? '-',
    rule: verdict.rule,
    action: verdict.dsn?.action ?? '-',
    recipient: verdict.dsn?.finalRecipient ?? '-',
    status: verdict.dsn?.status ?? '-',
    generator: verdict.generator ?? '-',
    client: trace.client === null ? '-' : formatAddress(trace.client),
    trap: deliveredTo(message.header, trace).flat()[0] ?? '-',
  }
}
