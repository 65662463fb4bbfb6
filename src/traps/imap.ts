// A folder of an IMAP server → its unread messages; accepted ones are flagged \Seen, or moved to a folder. The only file
// that knows imapflow. Called by poller.ts.
//
// The connection stays open and IDLEs between readings, so that a new message is read at once. What has been read is
// told by \Seen, and by the position as well: the UID up to which everything is dealt with, so that a message somebody
// opens in a mail program before us is not missed. When UIDVALIDITY has changed no UID means what it did, and everything
// in the folder is read again: the store knows what it has.
import { type FetchMessageObject, ImapFlow } from 'imapflow'
import type { Mailbox, MailboxMessage, PositionKeeper } from './mailbox.ts'
import {
  faultOf,
  MailboxError,
  type MailboxErrorCode,
  MailboxFault,
  mailboxError,
} from './mailbox-error.ts'
import { credentials, type MailAccount, mailServer } from './mailbox-url.ts'

export interface ImapOptions extends MailAccount {
  readonly isTrap: (address: string) => boolean
  readonly position: PositionKeeper
  /** Accepted messages are moved to this folder; '' leaves them where they are, flagged \Seen. */
  readonly moveTo: string
}

interface Position {
  readonly uidValidity: string
  /** Every message up to this UID is dealt with. */
  readonly uid: number
}

/** Messages of one FETCH, and their octets together: what is held in memory beside the messages under way. */
const batchMessages = 50
const batchBytes = 8 * 1024 ** 2
const idleAfterMs = 50
/** A connection that died without a word is noticed after so long. */
const longestIdleMs = 4 * 60_000
const connectMs = 30_000

export class ImapMailbox implements Mailbox {
  readonly #options: ImapOptions
  #client: ImapFlow | null = null
  #wake: () => void = () => undefined
  #isClosing = false
  #uidValidity = ''
  /** UID → the recipients that were no traps. */
  #passedOver = new Map<number, readonly string[]>()
  /** What this reading found and has not dealt with, and where the folder ended when it began. */
  #waiting = new Set<number>()
  #uidNext = 0

  constructor(options: ImapOptions) {
    mailServer('imap', options)
    this.#options = options
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    this.#waiting.clear()
    // A reading that does not come as far as the folder says nothing of how far it was read.
    this.#uidNext = 0
    try {
      const client = await this.#connected()
      const found = await this.#find(client)
      for (let at = 0; at < found.length; at += batchMessages) {
        yield* this.#read(client, found.slice(at, at + batchMessages))
      }
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  async accept({ id }: MailboxMessage): Promise<void> {
    const [uidValidity, uid = ''] = id.split('/')
    // The folder is another one by now: the message comes again under its new number.
    if (uidValidity !== this.#uidValidity) return
    const { moveTo } = this.#options
    try {
      const client = this.#client
      if (client === null) throw new MailboxFault('connection-lost', 'the connection was lost')
      const isDone =
        moveTo === ''
          ? await client.messageFlagsAdd(uid, ['\\Seen'], { uid: true })
          : await client.messageMove(uid, moveTo, { uid: true })
      if (!isDone) throw new MailboxFault('refused', 'refused by the server')
    } catch (error) {
      throw this.#failed(
        moveTo === '' ? 'cannot flag a message' : `cannot move to ${moveTo}`,
        error,
      )
    }
    this.#waiting.delete(Number(uid))
  }

  passOver({ id }: MailboxMessage, recipients: readonly string[]): void {
    const [uidValidity, uid] = id.split('/')
    if (uidValidity !== this.#uidValidity) return
    this.#passedOver.set(Number(uid), recipients)
    this.#waiting.delete(Number(uid))
  }

  async finish(): Promise<void> {
    if (this.#uidNext === 0) return
    const before = this.#position()?.uid ?? 0
    const firstLeft = Math.min(...[...this.#waiting].filter((uid) => uid > before), this.#uidNext)
    const uid = Math.max(before, firstLeft - 1)
    const position: Position = { uidValidity: this.#uidValidity, uid }
    this.#options.position.set(JSON.stringify(position))
  }

  watch(wake: () => void): void {
    this.#wake = wake
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const client = this.#client
    if (client === null) return
    await Promise.race([
      client.logout(),
      new Promise((over) => setTimeout(over, 1000).unref()),
    ]).catch(() => undefined)
    client.close()
  }

  /** The position in this folder as it is now; none when UIDVALIDITY has changed, or it was never read. */
  #position(): Position | undefined {
    const kept = this.#options.position.get()
    const position = kept === undefined ? undefined : (JSON.parse(kept) as Position)
    return position?.uidValidity === this.#uidValidity ? position : undefined
  }

  /** UIDs to read, in order. */
  async #find(client: ImapFlow): Promise<number[]> {
    const { folder } = mailServer('imap', this.#options)
    const { uidValidity, uidNext } = await client.mailboxOpen(folder)
    if (`${uidValidity}` !== this.#uidValidity) this.#passedOver.clear()
    this.#uidValidity = `${uidValidity}`
    this.#uidNext = uidNext
    const wasReadBefore = this.#options.position.get() !== undefined
    const dealtWith = this.#position()?.uid ?? 0
    const found = new Set(await this.#search(client, { seen: false, deleted: false }))
    if (wasReadBefore) {
      // `n:*` names the last message even when its UID is below n (RFC 9051 §9).
      const later = await this.#search(client, { uid: `${dealtWith + 1}:*`, deleted: false })
      for (const uid of later) if (uid > dealtWith) found.add(uid)
    }
    for (const uid of this.#passedOver.keys()) if (!found.has(uid)) this.#passedOver.delete(uid)
    const isLeft = (uid: number): boolean =>
      !(this.#passedOver.get(uid)?.every((address) => !this.#options.isTrap(address)) ?? false)
    const uids = [...found].filter(isLeft).sort((a, b) => a - b)
    this.#waiting = new Set(uids)
    return uids
  }

  async #search(client: ImapFlow, query: Parameters<ImapFlow['search']>[0]): Promise<number[]> {
    const uids = await client.search(query, { uid: true })
    if (!uids) throw new MailboxFault('refused', 'the server refused to search')
    return uids
  }

  /** Fetches in whole batches: while a FETCH is being read no other command can be sent. */
  async *#read(client: ImapFlow, uids: readonly number[]): AsyncGenerator<MailboxMessage> {
    const { maxBytes } = this.#options
    const uid = { uid: true }
    const sizes = await client.fetchAll(uids.join(','), { ...uid, size: true }, uid)
    const known = new Map(sizes.map((each) => [each.uid, each.size ?? 0]))
    let batch: number[] = []
    let octets = 0
    for (const each of uids) {
      const size = known.get(each)
      // Somebody else has removed it.
      if (size === undefined) this.#waiting.delete(each)
      else if (size > maxBytes) {
        const refused = `its ${size} octets are more than the ${maxBytes} allowed`
        yield { ...this.#named(each), refused }
      } else {
        batch.push(each)
        octets += size
      }
      if (octets < batchBytes && each !== uids.at(-1)) continue
      if (batch.length > 0) yield* this.#contents(client, batch)
      batch = []
      octets = 0
    }
  }

  async *#contents(client: ImapFlow, uids: readonly number[]): AsyncGenerator<MailboxMessage> {
    const wanted = { uid: true, source: true, internalDate: true }
    const fetched = await client.fetchAll(uids.join(','), wanted, { uid: true })
    for (const message of fetched) {
      if (message.source === undefined) this.#waiting.delete(message.uid)
      else {
        const storedAt = epochOf(message)
        yield { ...this.#named(message.uid), raw: message.source, storedAt }
      }
    }
  }

  #named(uid: number): Pick<MailboxMessage, 'id' | 'place'> {
    return { id: `${this.#uidValidity}/${uid}`, place: `UID ${uid}` }
  }

  async #connected(): Promise<ImapFlow> {
    if (this.#client?.usable) return this.#client
    this.#client = null
    const { host, port, user, tls } = mailServer('imap', this.#options)
    const { password, ...trust } = await credentials(this.#options)
    const client = new ImapFlow({
      ...{ host, port, secure: tls === 'implicit', auth: { user, pass: password }, tls: trust },
      ...(tls === 'required' && { doSTARTTLS: true }),
      ...{ logger: false, autoIdleDelay: idleAfterMs, maxIdleTime: longestIdleMs },
      ...{ connectionTimeout: connectMs, greetingTimeout: connectMs, disableCompression: true },
    })
    // Each also rejects the command under way; one that is heard by nobody would end the process.
    client.on('error', () => undefined)
    client.on('exists', ({ count, prevCount }) => {
      if (count > prevCount) this.#wake()
    })
    this.#client = client
    await client.connect()
    client.on('close', () => {
      if (this.#client !== client) return
      this.#client = null
      if (!this.#isClosing) this.#wake()
    })
    const { moveTo } = this.#options
    if (moveTo !== '') await client.mailboxCreate(moveTo)
    return client
  }

  #failed(what: string, cause: unknown): MailboxError {
    const { name } = this.#options
    const { detail, fault } = mailboxError(name, what, cause)
    return cause instanceof MailboxError
      ? cause
      : new MailboxError(name, imapFault(cause) ?? fault, detail, { cause })
  }
}

/** What imapflow marks its errors with; undefined: the code alone tells. */
function imapFault(cause: unknown): MailboxErrorCode | undefined {
  if (!(cause instanceof Error)) return undefined
  const marks: Readonly<Record<string, unknown>> = { ...cause }
  if (marks['authenticationFailed'] === true) return 'authentication-failed'
  if (marks['tlsFailed'] === true) return 'tls-failed'
  if (marks['mailboxMissing'] === true) return 'folder-missing'
  // RFC 5530 §3, RFC 9051 §7.1.
  const code = marks['serverResponseCode']
  if (code === 'NONEXISTENT' || code === 'TRYCREATE') return 'folder-missing'
  if (code === 'INUSE') return 'locked'
  if (marks['responseStatus'] === 'BYE') return 'connection-lost'
  const isRefused = marks['responseStatus'] === 'NO' || marks['responseStatus'] === 'BAD'
  return isRefused && faultOf(cause) === 'unexpected' ? 'refused' : undefined
}

function epochOf({ internalDate }: FetchMessageObject): number {
  const milliseconds = internalDate === undefined ? Number.NaN : new Date(internalDate).getTime()
  return Math.floor((Number.isNaN(milliseconds) ? Date.now() : milliseconds) / 1000)
}
