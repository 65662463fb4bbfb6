// Mailboxes of every type, for the main thread. Each implements Mailbox, and one other thread (mailbox-thread.ts) reads all of
// them. If that thread dies, the next poll starts it again.
//
// When the thread dies, all mailboxes that were being read become suspects. Suspects are read one at a time, until each has been
// read to its end. So a mailbox that always kills the thread fails alone, and the others lose only a poll now and then.
import { type ResourceLimits, Worker } from 'node:worker_threads'
import type { TrapList } from '../classify/evidence.ts'
import { type Logger, messageOf } from '../errors.ts'
import { isOnServer, mailServer } from './mail-server.ts'
import {
  type Mailbox,
  MailboxError,
  type MailboxMessage,
  type MailboxOptions,
  type MessageName,
} from './mailbox.ts'
import type { FromThread, MailboxThreadData, OpenMailbox, ToThread } from './mailbox-thread.ts'

export interface RemoteMailboxesOptions {
  readonly mailboxes: readonly MailboxOptions[]
  readonly list: Pick<TrapList, 'isTrap'>
  /** Called when there may be new mail in this mailbox. */
  wake(mailbox: string): void
  readonly log: Logger
  /** The file that the thread runs. @default mailbox-thread.ts */
  readonly entry?: URL
  /** Limits of the thread's V8 heap; octets of messages are outside it. @default 96 MiB old and 4 MiB young generation */
  readonly resourceLimits?: ResourceLimits
}

const usualEntry = new URL('./mailbox-thread.ts', import.meta.url)
const usualLimits: ResourceLimits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 4 }
const quitMs = 1000
const longestCloseMs = 2000
/**
 * The main thread sends a beat this often. If the thread leaves `maxMissedBeats` in a row unanswered, its event loop has stopped,
 * and it is ended.
 */
const beatMs = 10_000
const maxMissedBeats = 6

export class RemoteMailboxes {
  readonly #options: RemoteMailboxesOptions
  readonly #reading = new Set<string>()
  readonly #suspects = new Set<string>()
  #readingEnded = Promise.withResolvers<void>()
  #thread: MailboxThread | null = null
  #isClosed = false

  /** Throws OperationalError `config-invalid` for an invalid URL. */
  constructor(options: RemoteMailboxesOptions) {
    for (const { name, type, url = '' } of options.mailboxes) {
      if (isOnServer(type)) mailServer(type, { name, url })
    }
    this.#options = options
  }

  /** The configured mailbox of that name. */
  mailbox(name: string): Mailbox {
    return new RemoteMailbox(name, this)
  }

  /** Ends the thread; no mailbox can be read afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#readingEnded.resolve()
    await this.#thread?.quit()
  }

  /** Resolves with the thread once this mailbox may be read. */
  async begin(name: string): Promise<MailboxThread> {
    const isAlone = (): boolean =>
      !this.#suspects.has(name) || [...this.#reading].every((each) => !this.#suspects.has(each))
    while (!this.#isClosed && !isAlone()) await this.#readingEnded.promise
    if (this.#isClosed) throw new MailboxError(name, 'thread-failed', 'the server is stopping')
    this.#reading.add(name)
    this.#thread ??= new MailboxThread(this.#options, (cause) => this.#onDeath(cause))
    return this.#thread
  }

  /** To be called after each poll; `isWhole`: the mailbox was read to its end. */
  end(name: string, isWhole: boolean): void {
    this.#reading.delete(name)
    if (isWhole) this.#suspects.delete(name)
    this.#readingEnded.resolve()
    this.#readingEnded = Promise.withResolvers()
  }

  #onDeath(cause: unknown): void {
    this.#thread = null
    if (this.#isClosed) return
    const reading = [...this.#reading]
    const { log } = this.#options
    log.error({ mailboxes: reading, err: cause }, 'the thread that reads mailboxes died')
    if (!reading.some((each) => this.#suspects.has(each))) {
      for (const each of reading) this.#suspects.add(each)
    }
  }
}

class RemoteMailbox implements Mailbox {
  readonly #name: string
  readonly #all: RemoteMailboxes
  #thread: MailboxThread | null = null

  constructor(name: string, all: RemoteMailboxes) {
    this.#name = name
    this.#all = all
  }

  async *messages(position: string | undefined): AsyncGenerator<MailboxMessage> {
    this.#thread = await this.#all.begin(this.#name)
    await this.#call('begin', position)
    try {
      for (;;) {
        const message = await this.#call('next')
        if (message === null) return
        yield message
      }
    } finally {
      await this.#call('end').catch(() => undefined)
    }
  }

  async accept({ id, place }: MessageName): Promise<void> {
    await this.#call('accept', { id, place })
  }

  passOver({ id, place }: MessageName, recipients: readonly string[]): void {
    this.#call('passOver', { id, place }, recipients).catch(() => undefined)
  }

  async finish(): Promise<string | null> {
    let isWhole = false
    try {
      const position = await this.#call('finish')
      isWhole = true
      return position
    } finally {
      this.#all.end(this.#name, isWhole)
    }
  }

  async close(): Promise<void> {
    if (this.#thread === null) return
    const closed = this.#call('close').catch(() => undefined)
    await Promise.race([closed, new Promise((over) => setTimeout(over, longestCloseMs).unref())])
  }

  async #call<Name extends keyof OpenMailbox>(
    call: Name,
    ...args: Parameters<OpenMailbox[Name]>
  ): Promise<Awaited<ReturnType<OpenMailbox[Name]>>> {
    const thread = this.#thread
    if (thread === null) throw new MailboxError(this.#name, 'thread-failed', 'it is not being read')
    return (await thread.call(this.#name, call, args)) as Awaited<ReturnType<OpenMailbox[Name]>>
  }
}

interface Pending {
  readonly mailbox: string
  resolve(answer: unknown): void
  reject(error: MailboxError): void
}

/** One thread, from its start to its death. */
class MailboxThread {
  readonly #options: RemoteMailboxesOptions
  readonly #onDeath: (cause: unknown) => void
  readonly #worker: Worker
  readonly #exited: Promise<void>
  readonly #pending = new Map<number, Pending>()
  readonly #beat: NodeJS.Timeout
  #missedBeats = 0
  #calls = 0
  #death: string | null = null

  constructor(options: RemoteMailboxesOptions, onDeath: (cause: unknown) => void) {
    this.#options = options
    this.#onDeath = onDeath
    const { mailboxes, entry = usualEntry, resourceLimits = usualLimits } = options
    const workerData: MailboxThreadData = { mailboxes }
    this.#worker = new Worker(entry, { name: 'mailboxes', workerData, resourceLimits })
    this.#worker.on('error', (error) => this.#die(error))
    this.#worker.on('message', (message: FromThread) => this.#hear(message))
    this.#beat = setInterval(() => {
      if (++this.#missedBeats <= maxMissedBeats) this.#say({ beat: true })
      else {
        this.#die(new Error('it hangs'))
        void this.#worker.terminate()
      }
    }, beatMs).unref()
    this.#exited = new Promise((resolve) =>
      this.#worker.once('exit', (code) => {
        this.#die(new Error(`exit code ${code}`))
        resolve()
      }),
    )
  }

  async call(mailbox: string, call: keyof OpenMailbox, args: readonly unknown[]): Promise<unknown> {
    if (this.#death !== null) throw this.#dead(mailbox)
    const id = ++this.#calls
    const { promise, resolve, reject } = Promise.withResolvers()
    this.#pending.set(id, { mailbox, resolve, reject })
    this.#say({ call, mailbox, id, args })
    return await promise
  }

  /** Tells the thread to end and waits for it; after a second, terminates it. */
  async quit(): Promise<void> {
    const force = setTimeout(() => void this.#worker.terminate(), quitMs)
    this.#say({ quit: true })
    await this.#exited
    clearTimeout(force)
  }

  #die(cause: unknown): void {
    if (this.#death !== null) return
    this.#death = `the thread died: ${messageOf(cause)}`
    clearInterval(this.#beat)
    this.#onDeath(cause)
    for (const { mailbox, reject } of this.#pending.values()) reject(this.#dead(mailbox))
    this.#pending.clear()
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #hear(message: FromThread): void {
    const { log, list, wake } = this.#options
    if ('log' in message) log[message.log](message.fields, message.message)
    else if ('beat' in message) this.#missedBeats = 0
    else if ('wake' in message) wake(message.wake)
    else if ('addresses' in message) {
      this.#say({ traps: message.addresses.filter((each) => list.isTrap(each)), id: message.id })
    } else {
      const pending = this.#pending.get(message.id)
      this.#pending.delete(message.id)
      if (pending === undefined) return
      if ('answer' in message) pending.resolve(message.answer)
      else pending.reject(new MailboxError(pending.mailbox, message.fault, message.detail))
    }
  }

  #dead(mailbox: string): MailboxError {
    return new MailboxError(mailbox, 'thread-failed', this.#death ?? '')
  }
}
