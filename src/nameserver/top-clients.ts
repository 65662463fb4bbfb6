// The client networks that ask most, estimated with the space-saving sketch of Metwally et al. (2005). It is cut into sets, so
// that an update looks at only eight places. Each thread feeds a sample into its own sketch in shared memory, and the main thread
// merges them. Written by hand: no package keeps such a sketch in shared memory.
import type { ClientAddress } from '../dns/query-context.ts'
import { formatNetwork, hashNetwork, networkWord0, networkWord1 } from './client-network.ts'

const ways = 8
const sets = 64
const slots = sets * ways
/** Words of each place's key: tag (0 if empty), family, two words of the network. */
const keyWords = 4
const keysOffset = slots * 2 * 8

/** Octets of one thread's sketch: counts, the possible excess of each count, and keys. */
export const topClientsBytes = keysOffset + slots * keyWords * 4

const seeds = crypto.getRandomValues(new Int32Array(2))

export interface TopClient {
  /** `192.0.2.0/24` or `2001:db8::/56`. */
  readonly network: string
  /** Estimated queries since the server started. The true number may be lower, by `excess` at most. */
  readonly queries: number
  readonly excess: number
}

/** One thread's sketch. */
export class TopClients {
  readonly #counts: Float64Array
  readonly #excess: Float64Array
  readonly #keys: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.#counts = new Float64Array(memory, 0, slots)
    this.#excess = new Float64Array(memory, slots * 8, slots)
    this.#keys = new Int32Array(memory, keysOffset)
  }

  /** Counts `weight` queries of a client's network. */
  count(client: ClientAddress, weight: number): void {
    const counts = this.#counts
    const keys = this.#keys
    const tag = hashNetwork(client, seeds[0] ?? 0, seeds[1] ?? 0) | 1
    const first = ((tag >>> 1) & (sets - 1)) * ways
    let least = first
    for (let slot = first; slot < first + ways; slot++) {
      if (keys[slot * keyWords] === tag) {
        counts[slot] = (counts[slot] ?? 0) + weight
        return
      }
      if ((counts[slot] ?? 0) < (counts[least] ?? 0)) least = slot
    }
    // A new network takes the place with the lowest count and keeps that count, since it may have asked that often without being
    // counted.
    const key = least * keyWords
    keys[key] = 0
    keys[key + 1] = client.family
    keys[key + 2] = networkWord0(client)
    keys[key + 3] = networkWord1(client)
    this.#excess[least] = counts[least] ?? 0
    counts[least] = (counts[least] ?? 0) + weight
    keys[key] = tag
  }

  /** The networks in the sketch, unsorted. A place that is just changing is left out. */
  list(): TopClient[] {
    const keys = this.#keys
    return Array.from({ length: slots }, (_, slot) => slot * keyWords)
      .filter((key) => keys[key] !== 0)
      .map((key) => ({
        network: formatNetwork(keys[key + 1] === 6 ? 6 : 4, keys[key + 2] ?? 0, keys[key + 3] ?? 0),
        queries: this.#counts[key / keyWords] ?? 0,
        excess: this.#excess[key / keyWords] ?? 0,
      }))
  }
}

/** The `limit` networks that ask most, from all sketches together. */
export function mergeTopClients(
  memories: readonly SharedArrayBuffer[],
  limit: number,
): TopClient[] {
  const clients = memories.flatMap((memory) => new TopClients(memory).list())
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each)
  return [...Map.groupBy(clients, ({ network }) => network)]
    .map(([network, same]) => ({
      network,
      queries: sum(same.map(({ queries }) => queries)),
      excess: sum(same.map(({ excess }) => excess)),
    }))
    .toSorted((a, b) => b.queries - a.queries)
    .slice(0, limit)
}
