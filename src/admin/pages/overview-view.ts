// The status and the figures of the server to what the overview shows: words, numbers as text, and a state for each part.
import { backscatterKinds } from '../../classify/kinds.ts'
import { formatTime, roughSize } from '../../quantity.ts'
import { faultsOf } from '../faults.ts'
import type { ServerState } from '../schemas/server.ts'
import { dashboardPages } from './dashboard.ts'
import { queryGroups, type Sample } from './query-history.ts'
import type { HourlyEvidence, TopNetwork } from './recent-evidence.ts'

export interface OverviewFigures {
  readonly stats: ServerState
  readonly samples: readonly Sample[]
  readonly evidence: HourlyEvidence
  readonly networks: readonly TopNetwork[]
  /** Listings by mask of kinds. */
  readonly listings: readonly { readonly kinds: number; readonly listings: number }[]
  readonly lists: readonly { readonly name: string; readonly entries: number }[]
  /** The zone's name. */
  readonly origin: string
}

interface Row {
  readonly name: string
  readonly tone: 'good' | 'bad' | 'warn' | ''
  readonly state: string
  readonly detail: string
}

const shownRows = 10
const kindWords: Readonly<Record<(typeof backscatterKinds)[number], string>> = {
  dsn: 'bounces (dsn)',
  'auto-reply': 'automatic replies (auto-reply)',
  'challenge-response': 'challenge-response',
  'content-notice': 'virus and spam notices (content-notice)',
  callout: 'sender callouts (callout)',
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

export function formatNow(): string {
  return formatTime(new Date().toISOString())
}

/** What the templates `overview-…` show. It names no trap if `stats` names none. */
export function overviewView(figures: OverviewFigures) {
  const { stats, samples, evidence, networks, origin } = figures
  const faults = faultsOf(stats, formatTime)
  const queries = queryRows(samples)
  return {
    origin,
    faults,
    faultsText: faults.length === 1 ? 'One thing needs you.' : `${faults.length} things need you.`,
    numbers: numbersOf(figures),
    queries,
    isUnasked: samples.every(({ rates }) => rates.every((rate) => rate === 0)),
    evidence: evidence.sources.slice(0, shownRows).map(({ name, counts }) => ({
      name,
      hour: whole.format(counts.at(-1) ?? 0),
      day: whole.format(sum(counts.slice(-24))),
      all: whole.format(sum(counts)),
    })),
    rows: partRows(stats),
    kinds: kindRows(figures),
    networks: networks.map(({ network, messages }) => ({
      name: network,
      url: listingsPage({ prefix: network }),
      count: whole.format(messages),
    })),
    clients: (stats.dns?.askers ?? [])
      .slice(0, shownRows)
      .map(({ network, queries: count }) => ({ name: network, count: whole.format(count) })),
  }
}

function numbersOf({ stats, samples, evidence }: OverviewFigures) {
  const { entries, publishedInMs, queuedRemovals, serial } = stats
  const rates = samples.map((sample) => sum(sample.rates))
  const lags = samples.flatMap(({ publishedInMs: lag }) => lag ?? [])
  const longest =
    lags.length === 0 ? '' : `; longest in 15 minutes: ${fine.format(Math.max(...lags))} ms`
  const hourly = evidence.hours.map((_, index) =>
    sum(evidence.sources.map(({ counts }) => counts[index] ?? 0)),
  )
  return [
    {
      ...{ name: 'Queries per second', value: fine.format(rates.at(-1) ?? 0) },
      detail: `15-minute average: ${fine.format(average(rates))}`,
    },
    {
      ...{ name: 'Entries in DNS', value: whole.format(entries.ipv4 + entries.ipv6) },
      url: listingsPage({ state: 'listed' }),
      detail: `${whole.format(entries.ipv4)} IPv4, ${whole.format(entries.ipv6)} IPv6`,
    },
    {
      ...{ name: 'Evidence this hour', value: whole.format(hourly.at(-1) ?? 0) },
      detail: `${whole.format(sum(hourly.slice(-24)))} in 24 hours`,
    },
    {
      ...{ name: 'Serial', value: String(serial) },
      detail: `published ${formatTime(stats.generatedAt)}`,
    },
    {
      name: 'From commit to DNS',
      value: publishedInMs === undefined ? 'not yet' : `${fine.format(publishedInMs)} ms`,
      detail: `the last change${longest}`,
    },
    {
      ...{ name: 'Removals', value: `${whole.format(queuedRemovals)} waiting` },
      url: dashboardPages.removals.url,
      detail: 'for your decision',
    },
  ]
}

function queryRows(samples: readonly Sample[]) {
  return queryGroups.map(({ label }, group) => {
    const rates = samples.map((sample) => sample.rates[group] ?? 0)
    return {
      label,
      now: fine.format(rates.at(-1) ?? 0),
      average: fine.format(average(rates)),
      highest: fine.format(Math.max(0, ...rates)),
    }
  })
}

function kindRows({ listings, lists }: OverviewFigures) {
  const kinds = backscatterKinds.map((kind, bit) => ({
    name: kindWords[kind],
    url: listingsPage({ kind }),
    count: sum(
      listings.filter(({ kinds: mask }) => mask & (1 << bit)).map((each) => each.listings),
    ),
  }))
  const plain = listings.filter(({ kinds: mask }) => mask === 0).map((each) => each.listings)
  const rows = [
    ...kinds,
    { name: 'without a kind', count: sum(plain) },
    ...lists
      .slice(0, shownRows)
      .map(({ name, entries }) => ({ name: `list ${name}`, count: entries })),
  ]
  return rows
    .filter(({ count }) => count > 0)
    .map((row) => ({ ...row, count: whole.format(row.count) }))
}

function listingsPage(filter: Readonly<Record<string, string>>): string {
  return `${dashboardPages.listings.url}?${new URLSearchParams(filter)}`
}

function partRows(stats: ServerState): Row[] {
  const { threads = [], tree, udp, disk, writeFailure, clockHeld, secondaries = [] } = stats
  const answering = threads.filter(({ isAnswering }) => isAnswering).length
  const restarts = sum(threads.map((thread) => thread.restarts))
  const drops = udp ? `, ${whole.format(udp.dropped)} datagrams dropped by the kernel` : ''
  const isRoom = disk === undefined || disk.freeBytes >= disk.neededBytes
  const isStale = Date.parse(stats.validUntil) < Date.now()
  return [
    {
      ...toneOf(answering === threads.length, `${answering} of ${threads.length} answer`),
      ...{
        name: 'DNS threads',
        detail: `restarted ${restarts === 1 ? 'once' : `${whole.format(restarts)} times`} since the start${drops}`,
      },
    },
    {
      ...toneOf(!tree.nearlyFull, tree.nearlyFull ? 'nearly full' : 'has room'),
      ...{
        name: 'Tree of entries',
        detail: `${roughSize(tree.usedBytes)} used of ${roughSize(tree.capacityBytes)}`,
      },
    },
    {
      ...toneOf(!writeFailure, writeFailure ? 'cannot be written' : 'can be written'),
      ...{ name: 'Database', detail: writeFailure?.why ?? '' },
    },
    {
      ...toneOf(isRoom, isRoom ? 'has room' : 'too full'),
      ...{
        name: 'Disk',
        detail: disk
          ? `${roughSize(disk.freeBytes)} free, mail needs ${roughSize(disk.neededBytes)}`
          : 'no minimum is set',
      },
    },
    {
      ...toneOf(!isStale, isStale ? 'stale' : 'fresh'),
      ...{ name: 'Zone', detail: `fresh until ${formatTime(stats.validUntil)}` },
    },
    {
      ...toneOf(!clockHeld, clockHeld ? 'held' : 'follows the wall clock'),
      ...{
        name: 'Clock',
        detail: clockHeld ? `the wall clock jumped to ${formatTime(clockHeld.wallClock)}` : '',
      },
    },
    ...stats.imports.map(({ list, phase, done, total }) => ({
      ...{ name: `Import of list ${list}`, tone: '' as const, state: phase },
      detail:
        total === null
          ? `${whole.format(done)} so far`
          : `${whole.format(done)} of ${whole.format(total)}`,
    })),
    ...stats.mailboxes.map(mailboxRow),
    ...secondaries.map(secondaryRow),
    ...(secondaries.length > 0
      ? []
      : [
          {
            name: 'Secondaries',
            tone: '' as const,
            state: 'none',
            detail: 'Name them in dns.transfer, and they are told of each change.',
          },
        ]),
  ]
}

const mailboxStates: Readonly<Record<string, Pick<Row, 'tone' | 'state'>>> = {
  ok: { tone: 'good', state: 'works' },
  waiting: { tone: '', state: 'not read yet' },
  failing: { tone: 'bad', state: 'fails' },
}

function mailboxRow(mailbox: ServerState['mailboxes'][number]): Row {
  const { name, type, state, lastReadAt, lastError, lastErrorDetail, recorded } = mailbox
  const why = lastErrorDetail ? `${lastError} (${lastErrorDetail})` : lastError
  const read = lastReadAt === null ? 'never read' : `read ${formatTime(lastReadAt)}`
  const shown = mailboxStates[state] ?? { tone: '', state }
  return {
    ...shown,
    name: `Mailbox ${name}`,
    detail:
      state === 'failing'
        ? (why ?? '')
        : `${type}, ${read}, ${whole.format(recorded)} recorded since the start`,
  }
}

function secondaryRow(secondary: NonNullable<ServerState['secondaries']>[number]): Row {
  const { address, state, serial, answeredAt, answeredSerial } = secondary
  const told = serial === null ? 'told of nothing yet' : `last told of serial ${serial}`
  const answered =
    answeredAt === null
      ? 'never answered'
      : `answered for serial ${answeredSerial} at ${formatTime(answeredAt)}`
  return {
    name: `Secondary ${address}`,
    tone: ({ ok: 'good', waiting: 'warn', refused: 'bad', silent: 'bad' } as const)[state],
    state: { ok: 'answers', waiting: 'no answer yet', refused: 'refuses', silent: 'silent' }[state],
    detail: `${told}, ${answered}`,
  }
}

function toneOf(isGood: boolean, state: string): Pick<Row, 'tone' | 'state'> {
  return { tone: isGood ? 'good' : 'bad', state }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

function average(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : sum(numbers) / numbers.length
}
