// Databases that are thrown away: what mail would do to the list is found out by doing it to one of these. Called by
// `ingest --dry-run`; neither the server nor its database notices.

import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Blocklist } from '../blocklist/blocklist.ts'
import type { PolicyOptions } from '../blocklist/policy.ts'
import { type Exception, isRefusal } from '../blocklist/types.ts'
import type { Config } from '../config/load.ts'
import { silent } from '../errors.ts'
import { parsePrefix } from '../ip/address.ts'
import { openStore } from '../store/database.ts'
import { policyOptions } from './options.ts'

export interface Rehearsal extends Disposable {
  readonly blocklist: Blocklist
}

/** What an operator has added by hand beside the configuration: it holds under any policy. */
export interface ByHand {
  readonly exemptions: readonly Exception[]
  readonly exclusions: readonly Exception[]
}

/** A copy of the configured database as it is now, also while a server writes to it; empty when there is none yet. */
export async function copyDatabase(config: Config): Promise<Rehearsal> {
  const folder = temporaryFolder()
  try {
    const copy = join(folder, 'copy.db')
    if (existsSync(config.store.path) && !copyAtRest(config.store.path, copy)) {
      const original = openStore(config.store.path, { readOnly: true })
      try {
        await original.backup(copy)
      } finally {
        original.close()
      }
    }
    return open(folder, config, policyOptions(config))
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
}

/**
 * Copies the file of a database that nobody has open, and answers whether it could: opened for reading, SQLite would
 * leave its `-wal` and `-shm` beside it. While a process has the database open, or after one died, `-wal` is there.
 */
function copyAtRest(path: string, copy: string): boolean {
  const isAtRest = () => !existsSync(`${path}-wal`)
  if (!isAtRest()) return false
  const before = statSync(path)
  copyFileSync(path, copy)
  const after = statSync(path)
  if (isAtRest() && after.mtimeMs === before.mtimeMs && after.size === before.size) return true
  rmSync(copy)
  return false
}

/** An empty database under another policy, with what holds by hand. */
export async function emptyDatabase(
  config: Config,
  policy: PolicyOptions,
  { exemptions, exclusions }: ByHand,
): Promise<Rehearsal> {
  const rehearsal = open(temporaryFolder(), config, policy)
  const actor = { name: 'rehearsal' }
  for (const { prefix, note } of exemptions) {
    const parsed = parsePrefix(prefix)
    if ('value' in parsed) await rehearsal.blocklist.exempt(parsed.value, note, actor)
  }
  for (const { prefix, note } of exclusions) {
    const parsed = parsePrefix(prefix)
    if ('value' in parsed) await rehearsal.blocklist.exclude(parsed.value, note, actor)
  }
  return rehearsal
}

/** The exceptions made by hand in a database. */
export function byHand(blocklist: Blocklist): ByHand {
  return {
    exemptions: manual((cursor) => blocklist.exemptions({ limit: 1000, ...cursor })),
    exclusions: manual((cursor) => blocklist.exclusions({ limit: 1000, ...cursor })),
  }
}

function manual(read: (page: { cursor?: string }) => ReturnType<Blocklist['exemptions']>) {
  const found: Exception[] = []
  for (let page = read({}); !isRefusal(page); page = read({ cursor: page.nextCursor })) {
    found.push(...page.items.filter(({ source }) => source === 'manual'))
    if (page.nextCursor === null) break
  }
  return found
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'backscatterd-rehearsal-'))
}

function open(folder: string, config: Config, policy: PolicyOptions): Rehearsal {
  const store = openStore(join(folder, 'copy.db'))
  const blocklist = Blocklist.open({
    ...{ store, policy, now: () => Math.floor(Date.now() / 1000), log: silent },
    ...{ validForSeconds: config.zone.validFor, retired: config.zone.retired },
  })
  return {
    blocklist,
    [Symbol.dispose]() {
      blocklist.close()
      store.close()
      rmSync(folder, { recursive: true })
    },
  }
}
