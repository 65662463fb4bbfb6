// Logs a sample of the queries: client network, name, type, outcome. Each thread writes into its own ring in shared memory and
// never waits; records that do not fit are only counted. The main thread empties the rings.
import { outcomes, type QueryContext } from '../dns/query-context.ts'
import { headerLength, maxNameLength, rcodes, types } from '../dns/wire.ts'
import type { Logger } from '../errors.ts'
import { formatNetwork, networkWord0, networkWord1 } from './client-network.ts'

/** Records in a ring. It is emptied every `drainMs`, so a thread logs at most 1,024 lines per second. */
const records = 256
const drainMs = 250

/**
 * Words of a record before the name: family, two words of the network, type, rcode, outcome, length of the name. The name follows
 * in wire form.
 */
const fieldWords = 7
const recordBytes = fieldWords * 4 + 256

/** Words at the start of a ring: how many records were written, taken, and lost because the ring was full. */
const headWords = { written: 0, taken: 1, lost: 2 } as const
const recordsAt = 16

/** Octets of one thread's ring. */
export const queryLogBytes = recordsAt + records * recordBytes

/** Writes records into one thread's ring. */
export class QueryLogWriter {
  readonly #head: Int32Array
  readonly #words: Int32Array
  readonly #octets: Uint8Array
  #written: number

  constructor(memory: SharedArrayBuffer) {
    this.#head = new Int32Array(memory, 0, recordsAt / 4)
    this.#words = new Int32Array(memory)
    this.#octets = new Uint8Array(memory)
    // A restarted thread goes on where the dead one stopped.
    this.#written = Atomics.load(this.#head, headWords.written)
  }

  /**
   * Writes a record of a query that was answered or dropped. `query` must still hold the question; the rest may be overwritten.
   */
  write(context: QueryContext, query: Uint8Array, queryLength: number): void {
    const head = this.#head
    if (((this.#written - Atomics.load(head, headWords.taken)) | 0) >= records) {
      head[headWords.lost] = (head[headWords.lost] ?? 0) + 1
      return
    }
    const at = recordsAt + ((this.#written >>> 0) % records) * recordBytes
    const words = this.#words
    const field = at / 4
    const nameLength = wireNameLength(query, queryLength)
    words[field] = context.family
    words[field + 1] = networkWord0(context)
    words[field + 2] = networkWord1(context)
    words[field + 3] = context.type
    words[field + 4] = context.rcode
    words[field + 5] = context.outcome
    words[field + 6] = nameLength
    const octets = this.#octets
    const nameAt = at + fieldWords * 4
    for (let index = 0; index < nameLength; index++) {
      octets[nameAt + index] = query[headerLength + index] ?? 0
    }
    this.#written = (this.#written + 1) | 0
    Atomics.store(head, headWords.written, this.#written)
  }
}

/** Empties all rings on the main thread and logs their records, until it is closed. */
export class QueryLogDrain {
  readonly #rings: readonly SharedArrayBuffer[]
  readonly #log: Logger
  readonly #origin: string
  readonly #timer: NodeJS.Timeout
  #lost = 0

  /** `origin` is the zone's, in presentation form without a final dot. */
  constructor(rings: readonly SharedArrayBuffer[], origin: string, log: Logger) {
    this.#rings = rings
    this.#origin = origin.toLowerCase()
    this.#log = log
    this.#timer = setInterval(() => this.drain(), drainMs).unref()
  }

  /** Logs the records that were written since the last call. */
  drain(): void {
    let lost = 0
    for (const ring of this.#rings) {
      const head = new Int32Array(ring, 0, recordsAt / 4)
      const written = Atomics.load(head, headWords.written)
      let taken = Atomics.load(head, headWords.taken)
      while (taken !== written) {
        const record = readRecord(ring, taken >>> 0)
        const name = loggedName(record.name, this.#origin)
        this.#log.info({ ...record, name }, 'query')
        if (name !== record.name) this.#log.debug(record, 'query with its whole name')
        taken = (taken + 1) | 0
        Atomics.store(head, headWords.taken, taken)
      }
      lost += (head[headWords.lost] ?? 0) >>> 0
    }
    if (lost !== this.#lost) {
      this.#log.warn(
        { lost: lost - this.#lost },
        'query log: too many queries to log all that were sampled',
      )
      this.#lost = lost
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.drain()
  }
}

function readRecord(ring: SharedArrayBuffer, number: number) {
  const at = recordsAt + (number % records) * recordBytes
  const [family, w0 = 0, w1 = 0, type = 0, rcode = 0, outcome = 0, nameLength = 0] = new Int32Array(
    ring,
    at,
    fieldWords,
  )
  const name = new Uint8Array(ring, at + fieldWords * 4, Math.min(nameLength, maxNameLength + 1))
  return {
    client: formatNetwork(family === 6 ? 6 : 4, w0, w1),
    name: presentName(name),
    type: nameOf(types, type) ?? `TYPE${type}`,
    rcode: nameOf(rcodes, rcode) ?? rcode,
    outcome: nameOf(outcomes, outcome),
  }
}

/** Octets of the question's name without its root, up to the first malformed label; 0 if there is no question. */
function wireNameLength(query: Uint8Array, queryLength: number): number {
  let at = headerLength
  const end = Math.min(queryLength, headerLength + maxNameLength)
  while (at < end) {
    const length = query[at] ?? 0
    if (length === 0 || length > 63 || at + 1 + length > end) break
    at += 1 + length
  }
  return at - headerLength
}

/** Names of class CH that servers are often asked for (RFC 4892). */
const serverNames = ['version.bind', 'version.server', 'id.server', 'hostname.bind', 'authors.bind']

/**
 * A name as the default log may show it. It is shown whole if it could be an entry, or if it is the origin, `_status`, the root
 * or one of `serverNames`. Otherwise `(other)` stands for it, or for its labels under the origin: clients that mistake the list
 * for another kind may ask for anything, even mail addresses.
 */
export function loggedName(name: string, origin: string): string {
  const folded = name.toLowerCase()
  if (folded === origin || folded === '.' || serverNames.includes(folded)) return name
  if (!folded.endsWith(`.${origin}`)) return '(other)'
  const labels = folded.slice(0, -origin.length - 1).split('.')
  const isPlain = labels.every((label) => /^(\d{1,3}|[0-9a-f]|_status)$/.test(label))
  return isPlain ? name : `(other)${name.slice(-origin.length - 1)}`
}

/** A name in presentation form (RFC 1035 §5.1). Special characters are escaped, so that a name cannot look like another. */
export function presentName(wire: Uint8Array): string {
  const labels: string[] = []
  for (let at = 0; at < wire.length; at += 1 + (wire[at] ?? 0)) {
    const label = wire.subarray(at + 1, at + 1 + (wire[at] ?? 0))
    labels.push(Array.from(label, presentOctet).join(''))
  }
  return labels.length === 0 ? '.' : labels.join('.')
}

function presentOctet(octet: number): string {
  if (octet <= 0x20 || octet >= 0x7f) return `\\${String(octet).padStart(3, '0')}`
  const character = String.fromCharCode(octet)
  return '."\\;()@$'.includes(character) ? `\\${character}` : character
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.keys(names).find((name) => names[name] === value)
}
