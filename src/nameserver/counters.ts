// Counts what the threads answered, without locks. Each thread adds to its own block in shared memory, and the main thread sums
// the blocks. A restarted thread goes on with the block of the one that died.
import { isSent, outcomes, type QueryContext } from '../dns/query-context.ts'
import { rcodes, types } from '../dns/wire.ts'

const outcomeNames = Object.keys(outcomes) as (keyof typeof outcomes)[]
const rcodeNames = Object.keys(rcodes) as (keyof typeof rcodes)[]
const typeNames = [
  'A',
  'TXT',
  'AAAA',
  'NS',
  'SOA',
  'CNAME',
  'AXFR',
  'IXFR',
  'ANY',
  'other',
] as const
const otherType = typeNames.indexOf('other')

/** Bits of a set of codes; codes are 127.0.0.2 to 127.0.0.31. */
const codeCount = 32
const rcodeCount = 24

/**
 * Buckets of answering times. Bucket n counts times below 2ⁿ × 128 ns that are in no bucket before it; the last bucket counts
 * all longer ones.
 */
const latencyBuckets = 16
const firstBucketNs = 128

/** Each combination of outcome, type and rcode has its own count, so that counting a query is one addition. */
const outcomeStride = typeNames.length * rcodeCount
const codesAt = outcomeNames.length * outcomeStride
const latencyAt = codesAt + codeCount
const unsentAt = latencyAt + latencyBuckets
const blockLength = unsentAt + 1

/** Octets of one thread's block. */
export const counterBytes = blockLength * 8

const typeSlots = new Uint8Array(256).fill(otherType)
for (const [slot, name] of typeNames.entries()) if (name !== 'other') typeSlots[types[name]] = slot

/** Counts since the server started. Except in `codes`, names with a count of 0 are included. */
export interface CountedAnswers {
  readonly queries: { readonly udp: number; readonly tcp: number }
  readonly outcomes: Readonly<Record<keyof typeof outcomes, number>>
  /** Listed answers with each code: `127.0.0.3` → count. */
  readonly codes: Readonly<Record<string, number>>
  /** Responses sent: by rcode, and by the question's type. */
  readonly rcodes: Readonly<Record<string, number>>
  readonly types: Readonly<Record<string, number>>
  /** UDP responses that the system did not send; the other counts include them. */
  readonly unsent: number
  /**
   * Sampled answering times. `count` queries took less than `belowNs`, and not less than the `belowNs` of the bucket before.
   * The last bucket has null: no upper limit.
   */
  readonly latency: { readonly belowNs: number | null; readonly count: number }[]
}

/** Adds to one thread's block. */
export class Counters {
  readonly #block: Float64Array

  constructor(block: SharedArrayBuffer) {
    this.#block = new Float64Array(block)
  }

  /** Counts a query that was answered or dropped. */
  count({ outcome, type, rcode, codes }: QueryContext): void {
    const block = this.#block
    const slot = type < 256 ? (typeSlots[type] ?? otherType) : otherType
    increment(block, outcome * outcomeStride + slot * rcodeCount + rcode)
    if (outcome !== outcomes.listed) return
    for (let rest = codes; rest !== 0; rest &= rest - 1) {
      increment(block, codesAt + 31 - Math.clz32(rest & -rest))
    }
  }

  /** Counts responses that the system did not send. */
  countUnsent(count: number): void {
    increment(this.#block, unsentAt, count)
  }

  /** Counts a sampled answering time. */
  countLatency(milliseconds: number): void {
    const scaled = Math.floor((milliseconds * 1e6) / firstBucketNs)
    const bucket = Math.min(32 - Math.clz32(scaled), latencyBuckets - 1)
    increment(this.#block, latencyAt + bucket)
  }
}

/** A number that grows with each query that the thread of this block finishes. */
export function progressOf(memory: SharedArrayBuffer): number {
  return sumQueries(new Float64Array(memory))
}

function sumQueries(block: Float64Array): number {
  return block.subarray(0, codesAt).reduce((total, count) => total + count, 0)
}

/** The outcomes of all threads together. */
export function sumOutcomes(memories: readonly SharedArrayBuffer[]): CountedAnswers['outcomes'] {
  const sums = zeros(outcomeNames)
  for (const memory of memories) {
    const block = new Float64Array(memory)
    for (const [outcome, name] of outcomeNames.entries()) {
      const end = (outcome + 1) * outcomeStride
      for (let at = outcome * outcomeStride; at < end; at++) sums[name] += block[at] ?? 0
    }
  }
  return sums
}

/** Adds up the blocks of all threads. */
export function sumCounters(
  udp: readonly SharedArrayBuffer[],
  tcp: readonly SharedArrayBuffer[],
): CountedAnswers {
  const [udpBlock, tcpBlock] = [sumBlocks(udp), sumBlocks(tcp)]
  const sum = (at: number): number => (udpBlock[at] ?? 0) + (tcpBlock[at] ?? 0)
  const byOutcome = zeros(outcomeNames)
  const byRcode = zeros(rcodeNames)
  const byType = zeros(typeNames)
  for (const [outcome, outcomeName] of outcomeNames.entries()) {
    for (const [type, typeName] of typeNames.entries()) {
      for (const rcodeName of rcodeNames) {
        const count = sum(outcome * outcomeStride + type * rcodeCount + rcodes[rcodeName])
        byOutcome[outcomeName] += count
        if (!isSent[outcomeName]) continue
        byRcode[rcodeName] += count
        byType[typeName] += count
      }
    }
  }
  const codes = Array.from({ length: codeCount }, (_, code) => [code, sum(codesAt + code)] as const)
  return {
    queries: { udp: sumQueries(udpBlock), tcp: sumQueries(tcpBlock) },
    outcomes: byOutcome,
    codes: Object.fromEntries(
      codes
        .filter(([code, count]) => code >= 2 && count > 0)
        .map(([code, count]) => [`127.0.0.${code}`, count]),
    ),
    rcodes: byRcode,
    types: byType,
    unsent: sum(unsentAt),
    latency: Array.from({ length: latencyBuckets }, (_, bucket) => ({
      belowNs: bucket === latencyBuckets - 1 ? null : firstBucketNs << bucket,
      count: sum(latencyAt + bucket),
    })),
  }
}

function sumBlocks(memories: readonly SharedArrayBuffer[]): Float64Array {
  const total = new Float64Array(blockLength)
  for (const memory of memories) {
    for (const [at, count] of new Float64Array(memory).entries()) increment(total, at, count)
  }
  return total
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>
}

/** Adds to one count. Only one thread writes here, and readers never see half of a 64-bit store. */
function increment(block: Float64Array, at: number, count = 1): void {
  block[at] = (block[at] ?? 0) + count
}
