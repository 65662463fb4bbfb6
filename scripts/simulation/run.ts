// One policy over one world: records every message in a blocklist on a temporary database, each as of its own time, and keeps what
// DNS would answer at the end of each day.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import type { PolicyOptions } from '../../src/blocklist/policy.ts'
import { judgedPrefix } from '../../src/blocklist/record.ts'
import { silent } from '../../src/errors.ts'
import { formatPrefix, hostPrefix } from '../../src/ip/address.ts'
import { openStore } from '../../src/store/database.ts'
import type { ListingRow } from '../../src/store/listings.ts'
import { poolOf } from '../../src/traps/shared-pools.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { daySeconds, type Host, startsAt, type World } from './world.ts'

/** What became of a host. */
export interface Fate {
  readonly host: Host
  /** The days at whose end DNS answered it, counted from 0. */
  readonly listedDays: ReadonlySet<number>
  /** Its listings, also those that were only counted. */
  readonly listings: readonly ListingRow[]
}

/** Far more than the model's hosts need. */
const treeBytes = 1 << 24
/** What DNS says of a host stays the same, so it is asked for less often than the daemon does. */
const askedEveryDays = 30

export interface RunOptions {
  readonly policy: PolicyOptions
  /** Which offenders ask daily to be removed: those that have sent their last message, or all. */
  readonly asking: 'nobody' | 'mended' | 'all'
}

/** Runs all days in order. */
export async function run(world: World, { policy, asking }: RunOptions): Promise<Fate[]> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-simulation-'))
  const store = openStore(join(folder, 'simulation.db'))
  let now = startsAt
  const blocklist = new Blocklist({
    store,
    // Only removals need a tree.
    ...(asking !== 'nobody' && { tree: new TreeWriter(treeBytes) }),
    policy: { ...policy, traps: world.traps },
    now: () => now,
    log: silent,
    validForSeconds: daySeconds,
    retired: false,
    asksHosts: true,
  })
  try {
    const known = new Map<Host, number>()
    const listedDays = new Map<string, Set<number>>()
    const listingIds = new Map<string, Set<number>>()
    for (const [day, messages] of messagesByDay(world).entries()) {
      now = startsAt + (day + 1) * daySeconds
      const news = new Set(messages.map(({ host }) => host))
        .values()
        .filter((host) => day >= (known.get(host) ?? day))
        .toArray()
      for (const host of news) known.set(host, day + askedEveryDays)
      await Promise.all(news.map((host) => learn(blocklist, policy, host)))
      const decisions = await blocklist.replay(messages.map(({ evidence }) => evidence))
      for (const { listing } of decisions) {
        if (typeof listing?.id === 'number') note(listingIds, listing.prefix, listing.id)
      }
      await blocklist.expire()
      await blocklist.purgeEvidence()
      for (const { client, sendsAt } of world.hosts.filter(isOffender)) {
        const isMended = (sendsAt.at(-1) ?? now) < now - daySeconds
        if (asking === 'all' || (asking === 'mended' && isMended)) {
          await blocklist.requestRemoval(hostPrefix(client), judgedPrefix(client, policy))
        }
      }
      for (const page of blocklist.export(undefined)?.pages ?? []) {
        for (const { prefix } of page) note(listedDays, formatPrefix(prefix), day)
      }
    }
    return world.hosts.map((host) => {
      const prefix = formatPrefix(judgedPrefix(host.client, policy))
      const rows = [...(listingIds.get(prefix) ?? [])].map((id) => store.listings.byId(id))
      return {
        host,
        listedDays: listedDays.get(prefix) ?? new Set(),
        listings: rows.filter((row) => row !== undefined),
      }
    })
  } finally {
    blocklist.close()
    store.close()
    rmSync(folder, { recursive: true })
  }
}

function isOffender({ group }: Host): boolean {
  return group === 'offenders'
}

type Messages = World['messages']

function messagesByDay({ messages, days }: World): Messages[] {
  const byDay = Map.groupBy(messages, ({ evidence }) =>
    Math.floor((evidence.seenAt - startsAt) / daySeconds),
  )
  return Array.from({ length: days }, (_, day) => byDay.get(day) ?? [])
}

/** Keeps what DNS says of a host. */
async function learn(
  blocklist: Blocklist,
  { pools, whitelists }: PolicyOptions,
  { name, client }: Host,
): Promise<void> {
  const facts = { name, pool: poolOf(name), whitelist: null }
  await blocklist.learnHost({ host: client, pools, whitelists }, facts)
}

function note<T>(notes: Map<string, Set<T>>, key: string, value: T): void {
  const known = notes.get(key)
  if (known) known.add(value)
  else notes.set(key, new Set([value]))
}
