// The thread that reads all mailboxes. The main thread sends calls, and each call gets one answer with the same id. So no mail
// server or file can make the main thread work or wait, and only this thread reads passwords. The main thread asks for one
// message at a time, so no more are read than can be recorded.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Logger } from '../errors.ts'
import {
  type Mailbox,
  type MailboxErrorCode,
  type MailboxMessage,
  type MailboxOptions,
  type MessageName,
  mailboxError,
  type PositionKeeper,
  type TrapsAmong,
} from './mailbox.ts'

/** The workerData of the thread. */
export interface MailboxThreadData {
  readonly mailboxes: readonly MailboxOptions[]
}

/** The calls to one mailbox: argument and answer of each. */
export interface MailboxCalls {
  /** Begins a poll at the committed position. */
  begin: { readonly argument: { readonly position: string | undefined }; readonly answer: null }
  /** Answers with the next message, or null at the end. `now` is the main thread's clock in epoch seconds. */
  next: { readonly argument: { readonly now: number }; readonly answer: MailboxMessage | null }
  /** Ends the poll before its last message. */
  end: { readonly argument: null; readonly answer: null }
  accept: { readonly argument: MessageName; readonly answer: null }
  passOver: {
    readonly argument: { readonly message: MessageName; readonly recipients: readonly string[] }
    readonly answer: null
  }
  /** Answers with the position to commit, or null if it has not changed. */
  finish: { readonly argument: null; readonly answer: string | null }
  close: { readonly argument: null; readonly answer: null }
}

type MailboxCall = {
  [Name in keyof MailboxCalls]: {
    readonly call: Name
    readonly mailbox: string
    readonly id: number
    readonly argument: MailboxCalls[Name]['argument']
  }
}[keyof MailboxCalls]

export type ToThread =
  | MailboxCall
  /** Of the addresses asked about, those that are traps. */
  | { readonly traps: readonly string[]; readonly id: number }
  /** The thread answers with the same message, to show that it is alive. */
  | { readonly beat: true }
  /** Ends the thread between two turns of its event loop, so that no synchronous work is cut short. */
  | { readonly quit: true }

export type FromThread =
  | { readonly answer: MailboxCalls[keyof MailboxCalls]['answer']; readonly id: number }
  | { readonly fault: MailboxErrorCode; readonly detail: string; readonly id: number }
  | { readonly addresses: readonly string[]; readonly id: number }
  | { readonly wake: string }
  | { readonly beat: true }
  | {
      readonly log: 'error' | 'warn' | 'info' | 'debug'
      readonly fields: object
      readonly message: string
    }

/** What a mailbox needs from the rest of the server. */
interface MailboxContext {
  readonly trapsAmong: TrapsAmong
  readonly position: PositionKeeper
  /** Epoch seconds. */
  readonly now: () => number
  readonly log: Logger
}

/**
 * Opens a mailbox. Loads the package for its type only now, since some take megabytes. Throws OperationalError `config-invalid`
 * for an invalid URL.
 */
export async function mailboxOf(
  options: MailboxOptions,
  context: MailboxContext,
): Promise<Mailbox> {
  const { name, type, path = '', url = '', passwordFile = '', caFile = '', moveTo = '' } = options
  const { log, now, trapsAmong, position } = context
  const common = { name, maxBytes: options.maxBytes ?? 10 * 1024 ** 2, trapsAmong, log }
  const account = { ...common, url, passwordFile, caFile }
  switch (type) {
    case 'maildir':
      return new (await import('./maildir.ts')).Maildir({ ...common, path })
    case 'mbox':
      return new (await import('./mbox.ts')).MboxMailbox({ ...common, path, position })
    case 'imap':
      return new (await import('./imap.ts')).ImapMailbox({ ...account, moveTo, position })
    case 'pop3':
      return new (await import('./pop3.ts')).Pop3Mailbox({ ...account, now })
  }
}

/** One mailbox and its current poll. */
class OpenMailbox {
  readonly #mailbox: Mailbox
  readonly #state: MailboxState
  #messages: AsyncIterator<MailboxMessage> | null = null

  static async open(options: MailboxOptions, { port, log, trapsAmong }: ThreadContext) {
    const state: MailboxState = { position: undefined, moved: null, now: 0, hasWoken: false }
    const mailbox = await mailboxOf(options, {
      log,
      trapsAmong,
      now: () => state.now,
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
  /** The position that finish() set, or null. */
  moved: string | null
  now: number
  /**
   * The main thread has been told of new mail since the last poll began. It is told only once, since a server may announce mail
   * thousands of times.
   */
  hasWoken: boolean
}

interface ThreadContext {
  readonly port: MessagePort
  readonly log: Logger
  trapsAmong(addresses: readonly string[]): Promise<ReadonlySet<string>>
}

/** The most addresses that one message asks about: the main thread looks all of them up in one turn of its event loop. */
const addressesAtOnce = 1000

/** Answers calls until the main thread says `quit`. */
function serveMailboxes({ mailboxes }: MailboxThreadData, port: MessagePort): void {
  const asked = new Map<number, (traps: readonly string[]) => void>()
  let questions = 0
  const context: ThreadContext = {
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
      const opening = open.get(name) ?? OpenMailbox.open(options, context)
      open.set(name, opening)
      const value = await (await opening).answer(call)
      if (value !== null && typeof value === 'object' && 'raw' in value) {
        const raw = inOwnBuffer(value.raw)
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

/** Returns the octets in a buffer of their own, which can be transferred. */
function inOwnBuffer(raw: Uint8Array): Uint8Array<ArrayBuffer> {
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
