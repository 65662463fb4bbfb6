// The side of the thread that has the connections: hands queries for a transfer to the transfer thread, and its messages back,
// a part at a time. The thread is started for the first transfer. If it dies, its transfers end, and the next one starts it again.
import { Worker } from 'node:worker_threads'
import type { ClientAddress } from '../dns/query-context.ts'
import type { TransferOptions } from './transfer.ts'
import type { TransferOrder, TransferPart } from './worker.ts'

export interface TransferSink {
  /** Sends octets of the response. Resolves when the client has taken so much that more can be sent. */
  send(octets: Uint8Array): Promise<void>
  /** The transfer is over. `isAnswered`: false if the query is malformed or for another zone, and nothing was sent. */
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

export class Transfers {
  readonly #data: TransferOptions
  readonly #sinks = new Map<number, { readonly sink: TransferSink; hasSent: boolean }>()
  #worker: Worker | undefined
  #lastId = 0

  constructor(data: TransferOptions) {
    this.#data = data
  }

  start(query: Uint8Array, client: ClientAddress, sink: TransferSink): Transfer {
    this.#lastId += 1
    const id = this.#lastId
    this.#worker ??= this.#startWorker()
    this.#sinks.set(id, { sink, hasSent: false })
    const { family, w0, w1, w2, w3 } = client
    this.#order({ kind: 'start', id, query: query.slice(), client: { family, w0, w1, w2, w3 } })
    return {
      stop: () => {
        if (this.#sinks.delete(id)) this.#order({ kind: 'stop', id })
      },
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
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
      const sinks = [...this.#sinks.values()]
      this.#sinks.clear()
      for (const { sink } of sinks) sink.fail()
    })
    return worker
  }

  async #take({ id, octets, isLast }: TransferPart): Promise<void> {
    const running = this.#sinks.get(id)
    if (running === undefined) return
    if (octets.length > 0) {
      running.hasSent = true
      await running.sink.send(octets)
    }
    if (!this.#sinks.has(id)) return
    if (!isLast) {
      this.#order({ kind: 'more', id })
      return
    }
    this.#sinks.delete(id)
    running.sink.end(running.hasSent)
  }
}
