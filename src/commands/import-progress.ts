// The progress of an import, from the first line read until DNS answers the list: a bar for each phase, on a terminal only. This
// process knows how much it has sent; how far the rest is, it asks the server while it waits.
import { setTimeout } from 'node:timers/promises'
import type { ServerStatus } from '../admin/schemas/server.ts'
import { type Client, expectDone } from './client.ts'
import { type Done, Progress } from './progress.ts'

type RunningImport = ServerStatus['imports'][number]

/** How often the server is asked. */
const askMs = 200

export class ImportProgress {
  readonly #list: string
  readonly #bar: Progress
  readonly #startedAt = performance.now()
  #phase: RunningImport['phase'] = 'reading'
  #isOver = false

  /** `octets`: the size of the list; 0 if it is not known. */
  constructor(list: string, octets: number) {
    this.#list = list
    this.#bar = new Progress(octets, ({ total }) => `reading ${(total / 1e6).toFixed(1)} MB`)
  }

  /** To be called for each piece of the list that is sent. */
  sent(octets: number): void {
    if (this.#phase === 'reading') this.#bar.advance(octets)
  }

  /** Runs `upload` and shows how far the server is until it ends. `isDone` tells whether the import was a success. */
  async during<T>(
    client: Client,
    upload: () => Promise<T>,
    isDone: (reply: T) => boolean,
  ): Promise<T> {
    const asking = process.stderr.isTTY ? this.#ask(client) : undefined
    let isComplete = false
    try {
      const reply = await upload()
      isComplete = isDone(reply)
      return reply
    } finally {
      this.#isOver = true
      await asking
      if (isComplete) this.#bar.begin(1, () => 'done', this.#startedAt)
      this.#bar.end(isComplete)
    }
  }

  async #ask(client: Client): Promise<void> {
    for (;;) {
      await setTimeout(askMs)
      if (this.#isOver) return
      const reply = await client.request('GET', '/v1/stats').catch(() => undefined)
      if (this.#isOver || reply === undefined) return
      const { imports } = expectDone<ServerStatus>(reply)
      const running = imports.find(({ list }) => list === this.#list)
      if (running !== undefined) this.#show(running)
    }
  }

  #show({ phase, done, total }: RunningImport): void {
    if (phase === 'reading' || total === null) return
    if (phase !== this.#phase) this.#bar.begin(total, entriesOf(phase))
    this.#phase = phase
    this.#bar.reach(done)
  }
}

function entriesOf(phase: string): (done: Done) => string {
  return ({ done, total }) => `${phase} ${done} of ${total} entries`
}
