// How long the tree takes to load 1 M listings from the store (goal: well under 0.8 s, since DNS answers only after
// it), and how many trapped messages a second are on disk and judged, from one writer and from many at once.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import { specialPurposeRange } from '../../src/ip/special-purpose.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { chunkEntries } from '../../src/store/packed-entries.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { evidence, testPolicy } from '../support/door.ts'
import { seeded } from '../support/seeded.ts'

export interface LoadFigures {
  readonly entries: number
  readonly loadSeconds: number
  readonly recordsPerSecondAlone: number
  readonly recordsPerSecondTogether: number
}

const listedAt = 1_799_000_000

/** Fills a database with `entries` random IPv4 listings (seeded), loads it, then records evidence. */
export async function benchLoad(entries = 1_000_000): Promise<LoadFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  const store = openStore(join(directory, 'bench.db'))
  try {
    fillStore(store, entries)
    const started = performance.now()
    const blocklist = openBlocklist(store)
    const loadSeconds = (performance.now() - started) / 1000
    const recordsPerSecondAlone = await record(blocklist, 2000, 1, 0)
    const recordsPerSecondTogether = await record(blocklist, 20_000, 200, 2000)
    blocklist.close()
    return { entries, loadSeconds, recordsPerSecondAlone, recordsPerSecondTogether }
  } finally {
    store.close()
    rmSync(directory, { recursive: true })
  }
}

function openBlocklist(store: Store): Blocklist {
  const silent = () => undefined
  return new Blocklist({
    store,
    tree: new TreeWriter(2 ** 30),
    policy: testPolicy(),
    now: () => 1_800_000_000,
    log: { error: silent, warn: silent, info: silent, debug: silent },
    validForSeconds: 86_400,
    retired: false,
  })
}

/** So many different addresses (seeded) that can be listed: a start ends whatever lies in a special-purpose range. */
function randomWords(count: number, seed: number): Set<number> {
  const random = seeded(seed)
  const words = new Set<number>()
  while (words.size < count) {
    const w0 = random()
    if (!specialPurposeRange({ family: 4, w0, w1: 0, w2: 0, w3: 0, length: 32 })) words.add(w0)
  }
  return words
}

/** Leaves the list of `fillStore` on its way to another one of as many entries, as a kill in the middle does. */
export function interruptImport(store: Store, entries: number): void {
  putList(store, 'bench', randomWords(entries, 2), false)
}

/** Puts a list of `entries` random IPv4 addresses (seeded) into an empty store. */
export function fillStore(store: Store, entries: number): void {
  putList(store, 'bench', randomWords(entries, 1), true)
}

/** Makes these addresses the list; `isApplied`: DNS has it, as far as the store knows. */
function putList(store: Store, name: string, words: Iterable<number>, isApplied: boolean): void {
  const { lists } = store
  const sorted = Uint32Array.from(words).sort()
  const attributes = { kinds: 1, reason: null, expiresAt: null }
  store.begin()
  const { id, applied } = lists.begin(name)
  const version = lists.addVersion(id, listedAt)
  for (let from = 0; from < sorted.length; from += chunkEntries) {
    const chunk = Array.from(sorted.subarray(from, from + chunkEntries), (w0) => ({
      prefix: { family: 4, w0, w1: 0, w2: 0, w3: 0, length: 32 } as const,
      attributes,
      listedAt,
    }))
    lists.putChunk(version, chunk)
  }
  lists.setVersion(id, version, isApplied ? version : applied)
  store.commit()
}

/** Messages a second when so many writers each wait for their answer before they bring the next one. */
async function record(
  blocklist: Blocklist,
  messages: number,
  writers: number,
  first: number,
): Promise<number> {
  const started = performance.now()
  let next = first
  const write = async (): Promise<void> => {
    while (next < first + messages) {
      const number = next++
      // Two messages from each client: every second one lists it.
      const host = number >> 1
      const client = `${20 + (host & 63)}.${(host >> 6) & 255}.7.${(host >> 14) & 255}`
      await blocklist.record([evidence({ client, content: `${number}`, returned: `${number}` })])
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return messages / ((performance.now() - started) / 1000)
}

if (import.meta.main) {
  const figures = await benchLoad()
  process.stdout.write(`${JSON.stringify(figures)}\n`)
}
