// The thread that reads all mailboxes: calls of the main thread → mailboxes → answers. So no mail server or file makes the
// main thread work or wait, and passwords are read here alone. Each call is answered once, by its id. Messages are asked for
// one at a time, so that no more are read than can be recorded.
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

/** What a thread is started with. */
export interface MailboxThreadData {
  readonly mailboxes: readonly MailboxOptions[]
}

/** The calls of one mailbox, and what each is answered with. */
export interface MailboxCalls {
  /** Begins a poll at the committed position. */
  begin: { readonly argument: { readonly position: string | undefined }; readonly answer: null }
  /** The next message; null: there are no more. `now` is in epoch seconds, by the server's clock. */
  next: { readonly argument: { readonly now: number }; readonly answer: MailboxMessage | null }
  /** No more messages are wanted. */
  end: { readonly argument: null; readonly answer: null }
  accept: { readonly argument: MessageName; readonly answer: null }
  passOver: {
    readonly argument: { readonly message: MessageName; readonly recipients: readonly string[] }
    readonly answer: null
  }
  /** Answers with the position to commit; null: it stays. */
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
  /** Which of the addresses asked about are traps. */
  | { readonly traps: readonly string[]; readonly id: number }
  /** Answered with the same, to show that the thread lives. */
  | { readonly beat: true }
  /** Ends the thread at a moment when nothing is half done. */
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

/** What a mailbox needs of the rest of the server. */
interface MailboxSurroundings {
  readonly trapsAmong: TrapsAmong
  readonly position: PositionKeeper
  /** Epoch seconds. */
  readonly now: () => number
  readonly log: Logger
}

/**
 * Opens a mailbox. Its package is loaded only now, since some take megabytes. Throws OperationalError
 * `config-invalid` for a URL that is none.
 */
export async function mailboxOf(
  options: MailboxOptions,
  surroundings: MailboxSurroundings,
): Promise<Mailbox> {
  const { name, type, path = '', url = '', passwordFile = '', caFile = '', moveTo = '' } = options
  const { log, now, trapsAmong, position } = surroundings
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

/** One mailbox, and the reading under way. */
class OpenMailbox {
  readonly #mailbox: Mailbox
  readonly #state: MailboxState
  #messages: AsyncIterator<MailboxMessage> | null = null

  static async open(options: MailboxOptions, { port, log, trapsAmong }: Surroundings) {
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
  /** The position that finish() has set. */
  moved: string | null
  now: number
  /** The main thread was told of new mail since the last poll began. Once is enough: a server may announce thousands. */
  hasWoken: boolean
}

interface Surroundings {
  readonly port: MessagePort
  readonly log: Logger
  trapsAmong(addresses: readonly string[]): Promise<ReadonlySet<string>>
}

/** The main thread looks up this many addresses in one turn of its event loop. */
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

/** The same octets in a buffer of their own, which can be transferred. */
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
