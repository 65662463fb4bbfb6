// Random draws for the simulation. The same seed and name give the same draws, whatever else is drawn from other names.
import { createHash } from 'node:crypto'
import { seeded } from '../../test/support/seeded.ts'

export class Random {
  readonly #word: () => number

  constructor(seed: number, name: string) {
    const word = createHash('sha256').update(`${seed} ${name}`).digest().readUInt32BE()
    this.#word = seeded(word || 1)
  }

  /** From 0 up to, but not including, 1. */
  share(): number {
    return this.#word() / 2 ** 32
  }

  /** A whole number from 0 up to, but not including, `end`. */
  below(end: number): number {
    return Math.floor(this.share() * end)
  }

  chance(share: number): boolean {
    return this.share() < share
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('there is nothing to pick from')
    return item
  }

  /** Picks an item with a chance in proportion to its weight. */
  weighted<T extends { readonly weight: number }>(items: readonly T[]): T {
    let rest = this.share() * items.reduce((sum, { weight }) => sum + weight, 0)
    const found = items.find(({ weight }) => {
      rest -= weight
      return rest < 0
    })
    return found ?? this.pick(items)
  }

  /** How many events happen if `mean` are expected (Poisson). */
  events(mean: number): number {
    let count = 0
    for (let left = mean; ; count++) {
      left += Math.log(1 - this.share())
      if (left < 0) return count
    }
  }

  /** A log-normal number: half of all are below `median`. */
  around(median: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.share())) * Math.cos(2 * Math.PI * this.share())
    return median * Math.exp(sigma * normal)
  }

  /** A digest in hex that no other draw has. */
  digest(): string {
    const words = new Uint32Array([this.#word(), this.#word(), this.#word(), this.#word()])
    return Buffer.from(words.buffer).toString('hex').padEnd(64, '0')
  }
}
