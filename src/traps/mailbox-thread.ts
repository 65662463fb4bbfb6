// The thread that reads all mailboxes. The main thread sends calls, and each call gets one answer with the same id. So no mail
// server or file can make the main thread work or wait, and only this thread reads passwords. The main thread asks for one
// message at a time, so no more are read than can be recorded.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Logger } from '../errors.ts'
import {
  type Mailbox,
  type MailboxContext,
  type MailboxErrorCode,
  type MailboxMessage,
  type MailboxOptions,
  type MessageName,
  mailboxError,
} from './mailbox.ts'

/** The workerData of the thread. */
export interface MailboxThreadData {
  readonly mailboxes: readonly MailboxOptions[]
}

export type ToThread =
  /** Calls a method of that mailbox's OpenMailbox. */
  | {
      readonly call: keyof OpenMailbox
      readonly mailbox: string
      readonly id: number
      readonly args: readonly unknown[]
    }
  /** The answer to a question of the thread: those of its addresses that are traps. */
  | { readonly traps: readonly string[]; readonly id: number }
  /** The thread sends this back, to show that it is alive. */
  | { readonly beat: true }
  /** Ends the thread between two turns of its event loop, so that no synchronous work is cut short. */
  | { readonly quit: true }

export type FromThread =
  | { readonly answer: unknown; readonly id: number }
  | { readonly fault: MailboxErrorCode; readonly detail: string; readonly id: number }
  | { readonly addresses: readonly string[]; readonly id: number }
  | { readonly wake: string }
  | { readonly beat: true }
  | { readonly log: keyof Logger; readonly fields: object; readonly message: string }

/**
 * Opens a mailbox. Loads the package for its type only now, since some take megabytes. Throws OperationalError `config-invalid`
 * for an invalid URL.
 */
export async function mailboxOf(
  options: MailboxOptions,
  context: MailboxContext,
): Promise<Mailbox> {
  const { name, type, path = '', url = '', passwordFile = '', caFile = '', moveTo = '' } = options
  const common = { ...context, name, maxBytes: options.maxBytes ?? 10 * 1024 ** 2 }
  const account = { ...common, url, passwordFile, caFile }
  switch (type) {
    case 'maildir':
      return new (await import('./maildir.ts')).Maildir({ ...common, path })
    case 'mbox':
      return new (await import('./mbox.ts')).MboxMailbox({ ...common, path })
    case 'imap':
      return new (await import('./imap.ts')).ImapMailbox({ ...account, moveTo })
    case 'pop3':
      return new (await import('./pop3.ts')).Pop3Mailbox(account)
  }
}

/** One mailbox and its current poll, for calls from the main thread. */
export class OpenMailbox {
  readonly #mailbox: Promise<Mailbox>
  #messages: AsyncIterator<MailboxMessage> | undefined
  /**
   * The main thread has been told of new mail since the last poll began. It is told only once, since a server may announce mail
   * thousands of times.
   */
  #hasWoken = false

  constructor(options: MailboxOptions, context: MailboxContext) {
    const wake = (): void => {
      if (!this.#hasWoken) context.wake()
      this.#hasWoken = true
    }
    this.#mailbox = mailboxOf(options, { ...context, wake })
  }

  /** Begins a poll at the committed position. */
  async begin(position: string | undefined): Promise<void> {
    this.#hasWoken = false
    const mailbox = await this.#mailbox
    this.#messages = mailbox.messages(position)[Symbol.asyncIterator]()
  }

  /** Returns the next message, its octets in a buffer of their own, or null at the end. */
  async next(): Promise<MailboxMessage | null> {
    const next = await this.#messages?.next()
    if (next === undefined || next.done) return null
    return 'raw' in next.value ? { ...next.value, raw: inOwnBuffer(next.value.raw) } : next.value
  }

  /** Ends the poll early, before its last message. */
  async end(): Promise<void> {
    await this.#messages?.return?.()
  }

  async accept(message: MessageName): Promise<void> {
    const mailbox = await this.#mailbox
    await mailbox.accept(message)
  }

  async passOver(message: MessageName, recipients: readonly string[]): Promise<void> {
    const mailbox = await this.#mailbox
    mailbox.passOver(message, recipients)
  }

  async finish(): Promise<string | null> {
    const mailbox = await this.#mailbox
    return (await mailbox.finish?.()) ?? null
  }

  async close(): Promise<void> {
    const mailbox = await this.#mailbox
    await mailbox.close?.()
  }
}

/** The most addresses in one question to the main thread, which looks all of them up in one turn of its event loop. */
const addressesAtOnce = 1000

/** Answers calls until the main thread says `quit`. */
function serveMailboxes({ mailboxes }: MailboxThreadData, port: MessagePort): void {
  const say = (message: FromThread, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer)
  const asked = new Map<number, (traps: readonly string[]) => void>()
  let questions = 0
  const trapsAmong = async (addresses: readonly string[]): Promise<ReadonlySet<string>> => {
    const unique = [...new Set(addresses)]
    const traps = new Set<string>()
    for (let at = 0; at < unique.length; at += addressesAtOnce) {
      const id = ++questions
      const { promise, resolve } = Promise.withResolvers<readonly string[]>()
      asked.set(id, resolve)
      say({ addresses: unique.slice(at, at + addressesAtOnce), id })
      for (const each of await promise) traps.add(each)
    }
    return traps
  }
  const logged = (log: keyof Logger) => (fields: object, message: string) =>
    say({ log, fields, message })
  const log: Logger = {
    error: logged('error'),
    warn: logged('warn'),
    info: logged('info'),
    debug: logged('debug'),
  }
  const open = new Map<string, OpenMailbox>()
  const openMailbox = (name: string): OpenMailbox => {
    const options = mailboxes.find((each) => each.name === name)
    if (options === undefined) throw new Error('there is no such mailbox')
    const wake = (): void => say({ wake: name })
    const mailbox = open.get(name) ?? new OpenMailbox(options, { trapsAmong, wake, log })
    open.set(name, mailbox)
    return mailbox
  }
  port.on('message', async (message: ToThread) => {
    if ('quit' in message) process.exit()
    if ('beat' in message) return say(message)
    const { id } = message
    if ('traps' in message) {
      asked.get(id)?.(message.traps)
      asked.delete(id)
      return
    }
    const { mailbox: name, call, args } = message
    try {
      const mailbox = openMailbox(name)
      const answer = await Reflect.apply(mailbox[call], mailbox, args)
      say({ answer, id }, answer?.raw ? [answer.raw.buffer] : [])
    } catch (error) {
      const { fault, detail } = mailboxError(name, 'reading it', error)
      say({ fault, detail, id })
    }
  })
}

/** Returns the octets in a buffer of their own, which can be transferred. */
function inOwnBuffer(raw: Uint8Array): Uint8Array {
  return raw.buffer.byteLength === raw.length ? raw : new Uint8Array(raw)
}

if (parentPort !== null) serveMailboxes(workerData, parentPort)
