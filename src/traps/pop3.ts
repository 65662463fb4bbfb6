// A POP3 mailbox → its messages; accepted ones are deleted, which the server does only when the reading ends well.
// Called by poller.ts. A message for no trap stays, and is known again by its unique id.
import type { Mailbox, MailboxMessage } from './mailbox.ts'
import { MailboxFault, mailboxError } from './mailbox-error.ts'
import { credentials, type MailAccount, mailServer } from './mailbox-url.ts'
import { openPop3, type Pop3Client, type Pop3Entry } from './pop3-client.ts'

export interface Pop3MailboxOptions extends MailAccount {
  readonly isTrap: (address: string) => boolean
  /** Epoch seconds; POP3 does not tell when a message came. */
  readonly now: () => number
}

/** One session deletes at most so many: what is lost when it breaks off comes again. */
const messagesAtOnce = 500
const timeoutMs = 60_000

export class Pop3Mailbox implements Mailbox {
  readonly #options: Pop3MailboxOptions
  #client: Pop3Client | null = null
  #numbers = new Map<string, number>()
  /** Unique id → the recipients that were no traps. */
  #passedOver = new Map<string, readonly string[]>()
  #wake: () => void = () => undefined
  #hasMore = false

  constructor(options: Pop3MailboxOptions) {
    mailServer('pop3', options)
    this.#options = options
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    const { maxBytes, now } = this.#options
    try {
      const { client, entries } = await this.#open()
      for (const { number, uid, size } of entries) {
        const place = `message ${number}`
        if (size > maxBytes) {
          yield {
            id: uid,
            place,
            refused: `its ${size} octets are more than the ${maxBytes} allowed`,
          }
          continue
        }
        // Some servers count a line end as one octet.
        const raw = await client.retrieve(number, 2 * maxBytes)
        yield { id: uid, place, raw, storedAt: now() }
      }
    } catch (error) {
      throw mailboxError(this.#options.name, 'cannot be read', error)
    }
  }

  async accept({ id }: MailboxMessage): Promise<void> {
    try {
      if (this.#client === null) throw new MailboxFault('connection-lost', 'it was lost')
      await this.#client.command(`DELE ${this.#numbers.get(id)}`)
    } catch (error) {
      throw mailboxError(this.#options.name, 'cannot delete a message', error)
    }
  }

  passOver({ id }: MailboxMessage, recipients: readonly string[]): void {
    this.#passedOver.set(id, recipients)
  }

  /** QUIT is what deletes (RFC 1939 §6). */
  async finish(): Promise<void> {
    const client = this.#client
    if (client === null) return
    this.#client = null
    try {
      await client.command('QUIT')
      if (this.#hasMore) this.#wake()
    } catch (error) {
      throw mailboxError(this.#options.name, 'cannot end the session', error)
    } finally {
      client.destroy()
    }
  }

  watch(wake: () => void): void {
    this.#wake = wake
  }

  async close(): Promise<void> {
    this.#client?.destroy()
  }

  async #open(): Promise<{ client: Pop3Client; entries: Pop3Entry[] }> {
    this.#client?.destroy()
    this.#client = null
    const server = mailServer('pop3', this.#options)
    const client = await openPop3({ ...server, ...(await credentials(this.#options)), timeoutMs })
    this.#client = client
    const all = await client.entries()
    this.#numbers = new Map(all.map(({ uid, number }) => [uid, number]))
    for (const uid of this.#passedOver.keys()) {
      if (!this.#numbers.has(uid)) this.#passedOver.delete(uid)
    }
    const left = all.filter(
      ({ uid }) => this.#passedOver.get(uid)?.some(this.#options.isTrap) ?? true,
    )
    this.#hasMore = left.length > messagesAtOnce
    return { client, entries: left.slice(0, messagesAtOnce) }
  }
}
