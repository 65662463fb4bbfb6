// Who asks most: the space-saving sketch of Metwally et al. (2005), cut into sets so that an update looks at eight
// places only. Each thread has one in shared memory and feeds it a sample; the main thread merges them.
import type { ClientAddress } from './client-address.ts'
import { formatNetwork, hashNetwork, networkWord0, networkWord1 } from './client-network.ts'

const ways = 8
const sets = 64
const slots = sets * ways
/** Each place: tag, family, two words of the network. */
const keyWords = 4
const keysOffset = slots * 2 * 8

/** Octets of one thread's sketch: counts, their possible excess, keys. */
export const askersBytes = keysOffset + slots * keyWords * 4

const seeds = crypto.getRandomValues(new Int32Array(2))

export interface Asker {
  /** `192.0.2.0/24` or `2001:db8::/56`. */
  readonly network: string
  /** Estimated queries since the server started; the truth may be lower by `excess`. */
  readonly queries: number
  readonly excess: number
}

export class AskerSketch {
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
    // Whoever is new takes the place of the least, and its count: it may have asked that often unseen.
    const key = least * keyWords
    keys[key] = 0
    keys[key + 1] = client.family
    keys[key + 2] = networkWord0(client)
    keys[key + 3] = networkWord1(client)
    this.#excess[least] = counts[least] ?? 0
    counts[least] = (counts[least] ?? 0) + weight
    keys[key] = tag
  }

  /** The networks held, in no order. A place that is being taken over is left out. */
  list(): Asker[] {
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

/** The `limit` networks that ask most, of all sketches together. */
export function topAskers(memories: readonly SharedArrayBuffer[], limit: number): Asker[] {
  const merged = new Map<string, Asker>()
  for (const asker of memories.flatMap((memory) => new AskerSketch(memory).list())) {
    const { network, queries, excess } = merged.get(asker.network) ?? {
      ...asker,
      queries: 0,
      excess: 0,
    }
    merged.set(network, {
      network,
      queries: queries + asker.queries,
      excess: excess + asker.excess,
    })
  }
  return [...merged.values()].toSorted((a, b) => b.queries - a.queries).slice(0, limit)
}
