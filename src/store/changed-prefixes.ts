// Which prefixes the open transaction changed: the tables note them here, and the publisher takes them, so that nobody
// who writes has to think of DNS.
import type { Prefix } from '../ip/address.ts'

export class ChangedPrefixes {
  #noted = new Map<string | number, Prefix>()

  /** Once more does no harm, nor does one that came out as it was before. */
  note(prefix: Prefix): void {
    const { family, w0, w1, w2, w3, length } = prefix
    const key = family === 4 ? w0 * 64 + length : `${w0} ${w1} ${w2} ${w3}/${length}`
    this.#noted.set(key, prefix)
  }

  /** All that were noted, each once, in the order in which they were noted first; none is left. */
  take(): Prefix[] {
    if (this.#noted.size === 0) return []
    const prefixes = [...this.#noted.values()]
    this.#noted = new Map()
    return prefixes
  }
}
