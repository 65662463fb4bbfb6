// Whether the shared tree is nearly full: looked at by serve with its other housekeeping, told once in the log when it
// becomes so, and shown by `status` for as long as it is.
import type { Logger } from '../errors.ts'

/** What of a TreeWriter's stats() matters here. */
export interface TreeUsage {
  readonly usedBytes: number
  readonly capacityBytes: number
  /** Part of the used octets that can be used again. */
  readonly freeBytes: number
}

/** From this part on the operator should act; below the other the matter is over. */
const nearlyFullShare = 0.9
const roomyShare = 0.85

/** A function that looks, logs what has changed since the last time, and answers whether the tree is nearly full. */
export function watchCapacity(usage: () => TreeUsage, log: Logger): () => boolean {
  let isNearlyFull = false
  return () => {
    const { usedBytes, capacityBytes, freeBytes } = usage()
    const share = (usedBytes - freeBytes) / capacityBytes
    const fields = { usedBytes: usedBytes - freeBytes, capacityBytes }
    if (!isNearlyFull && share >= nearlyFullShare) {
      isNearlyFull = true
      log.warn(
        fields,
        'the shared tree is nearly full: raise dns.capacity, or new listings are refused',
      )
    } else if (isNearlyFull && share < roomyShare) {
      isNearlyFull = false
      log.info(fields, 'the shared tree has room again')
    }
    return isNearlyFull
  }
}
