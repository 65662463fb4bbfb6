// `ingest --dry-run --policy FILE`: the same mail under the present policy and under another, each message judged as of
// the moment it was seen, from an empty list on. What is kept by hand, exemptions and exclusions, holds under both.
import type { Blocklist } from '../blocklist/blocklist.ts'
import type { Evidence } from '../bounce/evidence.ts'
import { type Config, loadPolicy } from '../config/load.ts'
import type { CommandContext } from './context.ts'
import { byHand, copyDatabase, emptyDatabase } from './dry-run.ts'
import { formatColumns, formatTime } from './format.ts'
import type { Ingested } from './ingest.ts'
import { policyOptions } from './options.ts'

export interface ComparisonOptions {
  /** A configuration, or its [policy] alone; that is taken, its traps are not. */
  readonly file: string
  readonly json: boolean
  read(isTrap: (address: string) => boolean): AsyncIterable<Ingested>
}

/** What a policy made of one network. Times in epoch seconds. */
interface Course {
  /** How often it came onto the list. */
  listings: number
  readonly firstAt: number
  until: number | null
}

const batchSize = 500

/** Prints each network that is listed under one of them, and in words only where they differ. */
export async function comparePolicies(
  context: CommandContext,
  config: Config,
  { file, json, read }: ComparisonOptions,
): Promise<void> {
  using now = await copyDatabase(config)
  const traps = now.blocklist.traps().map(({ pattern }) => pattern)
  const present = { ...policyOptions(config), traps }
  const other = { ...policyOptions(loadPolicy({ ...context, file }, config)), traps }
  const kept = byHand(now.blocklist)
  const match = now.blocklist.trapMatcher()
  const evidence = await evidenceIn(read((address) => match(address) !== undefined))
  using before = await emptyDatabase(config, present, kept)
  using after = await emptyDatabase(config, other, kept)
  const courses = [
    await replay(before.blocklist, evidence),
    await replay(after.blocklist, evidence),
  ] as const
  const prefixes = new Set(courses.flatMap((each) => [...each.keys()]))
  const rows = [...prefixes].map((prefix) => ({
    prefix,
    present: courses[0].get(prefix) ?? null,
    other: courses[1].get(prefix) ?? null,
  }))
  context.write(json ? rows.map(asJson).join('') : asText(rows, file, evidence.length))
}

/** In the order it was seen, without the details: nobody is told them, and there may be a million. */
async function evidenceIn(messages: AsyncIterable<Ingested>): Promise<Evidence[]> {
  const all: Evidence[] = []
  for await (const { evidence } of messages) {
    for (const each of evidence) all.push({ ...each, details: {} })
  }
  return all.sort((a, b) => a.seenAt - b.seenAt)
}

async function replay(
  blocklist: Blocklist,
  evidence: readonly Evidence[],
): Promise<Map<string, Course>> {
  const courses = new Map<string, Course>()
  for (let at = 0; at < evidence.length; at += batchSize) {
    const batch = evidence.slice(at, at + batchSize)
    const decisions = await blocklist.replay(batch)
    for (const [index, { decision, listing }] of decisions.entries()) {
      if (!listing || listing.state === 'shadow') continue
      const course = courses.get(listing.prefix)
      if (course === undefined) {
        const firstAt = batch[index]?.seenAt ?? 0
        courses.set(listing.prefix, { listings: 1, firstAt, until: listing.expiresAt })
      } else {
        if (decision === 'listed') course.listings++
        course.until = listing.expiresAt
      }
    }
  }
  return courses
}

interface Row {
  readonly prefix: string
  readonly present: Course | null
  readonly other: Course | null
}

function asJson({ prefix, present, other }: Row): string {
  const row = { prefix, present: courseJson(present), other: courseJson(other) }
  return `${JSON.stringify({ ...row, same: isSame({ prefix, present, other }) })}\n`
}

function courseJson(course: Course | null) {
  if (course === null) return null
  const { listings, firstAt, until } = course
  return { listings, firstAt: time(firstAt), until: until === null ? null : time(until) }
}

function isSame({ present, other }: Row): boolean {
  return JSON.stringify(present) === JSON.stringify(other)
}

function asText(rows: readonly Row[], file: string, pieces: number): string {
  const differing = rows.filter((row) => !isSame(row))
  const only = (row: Row): boolean => row.present === null || row.other === null
  const lost = rows.filter(({ other }) => other === null).length
  const won = rows.filter(({ present }) => present === null).length
  const table = [
    ['network', 'present policy', file],
    ...differing.map(({ prefix, present, other }) => [prefix, inWords(present), inWords(other)]),
  ]
  const words = [
    `${pieces} ${pieces === 1 ? 'message' : 'messages'} to traps.`,
    `Under both policies alike: ${rows.length - differing.length} networks.`,
    `Under ${file} alone: ${won}; under the present policy alone: ${lost};`,
    `under both, but differently: ${differing.filter((row) => !only(row)).length}.`,
  ]
  return `${words.join(' ')}\n${differing.length === 0 ? '' : `\n${formatColumns(table)}`}`
}

function inWords(course: Course | null): string {
  if (course === null) return 'not listed'
  const { listings, firstAt, until } = course
  const again = listings === 1 ? '' : `, ${listings} times`
  const end = until === null ? 'for good' : `until ${formatTime(time(until))}`
  return `listed ${formatTime(time(firstAt))}${again}, ${end}`
}

function time(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}
