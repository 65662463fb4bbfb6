// The fates of all hosts under each policy → tables. A host counts as listed on a day if DNS answers it at the end of that day.
import { formatColumns } from '../../src/commands/format.ts'
import type { Fate } from './run.ts'
import {
  daySeconds,
  forwarderGroups,
  type Group,
  type PoisonWay,
  poisonWays,
  startsAt,
} from './world.ts'

export interface Outcome {
  readonly policy: string
  readonly fates: readonly Fate[]
}

type Fates = readonly Fate[]

/** What one column says of hosts of one kind. */
interface Column {
  readonly title: string
  cell(fates: Fates): string
}

/** Hosts that were silent for so many days before the end tell how long a listing stays. */
const quietDays = 28

export function offenderTable(outcomes: readonly Outcome[], days: number): string {
  const all = outcomes.map(({ policy, fates }) => ({ policy, fates: of(fates, 'offenders') }))
  const terms = new Set(
    all.flatMap(({ fates }) => listingsOf(fates).map(({ termSeconds }) => termSeconds)),
  )
  return tableOf(all, [
    { title: 'listed', cell: (fates) => String(fates.filter(isListed).length) },
    { title: 'listings', cell: (fates) => String(listingsOf(fates).length) },
    ...[...terms]
      .toSorted((a, b) => Number(a) - Number(b))
      .map((term) => ({
        title: `${Number(term) / daySeconds}d`,
        cell: (fates: Fates) =>
          String(listingsOf(fates).filter(({ termSeconds }) => termSeconds === term).length),
      })),
    { title: 'days until listed', cell: (fates) => spread(fates.flatMap(waitOf)) },
    {
      title: 'days listed',
      cell: (fates) => spread(fates.filter(isListed).map(({ listedDays }) => listedDays.size)),
    },
    { title: 'days free', cell: (fates) => freeShare(fates) },
    {
      title: 'days listed once quiet',
      cell: (fates) => spread(fates.flatMap((fate) => daysOnceQuiet(fate, days))),
    },
  ])
}

const innocents = ['well-run hosts', 'sites', 'pool members', ...forwarderGroups] as const

export function innocentTable(outcomes: readonly Outcome[]): string {
  return tableOf(
    outcomes,
    innocents.map((group) => ({
      title: `${group} (${of(outcomes[0]?.fates ?? [], group).length})`,
      cell: (fates) => {
        const listed = of(fates, group).filter(isListed)
        const hostDays = listed.reduce((sum, { listedDays }) => sum + listedDays.size, 0)
        return listed.length === 0 ? '0' : `${listed.length}, ${hostDays} host-days`
      },
    })),
  )
}

/** How many hosts one attack lists on average. In the titles: how many it tries. */
export function poisonTable(outcomes: readonly Outcome[], knownTraps: number): string {
  const perAttack = (
    fates: Fates,
    ways: readonly PoisonWay[],
    isWanted: (fate: Fate) => boolean,
  ) => {
    const tried = ways.flatMap((way) => of(fates, `${way}, ${knownTraps}`))
    const attacks = new Set(tried.map(({ host }) => dayOf(host.sendsAt[0] ?? 0))).size
    return tried.filter(isWanted).length / attacks
  }
  const first = outcomes[0]?.fates ?? []
  const columnOf = (name: string, ways: readonly PoisonWay[]): Column => ({
    title: `${name} (${perAttack(first, ways, () => true)})`,
    cell: (fates) => perAttack(fates, ways, isListed).toFixed(1),
  })
  const strangers = poisonWays.filter((way) => way !== 'own hosts')
  return tableOf(outcomes, [
    columnOf('strangers', strangers),
    ...poisonWays.map((way) => columnOf(way, [way])),
  ])
}

function tableOf(outcomes: readonly Outcome[], columns: readonly Column[]): string {
  const head = ['policy', ...columns.map(({ title }) => title)]
  const rows = outcomes.map(({ policy, fates }) => [
    policy,
    ...columns.map(({ cell }) => cell(fates)),
  ])
  return formatColumns([head, ...rows])
}

function of(fates: Fates, group: Group): Fates {
  return fates.filter(({ host }) => host.group === group)
}

function isListed({ listedDays }: Fate): boolean {
  return listedDays.size > 0
}

function listingsOf(fates: Fates) {
  return fates.flatMap(({ listings }) => listings)
}

/** The days from its first message until it is listed; none if it never is. */
function waitOf({ host, listedDays }: Fate): number[] {
  return listedDays.size === 0 ? [] : [Math.min(...listedDays) - dayOf(host.sendsAt[0] ?? 0)]
}

/** Of all days on which a host sent something: the share on which it was not listed. */
function freeShare(fates: Fates): string {
  const sending = fates.flatMap(({ host, listedDays }) =>
    [...new Set(host.sendsAt.map(dayOf))].map((day) => listedDays.has(day)),
  )
  const free = sending.filter((isAnswered) => !isAnswered).length
  return `${Math.round((100 * free) / sending.length)} %`
}

/** How many days it was listed after its last message; none if it was listed never or sent to the end. */
function daysOnceQuiet({ host, listedDays }: Fate, days: number): number[] {
  const last = dayOf(host.sendsAt.at(-1) ?? 0)
  if (listedDays.size === 0 || last >= days - quietDays) return []
  return [[...listedDays].filter((day) => day > last).length]
}

function dayOf(time: number): number {
  return Math.floor((time - startsAt) / daySeconds)
}

/** The median, and what nine of ten do not exceed. */
function spread(counts: readonly number[]): string {
  const sorted = counts.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0
  return sorted.length === 0 ? '-' : `${at(0.5)} (${at(0.9)})`
}
