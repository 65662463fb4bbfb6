// The tree as it grows: memory over the same process with an empty tree, and the time of a look-up, at 10 k to 10 M
// IPv4 entries. Each size in a process of its own. Run alone: `node test/bench/growth.ts [ENTRIES…]`.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { entryKinds } from '../../src/tree/layout.ts'
import { TreeReader } from '../../src/tree/reader.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { seeded } from '../support/seeded.ts'

const sizes = [10_000, 100_000, 1_000_000, 10_000_000]
const capacityBytes = 2 ** 30
const lookUps = 1_000_000

export interface GrowthFigures {
  readonly entries: number
  readonly octetsAnEntry: number
  /** Resident memory that filling the tree added, the list itself apart. */
  readonly addedMiB: number
  readonly insertNs: number
  readonly findNs: number
}

export function measureGrowth(entries: number): GrowthFigures {
  const random = seeded(1)
  const words = Uint32Array.from({ length: entries }, random)
  const writer = new TreeWriter(capacityBytes)
  const answer = writer.internAnswer(0b1100)
  const publish = () =>
    writer.publish({
      serial: 1,
      generatedAt: 0,
      validUntil: 0,
      ipv4Entries: entries,
      ipv6Entries: 0,
    })
  publish()
  const before = residentBytes()
  const insertNs = nanoseconds(entries, () => {
    for (const word of words) writer.set(4, word, 0, 0, 0, 32, entryKinds.listing, answer)
    publish()
  })
  const addedMiB = (residentBytes() - before) / 1024 ** 2
  const reader = new TreeReader(writer.buffer, 63)
  reader.enter()
  let found = 0
  const find = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const word = index & 1 ? (words[random() % entries] ?? 0) : random()
      if (reader.find(4, word, 0, 0, 0) >= 0) found++
    }
  }
  find(lookUps / 10)
  const findNs = nanoseconds(lookUps, () => find(lookUps))
  if (found < lookUps / 2) throw new Error('listed addresses were not found')
  const { usedBytes } = writer.stats()
  return { entries, octetsAnEntry: usedBytes / entries, addedMiB, insertNs, findNs }
}

function nanoseconds(count: number, work: () => void): number {
  const start = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(start)
  return ((user + system) * 1000) / count
}

function residentBytes(): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

if (import.meta.main) {
  const wanted = process.argv.slice(2).map(Number)
  const [only] = wanted
  if (wanted.length === 1 && only !== undefined) {
    const figures = measureGrowth(only)
    console.log(
      `${only} entries: ${figures.octetsAnEntry.toFixed(1)} octets an entry, ${figures.addedMiB.toFixed(1)} MiB added, ` +
        `${figures.insertNs.toFixed(0)} ns an insert, ${figures.findNs.toFixed(0)} ns a look-up`,
    )
  } else {
    for (const entries of wanted.length > 0 ? wanted : sizes) {
      const { status } = spawnSync(process.execPath, [import.meta.filename, String(entries)], {
        stdio: 'inherit',
      })
      if (status !== 0) process.exitCode = 1
    }
  }
}
