// The measured constants and the size of a fleet → what this version has or an operator would bear, and how much of it is needed.
import { maxCapacityBytes } from '../../src/tree/layout.ts'
import { assumptions } from './assumptions.ts'
import { together } from './measure-messages.ts'
import {
  type Constants,
  evidenceOctets,
  type FleetSize,
  memoryOfOthers,
  ratesOf,
  transfersOf,
  type Unit,
} from './rates.ts'

/** Something that the fleet needs, and how much of it there is. */
export interface Limit {
  readonly what: string
  readonly need: number
  readonly limit: number
  readonly unit: Unit
}

/** The tightest first. */
export function limitsOf(constants: Constants, size: FleetSize): Limit[] {
  const { entries } = size
  const { messages, peakMessages } = ratesOf(size)
  const { wholeSeconds, secondaries, reach, publications } = transfersOf(constants, size)
  const limits: Limit[] = [
    ...memoryOfOthers(constants, entries).map(({ what, value }) => ({
      what: `secondary: ${what}`,
      need: value,
      limit: assumptions.secondaryGigabytes * 1e9,
      unit: 'octets' as const,
    })),
    {
      what: 'shared tree: its largest capacity',
      need: entries * constants.treeOctets,
      limit: maxCapacityBytes,
      unit: 'octets',
    },
    {
      what: 'start: until DNS answers',
      need: entries * constants.rowLoadSeconds,
      limit: assumptions.startSeconds,
      unit: 'seconds',
    },
    {
      what: 'main thread: commits and judging at the peak, a second',
      need: peakMessages * (constants.commitSeconds + constants.syncSeconds / together),
      limit: 1,
      unit: 'seconds',
    },
    {
      what: 'disk: what SQLite writes at the peak',
      need: peakMessages * constants.writtenOctets,
      limit: assumptions.diskMegabytes * 1e6,
      unit: 'octetsPerSecond',
    },
    {
      what: 'disk: the database with its evidence',
      need: diskOctets(constants, entries, messages),
      limit: assumptions.diskTerabytes * 1e12,
      unit: 'octets',
    },
    {
      what: 'transfer thread: the whole zone to all secondaries',
      need: wholeSeconds * secondaries,
      limit: assumptions.transferSeconds,
      unit: 'seconds',
    },
    {
      what: 'serial: publications a second at which it stays behind the clock',
      need: publications,
      limit: 1,
      unit: 'perSecond',
    },
    {
      what: 'journal: absence of a secondary that it bridges',
      need: assumptions.absenceSeconds,
      limit: reach,
      unit: 'seconds',
    },
  ]
  return limits.toSorted((a, b) => b.need / b.limit - a.need / a.limit)
}

function diskOctets(constants: Constants, entries: number, messages: number): number {
  return entries * constants.rowOctets + evidenceOctets(constants, messages)
}
