// The measured constants and the size of a fleet → what the fleet takes, by theme: a measured figure times the size.
import { journalMaxChanges } from '../../src/store/journal.ts'
import { assumptions } from './assumptions.ts'
import {
  type Constants,
  daySeconds,
  evidenceKeepSeconds,
  evidenceOctets,
  type Figure,
  type FleetSize,
  memoryOfOthers,
  type Rates,
  ratesOf,
  type Transfers,
  transfersOf,
} from './rates.ts'

export interface Section {
  readonly title: string
  readonly figures: readonly Figure[]
}

/** In the order in which it is printed. */
export function extrapolate(constants: Constants, size: FleetSize): Section[] {
  const rates = ratesOf(size)
  const transfers = transfersOf(constants, size)
  return [
    {
      title: 'Questions',
      figures: questionFigures(constants, rates, transfers.secondaries),
    },
    { title: 'Memory and disk', figures: memoryFigures(constants, size, rates) },
    { title: 'Messages and writing', figures: writeFigures(constants, size, rates) },
    { title: 'Transfers and journal', figures: transferFigures(constants, transfers) },
  ]
}

function questionFigures(
  { servers, answerOctets }: Constants,
  { questions, peakQuestions }: Rates,
  secondaries: number,
): Figure[] {
  return [
    { what: 'questions a second, mean of the day', value: questions, unit: 'perSecond' },
    { what: 'questions a second at the peak', value: peakQuestions, unit: 'perSecond' },
    ...servers.flatMap(({ name, answersPerCpuSecond }) =>
      answersPerCpuSecond === undefined
        ? []
        : [
            {
              what: `processors busy at the peak, all of ${name}`,
              value: peakQuestions / answersPerCpuSecond,
              unit: 'count' as const,
            },
          ],
    ),
    ...(answerOctets === undefined
      ? []
      : [
          {
            what: 'octets of answers a second at the peak',
            value: peakQuestions * answerOctets,
            unit: 'octetsPerSecond' as const,
          },
        ]),
    { what: 'secondaries', value: secondaries, unit: 'count' },
  ]
}

function memoryFigures(constants: Constants, { entries }: FleetSize, { messages }: Rates) {
  const { treeOctets, rowOctets, packedOctets, rowLoadSeconds, packedLoadSeconds } = constants
  const octets = (what: string, each: number): Figure => ({
    what,
    value: each * entries,
    unit: 'octets',
  })
  return [
    octets('shared tree', treeOctets),
    ...memoryOfOthers(constants, entries),
    octets('database, entries that traps listed', rowOctets),
    octets('database, the same as an imported list', packedOctets),
    {
      what: `database, evidence of ${evidenceKeepSeconds / daySeconds} days`,
      value: evidenceOctets(constants, messages),
      unit: 'octets' as const,
    },
    {
      what: 'start, entries that traps listed',
      value: rowLoadSeconds * entries,
      unit: 'seconds' as const,
    },
    {
      what: 'start, the same as an imported list',
      value: packedLoadSeconds * entries,
      unit: 'seconds' as const,
    },
  ]
}

function writeFigures(constants: Constants, { collectors }: FleetSize, rates: Rates): Figure[] {
  const { messages, peakMessages, changes, peakChanges } = rates
  const { writtenOctets, messageSeconds } = constants
  return [
    { what: 'messages a second, mean of the day', value: messages, unit: 'perSecond' },
    { what: 'messages a second at the peak', value: peakMessages, unit: 'perSecond' },
    {
      what: 'messages a day of each collector',
      value: (messages * daySeconds) / collectors,
      unit: 'count',
    },
    { what: 'changes a second, mean of the day', value: changes, unit: 'perSecond' },
    { what: 'changes a second at the peak', value: peakChanges, unit: 'perSecond' },
    {
      what: 'processors busy with messages at the peak',
      value: peakMessages * messageSeconds,
      unit: 'count',
    },
    {
      what: 'octets that SQLite writes a second, mean',
      value: messages * writtenOctets,
      unit: 'octetsPerSecond',
    },
    {
      what: 'octets that SQLite writes a day',
      value: messages * writtenOctets * daySeconds,
      unit: 'octets',
    },
  ]
}

function transferFigures({ journalOctets }: Constants, transfers: Transfers): Figure[] {
  const { whole, wholeSeconds, networkSeconds, incremental, secondaries, reach } = transfers
  return [
    { what: 'whole zone, to one secondary', value: whole, unit: 'octets' },
    { what: 'whole zone, time of the transfer thread', value: wholeSeconds, unit: 'seconds' },
    {
      what: `whole zone, at ${assumptions.megabits} Mbit/s`,
      value: networkSeconds,
      unit: 'seconds',
    },
    {
      what: 'whole zone, thread time for all secondaries',
      value: wholeSeconds * secondaries,
      unit: 'seconds',
    },
    {
      what: 'changes in each incremental transfer',
      value: transfers.changesPerIncrement,
      unit: 'count',
    },
    {
      what: 'incremental transfers, to one secondary',
      value: incremental,
      unit: 'octetsPerSecond',
    },
    {
      what: 'incremental transfers, to all secondaries a day',
      value: incremental * secondaries * daySeconds,
      unit: 'octets',
    },
    { what: 'publications a second, at most', value: transfers.publications, unit: 'perSecond' },
    { what: 'journal at its largest', value: journalMaxChanges * journalOctets, unit: 'octets' },
    { what: 'journal reaches back', value: reach, unit: 'seconds' },
  ]
}
