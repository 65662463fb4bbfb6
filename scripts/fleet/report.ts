// The constants, what is assumed, and what follows → text: measured and extrapolated figures apart.
import { formatColumns, roughDuration } from '../../src/commands/format.ts'
import { assumptions } from './assumptions.ts'
import type { Section } from './extrapolate.ts'
import type { Limit } from './limits.ts'
import { together } from './measure-messages.ts'
import type { Constants, Unit } from './rates.ts'

export function measuredText(constants: Constants): string {
  const us = (seconds: number): string => `${rounded(seconds * 1e6)} µs`
  const octets = (value: number): string => `${rounded(value)} octets`
  return formatColumns([
    ['shared tree, an entry', octets(constants.treeOctets)],
    ['database, an entry that traps listed', octets(constants.rowOctets)],
    ['database, an entry of an imported list', octets(constants.packedOctets)],
    ['start, an entry that traps listed', us(constants.rowLoadSeconds)],
    ['start, an entry of an imported list', us(constants.packedLoadSeconds)],
    ['whole transfer, records an entry', rounded(constants.recordsPerEntry)],
    ['whole transfer, octets an entry', octets(constants.transferOctets)],
    ['whole transfer, processor time an entry', us(constants.transferSeconds)],
    ['incremental transfer without a change', octets(constants.incrementOctets)],
    ['incremental transfer, a change', octets(constants.changeOctets)],
    ['journal, a change', octets(constants.journalOctets)],
    ['message, processor time with parsing', us(constants.messageSeconds)],
    [`message, ${together} in a commit: processor time`, us(constants.commitSeconds)],
    [`message, ${together} in a commit: SQLite writes`, octets(constants.writtenOctets)],
    ['message, alone in a commit: processor time', us(constants.aloneSeconds)],
    ['message, alone in a commit: SQLite writes', octets(constants.aloneOctets)],
    [`${together} messages, until the disk has them`, us(constants.syncSeconds)],
    ['message, kept as evidence', octets(constants.keptOctets)],
    ...constants.servers.flatMap(({ name, memoryOctets, answersPerCpuSecond }) => [
      ...(memoryOctets === undefined ? [] : [[`${name}, memory an entry`, octets(memoryOctets)]]),
      [
        `${name}, answers a processor second`,
        answersPerCpuSecond === undefined
          ? 'not measured: needs a C compiler (cc)'
          : rounded(answersPerCpuSecond),
      ],
    ]),
    ...(constants.answerOctets === undefined
      ? []
      : [['answer on the network', octets(constants.answerOctets)]]),
  ])
}

export function assumedText(): string {
  const { ipv6Share, stayDays, messagesPerEntry, peak, busyShare } = assumptions
  return formatColumns([
    ['IPv6 networks of 64 bits, of all entries', percent(ipv6Share)],
    ['an entry stays', `${stayDays} days`],
    ['messages of each listed host', String(messagesPerEntry)],
    ['busiest second, against the mean', `${peak} times`],
    ['processors of a name server at the peak, busy at most', percent(busyShare)],
    ['secondaries, at least', String(assumptions.leastSecondaries)],
    ['memory of a secondary', `${assumptions.secondaryGigabytes} GB`],
    ['network between the machines', `${assumptions.megabits} Mbit/s`],
    [
      'disk of the primary',
      `${assumptions.diskTerabytes} TB, writes ${assumptions.diskMegabytes} MB/s`,
    ],
  ])
}

export function sectionText({ figures }: Section): string {
  return formatColumns(figures.map(({ what, value, unit }) => [what, formatted(value, unit)]))
}

/** The tightest first; over 100 %, it does not hold. */
export function limitsText(limits: readonly Limit[]): string {
  const rows = limits.map(({ what, need, limit, unit }) => [
    what,
    formatted(need, unit),
    formatted(limit, unit),
    percent(need / limit),
  ])
  return formatColumns([['limit', 'needed', 'there is', 'share'], ...rows])
}

const scales = ['', 'k', 'M', 'G', 'T', 'P']

function formatted(value: number, unit: Unit): string {
  if (unit === 'seconds')
    return value < 100 ? `${rounded(value)} s` : roughDuration(Math.round(value))
  if (unit === 'perSecond') return `${rounded(value)} /s`
  if (unit === 'count') return rounded(value)
  const power = Math.max(0, Math.min(scales.length - 1, Math.floor(Math.log10(value) / 3)))
  const scaled = `${rounded(value / 1000 ** power)} ${scales[power]}B`
  return unit === 'octets' ? scaled : `${scaled}/s`
}

function percent(share: number): string {
  return `${rounded(share * 100)} %`
}

/** Two or three digits that say something. */
function rounded(value: number): string {
  if (value >= 100) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')
  return String(Number(value.toPrecision(2)))
}
