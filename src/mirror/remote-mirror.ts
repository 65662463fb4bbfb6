// The main thread's side of the thread that has the mirror (mirror-thread.ts).
import { getHeapStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { Logger } from '../errors.ts'
import type { TreeStats } from '../tree/blocks.ts'
import type { FromMirror, MirrorThreadData, OwnPart, ToMirror } from './mirror-thread.ts'

export interface RemoteMirrorOptions extends MirrorThreadData {
  readonly log: Logger
  /** Called with each new zone before its entries are shown. */
  onOwn(own: OwnPart): Promise<void>
  /** The thread has died after its start; nothing will be fetched any more. */
  onFatal(error: Error): void
}

export class RemoteMirror {
  readonly #options: RemoteMirrorOptions
  readonly #worker: Worker
  readonly #tree = Promise.withResolvers<SharedArrayBuffer>()
  #usage: TreeStats | undefined

  /** Starts the thread, which shows the zone of the file, if there is one. It does not ask the primary yet. */
  constructor(options: RemoteMirrorOptions) {
    this.#options = options
    const { path, text, capacityBytes, origin, primary } = options
    const workerData: MirrorThreadData = { path, text, capacityBytes, origin, primary }
    // The heap of this thread stays small, so that the other may have as much as Node was given.
    const maxOldGenerationSizeMb = Math.floor(getHeapStatistics().heap_size_limit / 1024 ** 2)
    this.#worker = new Worker(new URL('./mirror-thread.ts', import.meta.url), {
      name: 'mirror',
      workerData,
      resourceLimits: { maxOldGenerationSizeMb },
    })
    this.#worker.on('message', (message: FromMirror) => this.#hear(message))
    this.#worker.on('error', (error: Error) => {
      this.#tree.reject(error)
      this.#tree.promise.then(
        () => options.onFatal(error),
        () => undefined,
      )
    })
  }

  /** Resolves with the tree once the zone on disk is shown. Rejects if that failed. */
  get tree(): Promise<SharedArrayBuffer> {
    return this.#tree.promise
  }

  /** How full the tree is. Undefined before the first zone. */
  get usage(): TreeStats | undefined {
    return this.#usage
  }

  /** Asks the primary for something newer: now, or after the present transfer. */
  ask(): void {
    this.#say('ask')
  }

  /** Ends the thread wherever it is: the file is right at any moment. */
  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #say(message: ToMirror): void {
    this.#worker.postMessage(message)
  }

  #hear(message: FromMirror): void {
    const { log, onOwn, onFatal } = this.#options
    if ('log' in message) log[message.log](message.fields, message.message)
    else if ('usage' in message) this.#usage = message.usage
    else if ('tree' in message) this.#tree.resolve(message.tree)
    else onOwn(message.own).then(() => this.#say('taken'), onFatal)
  }
}
