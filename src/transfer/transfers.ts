// The side of the thread that has the connections: hands queries for a transfer to the transfer thread, and its messages back,
// a part at a time. The thread is started for the first transfer. If it dies, its transfers end, and the next one starts it again.
// Only so many transfers run at once, of one client and of all; more of them wait.
import { Worker } from 'node:worker_threads'
import type { ClientAddress } from '../dns/query-context.ts'
import type { TransferOptions } from './transfer.ts'
import type { TransferOrder, TransferPart } from './worker.ts'

export interface TransferSink {
  /** Sends octets of the response. Resolves when the client has taken so much that more can be sent. */
  send(octets: Uint8Array): Promise<void>
  /** The transfer is over. `isAnswered`: false if nothing was sent: see `transferMessages`. */
  end(isAnswered: boolean): void
  /** The transfer cannot go on. */
  fail(): void
}

export interface Transfer {
  /** Ends the transfer; the sink is not called any more. */
  stop(): void
}

/** Of the thread's heap. A small young generation keeps its memory low: nearly everything that it makes is short-lived. */
const heapLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 } as const

/** The most transfers at once. Each takes some of the thread's heap. */
const atOnce = 50
/**
 * The most of one client: an IPv4 address or an IPv6 /64. For each that the client does not take, the system holds megabytes.
 */
const atOnceOfClient = 10

interface Transferring {
  readonly sink: TransferSink
  readonly client: string
  /** What starts it; undefined once that was sent to the thread. */
  waiting: TransferOrder | undefined
  hasSent: boolean
}

export class Transfers {
  readonly #data: TransferOptions
  /** In the order in which they were asked for. */
  readonly #transfers = new Map<number, Transferring>()
  #worker: Worker | undefined
  #lastId = 0

  constructor(data: TransferOptions) {
    this.#data = data
  }

  start(query: Uint8Array, client: ClientAddress, sink: TransferSink): Transfer {
    this.#lastId += 1
    const id = this.#lastId
    const { family, w0, w1, w2, w3 } = client
    const name = family === 4 ? `${w0}` : `${w0} ${w1}`
    const address = { family, w0, w1, w2, w3 }
    const waiting = { kind: 'start', id, query: query.slice(), client: address } as const
    this.#transfers.set(id, { sink, client: name, waiting, hasSent: false })
    this.#startSome()
    return { stop: () => this.#stop(id) }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #stop(id: number): void {
    const transfer = this.#transfers.get(id)
    if (transfer === undefined) return
    if (transfer.waiting === undefined) this.#order({ kind: 'stop', id })
    this.#forget(id)
  }

  #forget(id: number): void {
    this.#transfers.delete(id)
    this.#startSome()
  }

  /** Starts the transfers that wait, as far as more may run at once. */
  #startSome(): void {
    const all = [...this.#transfers.values()]
    const running = all.filter(({ waiting }) => waiting === undefined).map(({ client }) => client)
    for (const transfer of all) {
      if (running.length >= atOnce) return
      const { client, waiting } = transfer
      const ofClient = running.filter((each) => each === client).length
      if (waiting === undefined || ofClient >= atOnceOfClient) continue
      this.#worker ??= this.#startWorker()
      this.#order(waiting)
      transfer.waiting = undefined
      running.push(client)
    }
  }

  #order(order: TransferOrder): void {
    this.#worker?.postMessage(order)
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: this.#data,
      name: 'dns-transfer',
      resourceLimits: heapLimits,
    })
    worker.unref()
    // The thread's error is thrown in no other place; its transfers fail.
    worker.on('error', () => undefined)
    worker.on('message', (part: TransferPart) => void this.#take(part))
    worker.once('exit', () => {
      this.#worker = undefined
      const sinks = [...this.#transfers.values()]
      this.#transfers.clear()
      for (const { sink } of sinks) sink.fail()
    })
    return worker
  }

  async #take({ id, octets, isLast }: TransferPart): Promise<void> {
    const running = this.#transfers.get(id)
    if (running === undefined) return
    if (octets.length > 0) {
      running.hasSent = true
      await running.sink.send(octets)
    }
    if (!this.#transfers.has(id)) return
    if (!isLast) {
      this.#order({ kind: 'more', id })
      return
    }
    this.#forget(id)
    running.sink.end(running.hasSent)
  }
}
