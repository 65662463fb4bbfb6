// `ingest --dry-run`: records mail in a temporary copy of the database to show what it would change. With --policy the same
// mail is judged under two policies, each starting from an empty list, and each message as of its own time.
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Blocklist } from '../blocklist/blocklist.ts'
import { tableOf } from '../blocklist/exceptions.ts'
import type { PolicyOptions } from '../blocklist/policy.ts'
import type { Evidence } from '../classify/evidence.ts'
import { type Config, loadPolicy } from '../config/load.ts'
import { silent } from '../errors.ts'
import { formatTime, formatTimestamp, wallClockSeconds } from '../quantity.ts'
import { backupDatabase } from '../store/backup.ts'
import { openStore, type Store } from '../store/database.ts'
import type { ReadMessage } from '../traps/message-reader.ts'
import type { CommandContext } from './command.ts'
import { formatColumns } from './format.ts'
import { policyOptions } from './options.ts'

/** A blocklist whose database is deleted when this is disposed of. */
interface Copy extends Disposable {
  readonly blocklist: Blocklist
  readonly store: Store
}

/**
 * Copies the configured database, even while a server writes to it. The copy is empty if there is no database yet. The server
 * and its database are not affected.
 */
export function copyDatabase(config: Config): Copy {
  const folder = temporaryFolder()
  try {
    const copy = join(folder, 'copy.db')
    if (existsSync(config.store.path) && !copyUnopened(config.store.path, copy)) {
      backupDatabase(config.store.path, copy)
    }
    return open(folder, config, policyOptions(config))
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
}

/**
 * Copies the database file and returns true if no process has it open. If a process has it open, or has died with it open,
 * a `-wal` file exists, and the result is false. SQLite is not used: it would create `-wal` and `-shm` even for reading.
 */
function copyUnopened(path: string, copy: string): boolean {
  const isUnopened = () => !existsSync(`${path}-wal`)
  if (!isUnopened()) return false
  const before = statSync(path)
  copyFileSync(path, copy)
  const after = statSync(path)
  if (isUnopened() && after.mtimeMs === before.mtimeMs && after.size === before.size) return true
  rmSync(copy)
  return false
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'backscatterd-dry-run-'))
}

function open(folder: string, config: Config, policy: PolicyOptions): Copy {
  const store = openStore(join(folder, 'copy.db'))
  const blocklist = new Blocklist({
    store,
    policy,
    now: wallClockSeconds,
    log: silent,
    validForSeconds: config.zone.validFor,
    retired: config.zone.retired,
  })
  return {
    blocklist,
    store,
    [Symbol.dispose]() {
      blocklist.close()
      store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

interface ComparisonOptions {
  /** A configuration, or a [policy] table alone. Only its policy is used, not its traps. */
  readonly file: string
  readonly json: true | undefined
  read(isTrap: (address: string) => boolean): AsyncIterable<ReadMessage>
}

/** How one policy treats one network. Times are RFC 3339. */
interface Course {
  /** How many times it was listed. */
  listings: number
  readonly firstAt: string
  until: string | null
}

interface Row {
  readonly prefix: string
  readonly present: Course | null
  readonly other: Course | null
  readonly same: boolean
}

const batchSize = 500

/**
 * Returns each network that the present or the other policy lists: as JSON, or in words and then only where they differ.
 * Exemptions and exclusions by hand apply under both policies.
 */
export async function comparePolicies(
  context: CommandContext,
  config: Config,
  { file, json, read }: ComparisonOptions,
): Promise<string> {
  const present = policyOptions(config)
  const other = policyOptions(loadPolicy({ ...context, file }, config))
  using copy = copyDatabase(config)
  const traps = copy.store.traps.all().map(({ pattern }) => pattern)
  const evidence: Evidence[] = []
  for await (const message of read((address) => copy.blocklist.isTrap(address))) {
    // The details are not shown, so drop them: a million messages must fit into memory.
    for (const each of message.evidence) evidence.push({ ...each, details: {} })
  }
  evidence.sort((a, b) => a.seenAt - b.seenAt)
  const courses = async (policy: PolicyOptions): Promise<Map<string, Course>> => {
    using empty = open(temporaryFolder(), config, { ...policy, traps })
    await copyExceptions(copy.store, empty.blocklist)
    return await replay(empty.blocklist, evidence)
  }
  const underPresent = await courses(present)
  const underOther = await courses(other)
  const prefixes = new Set([...underPresent.keys(), ...underOther.keys()])
  const rows = [...prefixes].map((prefix) => {
    const row = {
      prefix,
      present: underPresent.get(prefix) ?? null,
      other: underOther.get(prefix) ?? null,
    }
    return { ...row, same: JSON.stringify(row.present) === JSON.stringify(row.other) }
  })
  if (json) return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  return rowsInWords(rows, file, evidence.length)
}

/** Copies the exceptions made by hand. Those of the configuration are part of the policy. */
async function copyExceptions(from: Store, to: Blocklist): Promise<void> {
  const actor = { name: 'dry-run' }
  for (const kind of ['exemption', 'exclusion'] as const) {
    for (const { prefix, note } of tableOf(from, kind).bySource('manual')) {
      await to.addException(kind, prefix, note, actor)
    }
  }
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
      const { expiresAt } = listing
      const until = expiresAt === null ? null : formatTimestamp(expiresAt)
      const course = courses.get(listing.prefix)
      if (course === undefined) {
        const firstAt = formatTimestamp(batch[index]?.seenAt ?? 0)
        courses.set(listing.prefix, { listings: 1, firstAt, until })
      } else {
        if (decision === 'listed') course.listings++
        course.until = until
      }
    }
  }
  return courses
}

function rowsInWords(rows: readonly Row[], file: string, pieces: number): string {
  const differing = rows.filter(({ same }) => !same)
  const onlyPresent = rows.filter(({ other }) => other === null).length
  const onlyOther = rows.filter(({ present }) => present === null).length
  const words = [
    `${pieces} ${pieces === 1 ? 'message' : 'messages'} to traps.`,
    `The same under both policies: ${rows.length - differing.length} networks.`,
    `Listed under ${file} only: ${onlyOther}; under the present policy only: ${onlyPresent};`,
    `under both, but differently: ${differing.length - onlyPresent - onlyOther}.`,
  ].join(' ')
  if (differing.length === 0) return `${words}\n`
  const table = [
    ['network', 'present policy', file],
    ...differing.map(({ prefix, present, other }) => [
      prefix,
      courseInWords(present),
      courseInWords(other),
    ]),
  ]
  return `${words}\n\n${formatColumns(table)}`
}

function courseInWords(course: Course | null): string {
  if (course === null) return 'not listed'
  const { listings, firstAt, until } = course
  const again = listings === 1 ? '' : `, ${listings} times`
  const end = until === null ? 'permanently' : `until ${formatTime(until)}`
  return `listed ${formatTime(firstAt)}${again}, ${end}`
}
