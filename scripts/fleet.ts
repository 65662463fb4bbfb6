// What a fleet of name servers takes: measures in small what an entry, a change, a message and an answer cost on this machine, and
// extrapolates to the wanted size. Prints what was measured, what is assumed and what follows from both apart.
//   node scripts/fleet.ts [--questions A_DAY] [--entries N] [--collectors N] [--size ENTRIES] [--seconds N]
// --size: entries of the list that is measured. --seconds: for which each name server is asked; 0 leaves the servers out. Knot DNS and
// NSD are measured where they are installed.
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { extrapolate } from './fleet/extrapolate.ts'
import { limitsOf } from './fleet/limits.ts'
import { measureList } from './fleet/measure-list.ts'
import { measureMessages } from './fleet/measure-messages.ts'
import { measureServers } from './fleet/measure-servers.ts'
import type { FleetSize } from './fleet/rates.ts'
import { assumedText, limitsText, measuredText, sectionText } from './fleet/report.ts'
import { samplePrefixes } from './fleet/sample.ts'

const { values } = readArguments()
const size: FleetSize = {
  questionsPerDay: amount('questions', 1),
  entries: amount('entries', 1),
  collectors: amount('collectors', 1),
}
const measured = amount('size', 100)
const seconds = amount('seconds', 0)
/** Messages that are measured, of each way of writing them. */
const messages = Math.min(6000, measured)

const folder = mkdtempSync(join(tmpdir(), 'backscatterd-fleet-'))
try {
  const prefixes = samplePrefixes(measured, size.entries)
  const list = measureList(folder, prefixes)
  const answers =
    seconds === 0
      ? { servers: [], answerOctets: undefined }
      : await measureServers(folder, prefixes, seconds)
  const constants = {
    ...list,
    ...answers,
    ...(await measureMessages(join(folder, 'rows.db'), messages)),
  }
  print(
    `Measured, ${machine()}, on ${measured.toLocaleString('en')} entries`,
    measuredText(constants),
  )
  print('Assumed', assumedText())
  const [questions, entries, collectors] = Object.values(size).map((each) =>
    each.toLocaleString('en'),
  )
  const wanted = `${questions} questions a day, ${entries} entries, ${collectors} collectors`
  console.log(`# Extrapolated to ${wanted}\n`)
  for (const section of extrapolate(constants, size))
    print(`${section.title} (extrapolated)`, sectionText(section))
  print('Limits, the tightest first (extrapolated)', limitsText(limitsOf(constants, size)))
} finally {
  rmSync(folder, { recursive: true })
}

function print(title: string, text: string): void {
  console.log(`# ${title}\n\n${text}`)
}

function machine(): string {
  const [processor] = cpus()
  const memory = Math.round(totalmem() / 1024 ** 3)
  const load = loadavg()[0]?.toFixed(1)
  return `${availableParallelism()} processors (${processor?.model.trim()}), ${memory} GiB, load average ${load}`
}

function readArguments() {
  const options = {
    questions: { type: 'string', default: '1e9' },
    entries: { type: 'string', default: '1e8' },
    collectors: { type: 'string', default: '1e3' },
    size: { type: 'string', default: '1e6' },
    seconds: { type: 'string', default: '10' },
  } as const
  try {
    return parseArgs({ options })
  } catch (error) {
    return endUsage((error as Error).message)
  }
}

function amount(name: keyof typeof values, least: number): number {
  const number = Number(values[name])
  const isRight = Number.isSafeInteger(number) && number >= least
  if (isRight) return number
  return endUsage(`--${name} ${values[name]}: expected a whole number from ${least} on`)
}

function endUsage(why: string): never {
  console.error(why)
  console.error(
    'usage: node scripts/fleet.ts [--questions A_DAY] [--entries N] [--collectors N] [--size ENTRIES] [--seconds N]',
  )
  process.exit(2)
}
