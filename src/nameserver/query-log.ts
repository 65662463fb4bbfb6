// A sample of the queries as log lines: client network, name, type, outcome. A thread writes into a ring of its own
// in shared memory and never waits; the main thread empties the rings, and says how much it came too late for.
import { type Exchange, outcomes } from '../dns/exchange.ts'
import { headerLength, maxNameLength, rcodes, types } from '../dns/wire.ts'
import type { Logger } from '../errors.ts'
import { formatNetwork, networkWord0, networkWord1 } from './network.ts'

/** Records a ring holds: with it emptied every `drainMs` a thread logs at most 1,024 lines a second. */
const records = 256
const drainMs = 250

/** family, two words of the network, type, rcode, outcome, length of the name; then the name in wire form. */
const fieldWords = 7
const recordBytes = fieldWords * 4 + 256
const recordsAt = 8

/** Octets of one thread's ring: how many records were ever written, and the records. */
export const queryLogBytes = recordsAt + records * recordBytes

/** A thread's side. */
export class QueryLogWriter {
  readonly #head: Int32Array
  readonly #memory: SharedArrayBuffer
  #written = 0

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory
    this.#head = new Int32Array(memory, 0, 1)
    this.#written = Atomics.load(this.#head, 0)
  }

  /** Writes one record: an exchange that is over, its question still in `query`. */
  write(exchange: Exchange, query: Uint8Array, queryLength: number): void {
    const at = recordsAt + ((this.#written >>> 0) % records) * recordBytes
    const fields = new Int32Array(this.#memory, at, fieldWords)
    const nameLength = wireNameLength(query, queryLength)
    fields[0] = exchange.family
    fields[1] = networkWord0(exchange)
    fields[2] = networkWord1(exchange)
    fields[3] = exchange.type
    fields[4] = exchange.rcode
    fields[5] = exchange.outcome
    fields[6] = nameLength
    const name = query.subarray(headerLength, headerLength + nameLength)
    new Uint8Array(this.#memory, at + fieldWords * 4, nameLength).set(name)
    this.#written = (this.#written + 1) | 0
    Atomics.store(this.#head, 0, this.#written)
  }
}

/** The main thread's side: logs what the rings hold until it is closed. */
export class QueryLogDrain {
  readonly #rings: readonly SharedArrayBuffer[]
  readonly #log: Logger
  readonly #read: number[]
  readonly #timer: NodeJS.Timeout

  constructor(rings: readonly SharedArrayBuffer[], log: Logger) {
    this.#rings = rings
    this.#log = log
    this.#read = rings.map(() => 0)
    this.#timer = setInterval(() => this.drain(), drainMs).unref()
  }

  /** Logs what was written since the last time. */
  drain(): void {
    for (const [index, ring] of this.#rings.entries()) {
      const head = new Int32Array(ring, 0, 1)
      const written = Atomics.load(head, 0)
      const read = this.#read[index] ?? 0
      const waiting = (written - read) >>> 0
      const lines: object[] = []
      for (let back = Math.min(waiting, records); back > 0; back--) {
        lines.push(readRecord(ring, (written - back) >>> 0))
      }
      // What the thread wrote over while we read is no record any more.
      const overtaken = Math.max(
        0,
        ((Atomics.load(head, 0) - written) | 0) - (records - lines.length),
      )
      for (const line of lines.slice(overtaken)) this.#log.info(line, 'query')
      const lost = waiting - lines.length + Math.min(overtaken, lines.length)
      if (lost > 0) this.#log.warn({ lost }, 'more sampled queries than can be logged')
      this.#read[index] = written
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.drain()
  }
}

function readRecord(ring: SharedArrayBuffer, number: number): object {
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

/** Octets of the question's name without its root, as far as it can be followed; 0 when there is none. */
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

/** Presentation form (RFC 1035 §5.1): what is not plain is escaped, so that a name cannot pass for anything else. */
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
