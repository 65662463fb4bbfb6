// The tree with a million random entries of each family: memory, look-up, insert and change, beside the goals. Each
// trial has a process of its own, so that none warms or fills another's; figures are medians of several rounds.
// Alone: `node test/bench/tree.ts`; test/bench/run.ts starts it too.
import { openReader } from '../../src/tree/open-reader.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { BenchProcess } from './processes.ts'

/** One figure; `goal` is the most it may be. */
export interface BenchRow {
  name: string
  value: number
  unit: string
  goal?: number
}

type Family = 4 | 6

const entries = 1_000_000
const version = { serial: 1, generatedAt: 1, validUntil: 1, ipv4Entries: 0, ipv6Entries: 0 }
const lengths = { 4: 32, 6: 64 } as const
const octetGoals = { 4: 16, 6: 48 } as const

const trials: Readonly<Record<string, (family: Family) => BenchRow[]>> = {
  load: benchLoad,
  'look-up': benchLookUp,
  change: benchChange,
}

/** Runs every trial in a child process and gives all figures. Rejects when a child fails. */
export async function benchTree(): Promise<BenchRow[]> {
  const rows = [benchMemory()]
  for (const family of [4, 6]) {
    for (const trial of Object.keys(trials)) {
      const command = [process.execPath, import.meta.filename, '--trial', trial, `${family}`]
      const output = await new BenchProcess(`trial ${trial}`, command).output()
      rows.push(...JSON.parse(output))
    }
  }
  return rows
}

/** What the machine gives at this moment: the time of one read that no cache line is near to. */
function benchMemory(): BenchRow {
  const random = seeded(1)
  const next = Int32Array.from({ length: (16 * 2 ** 20) / 4 }, (_, i) => i)
  for (let i = next.length - 1; i > 0; i--) swap(next, i, below(random, i))
  let at = 0
  const value = median(5, 1_000_000, () => {
    for (let i = 0; i < 1_000_000; i++) at = next[at] ?? 0
  })
  return { name: `one random read in 16 MiB, here and now${at < 0 ? '!' : ''}`, value, unit: 'ns' }
}

function benchLoad(family: Family): BenchRow[] {
  const keys = randomKeys(family)
  let used = 0
  const insert = median(7, entries, () => {
    used = load(family, keys).stats().usedBytes
  })
  return [
    {
      name: `${label(family)} memory`,
      value: used / entries,
      unit: 'octets an entry',
      goal: octetGoals[family],
    },
    { name: `${label(family)} insert (all in one change)`, value: insert, unit: 'ns', goal: 300 },
  ]
}

function benchLookUp(family: Family): BenchRow[] {
  const keys = randomKeys(family)
  const writer = load(family, keys)
  const reader = openReader(writer.buffer, 0)
  reader.enter()
  const random = seeded(2)
  for (let i = entries - 1; i > 0; i--) {
    const j = below(random, i)
    swap(keys.w0, i, j)
    swap(keys.w1, i, j)
  }
  const { w0, w1 } = keys
  const missing = keys.w0.map(() => random())
  const missing1 = keys.w1.map(() => random())
  const lookUp = (words0: Int32Array, words1: Int32Array): number => {
    let found = 0
    for (let i = 0; i < entries; i++) {
      if (reader.find(family, words0[i] ?? 0, words1[i] ?? 0, 0, 0) >= 0) found++
    }
    return found
  }
  const expectHits = (): void => {
    if (lookUp(w0, w1) !== entries) throw new Error('an entry was not found')
  }
  const expectMisses = (): void => {
    if (lookUp(missing, missing1) > entries / 1000) throw new Error('found what is not there')
  }
  expectMisses()
  const hit = median(9, entries, expectHits)
  const miss = median(9, entries, expectMisses)
  const partial = family === 4 ? 24 : 48
  const under = median(5, entries, () => {
    let found = 0
    for (let i = 0; i < entries; i++) {
      if (reader.hasEntryUnder(family, w0[i] ?? 0, w1[i] ?? 0, 0, 0, partial)) found++
    }
    if (found !== entries) throw new Error('a partial name was not found')
  })
  return [
    { name: `${label(family)} look-up, listed`, value: hit, unit: 'ns', goal: 100 },
    { name: `${label(family)} look-up, not listed`, value: miss, unit: 'ns', goal: 100 },
    { name: `${label(family)} partial name (/${partial})`, value: under, unit: 'ns' },
  ]
}

function benchChange(family: Family): BenchRow[] {
  const keys = randomKeys(family)
  const writer = load(family, keys)
  const random = seeded(3)
  const answer = writer.internAnswer(4)
  const { w0, w1 } = keys
  let oldest = 0
  const change = (): void => {
    const i = oldest++ % entries
    if (!writer.remove(family, w0[i] ?? 0, w1[i] ?? 0, 0, 0, lengths[family])) {
      throw new Error('an entry was lost')
    }
    do {
      w0[i] = random()
      w1[i] = family === 4 ? 0 : random()
    } while (writer.get(family, w0[i] ?? 0, w1[i] ?? 0, 0, 0, lengths[family]))
    writer.set(family, w0[i] ?? 0, w1[i] ?? 0, 0, 0, lengths[family], 1, answer)
  }
  const single = median(7, 20_000, () => {
    for (let i = 0; i < 20_000; i++) {
      change()
      writer.publish(version)
    }
  })
  const batch = median(7, 50_000, () => {
    for (let i = 0; i < 50_000; i++) {
      change()
      if (i % 1000 === 999) writer.publish(version)
    }
  })
  while (oldest < entries + entries / 4) {
    for (let i = 0; i < 100; i++) change()
    writer.publish(version)
  }
  return [
    { name: `${label(family)} one removed, one set, published`, value: single, unit: 'ns' },
    { name: `${label(family)} the same, 1,000 to a publication`, value: batch, unit: 'ns' },
    {
      name: `${label(family)} memory once all entries changed`,
      value: writer.stats().usedBytes / entries,
      unit: 'octets an entry',
      goal: octetGoals[family],
    },
  ]
}

interface Keys {
  w0: Int32Array
  w1: Int32Array
}

function randomKeys(family: Family): Keys {
  const random = seeded(family)
  const seen = new Set<number>()
  const w0 = new Int32Array(entries)
  const w1 = new Int32Array(entries)
  for (let i = 0; i < entries; ) {
    const word = random()
    if (family === 4 && seen.has(word)) continue
    if (family === 4) seen.add(word)
    w0[i] = word
    w1[i++] = family === 4 ? 0 : random()
  }
  return { w0, w1 }
}

function load(family: Family, { w0, w1 }: Keys): TreeWriter {
  const writer = new TreeWriter(2 ** 30)
  const answer = writer.internAnswer(4)
  for (let i = 0; i < entries; i++) {
    writer.set(family, w0[i] ?? 0, w1[i] ?? 0, 0, 0, lengths[family], 1, answer)
  }
  writer.publish(version)
  return writer
}

/** Median over the rounds, in ns for each of `steps`; one round more goes before, to warm up. */
function median(rounds: number, steps: number, round: () => void): number {
  round()
  const times: number[] = []
  for (let i = 0; i < rounds; i++) {
    const start = process.hrtime.bigint()
    round()
    times.push(Number(process.hrtime.bigint() - start) / steps)
  }
  times.sort((a, b) => a - b)
  return times[rounds >> 1] ?? Number.NaN
}

/** Reproducible 32-bit words (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return t ^ (t >>> 14)
  }
}

function below(random: () => number, limit: number): number {
  return (random() >>> 0) % limit
}

function swap(values: Int32Array, i: number, j: number): void {
  const value = values[i] ?? 0
  values[i] = values[j] ?? 0
  values[j] = value
}

function label(family: Family): string {
  return family === 4 ? 'IPv4 /32' : 'IPv6 /64'
}

function format({ name, value, unit, goal }: BenchRow): string {
  const figure = value < 100 ? value.toFixed(1) : value.toFixed(0)
  const verdict = goal === undefined ? '' : `goal ${goal} ${value <= goal ? 'met' : 'MISSED'}`
  return `${name.padEnd(42)} ${figure.padStart(8)} ${unit.padEnd(16)} ${verdict}`.trimEnd()
}

if (import.meta.main) {
  const [flag, trial = '', family] = process.argv.slice(2)
  if (flag === '--trial') {
    const rows = trials[trial]?.(family === '6' ? 6 : 4) ?? []
    process.stdout.write(JSON.stringify(rows))
  } else {
    for (const row of await benchTree()) process.stdout.write(`${format(row)}\n`)
  }
}
