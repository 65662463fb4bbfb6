// A POP3 mailbox → its messages. Accepted messages are deleted; the server does that only when the session ends with QUIT. A
// message for no trap stays, and the next session recognises it by its unique id. Identical copies may share a unique id (RFC
// 1939 §7), so within a session a message goes by its number.
import { messageOf } from '../errors.ts'
import {
  credentials,
  type Deadlines,
  type MailAccount,
  mailServer,
  ReadingClock,
  usualDeadlines,
} from './mail-server.ts'
import {
  faultOf,
  type Mailbox,
  type MailboxContext,
  MailboxFault,
  type MailboxMessage,
  type MessageName,
  mailboxError,
  PassedOver,
} from './mailbox.ts'
import { openPop3, type Pop3Client } from './pop3-client.ts'

interface Pop3MailboxOptions extends MailAccount, MailboxContext {
  /** @default usualDeadlines */
  readonly deadlines?: Deadlines
}

interface Entry {
  readonly uid: string
  /** The size by LIST, where some servers count line ends differently. undefined if LIST does not have this message. */
  size?: number
}

/** One session reads and deletes at most this many messages. If it breaks off before QUIT, the messages come again. */
const messagesAtOnce = 500

export class Pop3Mailbox implements Mailbox {
  readonly #options: Pop3MailboxOptions
  readonly #deadlines: Deadlines
  readonly #clock: ReadingClock
  #client: Pop3Client | null = null
  /** Messages that this session reads, keyed by number. */
  #entries = new Map<number, Entry>()
  /** Keyed by unique id. */
  #passedOver = new PassedOver<string>()
  #hasMore = false
  /** If a session handled none of its messages, the next one may be no better, and waits for its time. */
  #hasHandled = false

  constructor(options: Pop3MailboxOptions) {
    mailServer('pop3', options)
    this.#options = options
    this.#deadlines = options.deadlines ?? usualDeadlines
    this.#clock = new ReadingClock(this.#deadlines)
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    const { maxBytes } = this.#options
    this.#clock.restart()
    try {
      const client = await this.#clock.during(this.#open())
      await this.#find(client)
      for (const [number, { uid, size }] of this.#entries) {
        if (size === undefined) continue
        if (this.#clock.isOver()) {
          this.#hasMore = true
          return
        }
        const named = { id: `${number} ${uid}`, place: `message ${number}` }
        if (size > maxBytes) {
          yield { ...named, refused: `its ${size} octets are more than the ${maxBytes} allowed` }
          continue
        }
        yield { ...named, ...(await this.#content(client, number)) }
      }
    } catch (error) {
      throw mailboxError(this.#options.name, 'cannot be read', error)
    }
  }

  async accept({ id }: MessageName): Promise<void> {
    this.#hasHandled = true
    const { number, uid } = readId(id)
    try {
      if (this.#client === null || this.#entries.get(number)?.uid !== uid) {
        throw new MailboxFault('connection-lost', 'the session has ended')
      }
      await this.#client.command(`DELE ${number}`)
    } catch (error) {
      throw mailboxError(this.#options.name, 'cannot delete a message', error)
    }
  }

  passOver({ id }: MessageName, recipients: readonly string[]): void {
    this.#hasHandled = true
    this.#passedOver.add(readId(id).uid, recipients)
  }

  /** Sends QUIT, which deletes the accepted messages (RFC 1939 §6). */
  async finish(): Promise<null> {
    const client = this.#client
    if (client === null) return null
    this.#client = null
    try {
      await client.command('QUIT')
      if (this.#hasMore && this.#hasHandled) this.#options.wake()
      return null
    } catch (error) {
      throw mailboxError(this.#options.name, 'cannot end the session', error)
    } finally {
      client.destroy()
    }
  }

  async close(): Promise<void> {
    this.#client?.destroy()
  }

  async #open(): Promise<Pop3Client> {
    this.#client?.destroy()
    this.#client = null
    this.#entries.clear()
    this.#hasMore = false
    this.#hasHandled = false
    const server = mailServer('pop3', this.#options)
    const deadlines = this.#deadlines
    this.#client = await openPop3({ ...server, ...(await credentials(this.#options)), deadlines })
    return this.#client
  }

  /** The message, or why the server refuses it. The session goes on after a refusal. */
  async #content(client: Pop3Client, number: number) {
    try {
      // Some servers count a line end as one octet, so allow twice the size.
      const { maxBytes } = this.#options
      const raw = await this.#clock.during(client.retrieve(number, 2 * maxBytes))
      return { raw, storedAt: null }
    } catch (error) {
      if (faultOf(error) !== 'refused') throw error
      return { unreadable: 'refused', detail: messageOf(error) } as const
    }
  }

  /** Fills #entries with the first messages that were not passed over. */
  async #find(client: Pop3Client): Promise<void> {
    const { isWaiting, stillThere } = await this.#passedOver.look(this.#options.trapsAmong)
    const note = (number: number, uid: string): void => {
      if (!isWaiting(uid)) return
      if (this.#entries.has(number)) {
        throw new MailboxFault('protocol-broken', 'the server gave one message two unique ids')
      }
      if (this.#entries.size === messagesAtOnce) this.#hasMore = true
      else this.#entries.set(number, { uid })
    }
    await this.#clock.during(client.list('UIDL', note))
    this.#passedOver = stillThere
    await this.#clock.during(
      client.list('LIST', (number, size) => {
        const entry = this.#entries.get(number)
        if (entry !== undefined && /^\d+$/.test(size)) entry.size = Number(size)
      }),
    )
  }
}

function readId(id: string): { number: number; uid: string } {
  const [number = '', uid = ''] = id.split(' ')
  return { number: Number(number), uid }
}
