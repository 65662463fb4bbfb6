// For tests of the blocklist and what stands on it: a policy, evidence and prefixes from text, and a blocklist over a real
// database in a folder of its own, with a clock that the test sets.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import type { PolicyOptions } from '../../src/blocklist/policy.ts'
import type { ListRequest } from '../../src/blocklist/types.ts'
import type { Evidence } from '../../src/classify/evidence.ts'
import type { Logger } from '../../src/errors.ts'
import { type Address, type Prefix, parseAddress, parsePrefix } from '../../src/ip/address.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { TreeReader } from '../../src/tree/reader.ts'
import { TreeWriter } from '../../src/tree/writer.ts'

export const day = 86_400
export const start = 1_800_000_000
export const cli = { name: 'cli' }

export function testPolicy(changes: Partial<PolicyOptions> = {}): PolicyOptions {
  const threshold = (messages: number, traps: number) => ({
    messages,
    traps,
    windowSeconds: 7 * day,
  })
  return {
    firstListingSeconds: 7 * day,
    longestListingSeconds: 28 * day,
    ipv6Prefix: 64,
    holdForSeconds: 0,
    publish: ['dsn', 'auto-reply', 'challenge-response', 'content-notice'],
    whitelists: [],
    pools: true,
    likely: 'count',
    shortest4: 16,
    shortest6: 32,
    allowSpecial: [],
    threshold: {
      dsn: threshold(2, 1),
      'auto-reply': threshold(3, 2),
      'challenge-response': threshold(3, 2),
      'content-notice': threshold(3, 2),
      callout: threshold(5, 2),
    },
    exempt: [],
    traps: [],
    evidencePerDay: 200,
    evidenceKeepSeconds: 90 * day,
    evidenceMinTraps: 2,
    removal: { isOpen: true, quietSeconds: day, times: 3, periodSeconds: 30 * day },
    ...changes,
  }
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  assert.ok('value' in parsed, text)
  return parsed.value
}

export function address(text: string): Address {
  const parsed = parseAddress(text)
  assert.ok('value' in parsed, text)
  return parsed.value
}

let contents = 0

/** A certain DSN from 20.0.0.1 to one trap, each time another message. With the kind null, it has no certainty either. */
export function evidence(
  changes: Partial<Omit<Evidence, 'client'>> & { client?: string | null } = {},
): Evidence {
  const content = changes.content ?? `c${++contents}`
  const client = changes.client === undefined ? '20.0.0.1' : changes.client
  return {
    recipient: 'one@trap.example.org',
    kind: 'dsn',
    certainty: changes.kind === null ? null : 'certain',
    rule: 'test',
    returned: content,
    seenAt: start,
    source: 'smtp',
    details: {},
    ...changes,
    content,
    client: client === null ? null : address(client),
  }
}

export function request(text: string, changes: Partial<ListRequest> = {}): ListRequest {
  return { prefix: prefix(text), kinds: [], ...changes }
}

export const silentLog: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}

export interface Door {
  readonly directory: string
  store: Store
  blocklist: Blocklist
  tree: TreeWriter
  reader: TreeReader
  now: number
  /** The codes that a reader of the tree finds for an address; empty when it finds none. */
  codes(address: string | Address): number[]
  /** Closes everything and opens it again, perhaps with another policy. */
  reopen(changes?: Partial<DoorOptions>): void
}

export interface DoorOptions {
  readonly policy: PolicyOptions
  readonly capacityBytes: number
  readonly retired: boolean
  readonly validForSeconds: number
  /** Does what `serve` does once it is ready. */
  readonly finishesImports: boolean
  readonly asksHosts: boolean
  /** See BlocklistOptions. */
  readonly ownRecords: string
  /** When it is opened first. */
  readonly now: number
}

export function temporaryDirectory(t: Pick<TestContext, 'after'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

/** A door that closes itself after the test, on a new database unless there is one. */
export function openDoor(
  t: Pick<TestContext, 'after'>,
  options: Partial<DoorOptions> = {},
  path?: string,
): Door {
  const directory = path ? dirname(path) : temporaryDirectory(t)
  let chosen: DoorOptions = {
    policy: testPolicy(),
    capacityBytes: 1 << 24,
    retired: false,
    validForSeconds: day,
    finishesImports: true,
    asksHosts: false,
    ownRecords: '',
    now: start,
    ...options,
  }
  const open = () => {
    const store = openStore(path ?? join(directory, 'test.db'))
    const tree = new TreeWriter(chosen.capacityBytes)
    const { policy, retired, validForSeconds, asksHosts, ownRecords } = chosen
    const blocklist = new Blocklist({
      store,
      tree,
      policy,
      retired,
      validForSeconds,
      asksHosts,
      ownRecords,
      now: () => door.now,
      log: silentLog,
    })
    if (chosen.finishesImports) blocklist.finishImports()
    return { store, tree, blocklist, reader: new TreeReader(tree.buffer, 63) }
  }
  const door = {
    directory,
    now: chosen.now,
    codes(at: string | Address) {
      const { family, w0, w1, w2, w3 } = typeof at === 'string' ? address(at) : at
      door.reader.enter()
      const answer = door.reader.find(family, w0, w1, w2, w3)
      const bits = answer < 0 ? 0 : door.reader.answerCodes(answer)
      door.reader.leave()
      return Array.from({ length: 32 }, (_, code) => code).filter((code) => bits & (1 << code))
    },
    reopen(changes: Partial<DoorOptions> = {}) {
      door.blocklist.close()
      door.store.close()
      chosen = { ...chosen, ...changes }
      Object.assign(door, open())
    },
  } as Door
  Object.assign(door, open())
  t.after(() => {
    door.blocklist.close()
    door.store.close()
  })
  return door
}
