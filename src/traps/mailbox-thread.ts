// The thread that reads all mailboxes: calls of the main thread → mailboxes → answers. What a mailbox's server or file
// makes it work or wait for holds up nobody in the main thread, and passwords are read here alone. remote-mailboxes.ts
// starts it.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Logger } from '../errors.ts'
import type { Mailbox, MailboxMessage } from './mailbox.ts'
import type { FromThread, MailboxCall, MailboxThreadData, ToThread } from './mailbox-calls.ts'
import { mailboxError } from './mailbox-error.ts'
import { type MailboxOptions, mailboxOf } from './mailbox-source.ts'

/** One mailbox, and the reading under way. */
class OpenMailbox {
  readonly #mailbox: Mailbox
  readonly #state: MailboxState
  #messages: AsyncIterator<MailboxMessage> | null = null

  static async open(options: MailboxOptions, { port, log, trapsAmong }: Surroundings) {
    const state: MailboxState = { position: undefined, moved: null, now: 0, hasWoken: false }
    const mailbox = await mailboxOf(options, {
      ...{ log, trapsAmong, now: () => state.now },
      position: {
        get: () => state.position,
        set: (position) => {
          state.position = position
          state.moved = position
        },
      },
    })
    mailbox.watch?.(() => {
      if (!state.hasWoken) port.postMessage({ wake: options.name } satisfies FromThread)
      state.hasWoken = true
    })
    return new OpenMailbox(mailbox, state)
  }

  private constructor(mailbox: Mailbox, state: MailboxState) {
    this.#mailbox = mailbox
    this.#state = state
  }

  async answer(call: MailboxCall): Promise<MailboxMessage | string | null> {
    switch (call.call) {
      case 'begin':
        this.#state.position = call.argument.position
        this.#state.hasWoken = false
        this.#messages = this.#mailbox.messages()[Symbol.asyncIterator]()
        return null
      case 'next': {
        this.#state.now = call.argument.now
        const next = await this.#messages?.next()
        return next === undefined || next.done ? null : next.value
      }
      case 'end':
        await this.#messages?.return?.()
        this.#messages = null
        return null
      case 'accept':
        await this.#mailbox.accept(call.argument)
        return null
      case 'passOver':
        this.#mailbox.passOver(call.argument.message, call.argument.recipients)
        return null
      case 'finish': {
        this.#state.moved = null
        await this.#mailbox.finish?.()
        return this.#state.moved
      }
      case 'close':
        await this.#mailbox.close?.()
        return null
    }
  }
}

interface MailboxState {
  position: string | undefined
  /** The position that finish() has set. */
  moved: string | null
  now: number
  /** There is news, and the main thread has been told since the last reading began: a server has news by the thousand. */
  hasWoken: boolean
}

interface Surroundings {
  readonly port: MessagePort
  readonly log: Logger
  trapsAmong(addresses: readonly string[]): Promise<ReadonlySet<string>>
}

/** Which of them are traps the main thread looks up in one turn. */
const addressesAtOnce = 1000

/** Answers calls until it is told to quit. */
function serveMailboxes({ mailboxes }: MailboxThreadData, port: MessagePort): void {
  const asked = new Map<number, (traps: readonly string[]) => void>()
  let questions = 0
  const surroundings: Surroundings = {
    port,
    log: logTo(port),
    async trapsAmong(addresses) {
      const unique = [...new Set(addresses)]
      const traps = new Set<string>()
      for (let at = 0; at < unique.length; at += addressesAtOnce) {
        const id = ++questions
        const { promise, resolve } = Promise.withResolvers<readonly string[]>()
        asked.set(id, resolve)
        const some = unique.slice(at, at + addressesAtOnce)
        port.postMessage({ addresses: some, id } satisfies FromThread)
        for (const each of await promise) traps.add(each)
      }
      return traps
    },
  }
  const open = new Map<string, Promise<OpenMailbox>>()
  const answer = async (call: MailboxCall): Promise<void> => {
    const { mailbox: name, id } = call
    try {
      const options = mailboxes.find((each) => each.name === name)
      if (options === undefined) throw new Error('there is no such mailbox')
      const opening = open.get(name) ?? OpenMailbox.open(options, surroundings)
      open.set(name, opening)
      const value = await (await opening).answer(call)
      if (value !== null && typeof value === 'object' && 'raw' in value) {
        const raw = owned(value.raw)
        port.postMessage({ answer: { ...value, raw }, id } satisfies FromThread, [raw.buffer])
      } else port.postMessage({ answer: value, id } satisfies FromThread)
    } catch (error) {
      const { fault, detail } = mailboxError(name, 'reading it', error)
      port.postMessage({ fault, detail, id } satisfies FromThread)
    }
  }
  port.on('message', (message: ToThread) => {
    if ('quit' in message) process.exit()
    if ('beat' in message) port.postMessage(message satisfies FromThread)
    else if ('traps' in message) {
      asked.get(message.id)?.(message.traps)
      asked.delete(message.id)
    } else void answer(message)
  })
}

/** Octets that can be handed over: in a buffer that holds nothing else. */
function owned(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = raw
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === raw.length
  return isWhole ? new Uint8Array(buffer) : new Uint8Array(raw)
}

function logTo(port: MessagePort): Logger {
  const write = (log: 'error' | 'warn' | 'info' | 'debug') => (fields: object, message: string) => {
    port.postMessage({ log, fields, message } satisfies FromThread)
  }
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') }
}

if (parentPort !== null) serveMailboxes(workerData, parentPort)
