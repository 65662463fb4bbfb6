// The measured constants and the size of a fleet → how often things happen in it, and how much its transfers and disk take.
import { policyOptions } from '../../src/commands/options.ts'
import { loadConfig } from '../../src/config/load.ts'
import { journalMaxChanges, journalMaxPublications } from '../../src/store/journal.ts'
import { exampleFile } from '../config-docs.ts'
import { assumptions } from './assumptions.ts'
import type { ListConstants } from './measure-list.ts'
import type { MessageConstants } from './measure-messages.ts'
import type { AnswerConstants } from './measure-servers.ts'

export type Constants = ListConstants & MessageConstants & AnswerConstants

export interface FleetSize {
  readonly questionsPerDay: number
  readonly entries: number
  readonly collectors: number
}

export type Unit = 'octets' | 'seconds' | 'perSecond' | 'octetsPerSecond' | 'count'

export interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: Unit
}

export const daySeconds = 86_400
/** A secondary asks at most so many times a second: NOTIFY messages are held back for 200 ms. */
const notifiesPerSecond = 5
export const { evidenceKeepSeconds } = policyOptions(
  loadConfig({ file: exampleFile, env: {}, cwd: '.' }),
)

export type Rates = ReturnType<typeof ratesOf>

export function ratesOf({ questionsPerDay, entries }: FleetSize) {
  const { stayDays, messagesPerEntry, peak } = assumptions
  const questions = questionsPerDay / daySeconds
  const comings = entries / stayDays / daySeconds
  const messages = comings * messagesPerEntry
  return {
    questions,
    peakQuestions: questions * peak,
    changes: 2 * comings,
    messages,
    peakMessages: messages * peak,
    // What comes at the peak, and what ends evenly.
    peakChanges: comings * (peak + 1),
  }
}

/** How many machines of one processor the questions take, of the slowest server; and no fewer than assumed. */
function secondariesFor({ servers }: Constants, { peakQuestions }: Rates): number {
  const speeds = servers.flatMap(({ answersPerCpuSecond = [] }) => answersPerCpuSecond)
  const needed = speeds.map((speed) => Math.ceil(peakQuestions / speed / assumptions.busyShare))
  return Math.max(assumptions.leastSecondaries, ...needed)
}

export type Transfers = ReturnType<typeof transfersOf>

export function transfersOf(constants: Constants, size: FleetSize) {
  const rates = ratesOf(size)
  const { entries } = size
  const { changes } = rates
  const {
    transferOctets,
    transferSeconds,
    incrementOctets,
    changeOctets,
    aloneSeconds,
    syncSeconds,
  } = constants
  const whole = entries * transferOctets
  const incrementsPerSecond = Math.min(notifiesPerSecond, changes)
  // Each commit that changes an answer is one, and the main thread commits one after the other.
  const publications = Math.min(changes, 1 / (aloneSeconds + syncSeconds))
  return {
    whole,
    wholeSeconds: entries * transferSeconds,
    networkSeconds: (whole * 8) / (assumptions.megabits * 1e6),
    incremental: incrementsPerSecond * incrementOctets + changes * changeOctets,
    secondaries: secondariesFor(constants, rates),
    reach: Math.min(journalMaxChanges / changes, journalMaxPublications / publications),
    publications,
    changesPerIncrement: changes / incrementsPerSecond,
  }
}

export function evidenceOctets({ keptOctets }: Constants, messages: number): number {
  return messages * evidenceKeepSeconds * keptOctets
}

/** This server's is its shared tree. */
export function memoryOfOthers({ servers }: Constants, entries: number): Figure[] {
  return servers.flatMap(({ name, memoryOctets }) =>
    memoryOctets === undefined
      ? []
      : [{ what: `memory of ${name}`, value: memoryOctets * entries, unit: 'octets' }],
  )
}
