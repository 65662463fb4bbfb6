// A folder of an IMAP server → its unread messages. Accepted messages are flagged \Seen or moved to another folder.
//
// The connection stays open between polls and uses IDLE, so a new message is read at once. The kept position is the highest UID
// up to which every message is handled. So we do not miss a message that somebody opens in a mail program before we read it.
// After UIDVALIDITY has changed, UIDs no longer mean the same messages. The whole folder is then read again, and the store
// recognises messages that it has.
import type { FetchMessageObject, FetchQueryObject, SearchObject } from 'imapflow'
import { ImapConnection, longestLine, shortAnswer } from './imap-connection.ts'
import {
  credentials,
  type Deadlines,
  type ExchangeLimits,
  type MailAccount,
  mailServer,
  ReadingClock,
  usualDeadlines,
} from './mail-server.ts'
import {
  faultOf,
  type Mailbox,
  type MailboxContext,
  MailboxError,
  type MailboxErrorCode,
  MailboxFault,
  type MailboxMessage,
  type MessageName,
  mailboxError,
  PassedOver,
} from './mailbox.ts'

interface ImapOptions extends MailAccount, MailboxContext {
  /** Accepted messages are moved to this folder; if '', they stay and are flagged \Seen. */
  readonly moveTo: string
  /** @default usualDeadlines */
  readonly deadlines?: Deadlines
}

interface Position {
  readonly uidValidity: string
  /** Every message up to this UID is handled. */
  readonly uid: number
}

/** One FETCH asks for at most this many messages and octets; all of them are in memory at the same time. */
const batchMessages = 50
const batchBytes = 2 * 1024 ** 2
/** One command asks for the sizes of this many messages. A server may refuse longer commands. */
const sizesAtOnce = 200
/** One SEARCH covers this many messages; a folder with more than `maxMessages` is refused. */
const searchedAtOnce = 50_000
const maxMessages = 2_000_000
/** One poll handles this many messages; the next poll handles the rest. */
const maxFound = 100_000
/** A FETCH answer may also report changes by other clients. More rows than this end the connection. */
const maxOtherRows = 1000

export class ImapMailbox implements Mailbox {
  readonly #options: ImapOptions
  readonly #deadlines: Deadlines
  readonly #clock: ReadingClock
  #connection: ImapConnection | null = null
  /** Why we ended the connection between two polls. */
  #fault: MailboxFault | null = null
  /** The position when the poll began; undefined if the folder was never read. */
  #kept: Position | undefined
  #uidValidity = ''
  /** Keyed by UID. */
  #passedOver = new PassedOver<number>()
  /** UIDs that this poll found and has not handled yet. `#uidNext` is the first UID that it did not look at. */
  #waiting = new Set<number>()
  #uidNext = 0
  #hasMore = false

  constructor(options: ImapOptions) {
    mailServer('imap', options)
    this.#options = options
    this.#deadlines = options.deadlines ?? usualDeadlines
    this.#clock = new ReadingClock(this.#deadlines)
  }

  async *messages(position: string | undefined): AsyncGenerator<MailboxMessage> {
    this.#waiting.clear()
    // 0: the folder has not been searched yet. If the poll fails before that, finish() keeps the old position.
    this.#uidNext = 0
    this.#hasMore = false
    this.#clock.restart()
    try {
      this.#kept = position === undefined ? undefined : (JSON.parse(position) as Position)
      const connection = await this.#connected()
      const found = await this.#find(connection)
      for (let at = 0; at < found.length; at += sizesAtOnce) {
        const { batches, tooBig } = await this.#sizes(connection, found.slice(at, at + sizesAtOnce))
        yield* tooBig
        for (const batch of batches) {
          if (this.#clock.isOver()) {
            this.#hasMore = true
            return
          }
          yield* await this.#contents(connection, batch)
        }
      }
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  async accept({ id }: MessageName): Promise<void> {
    const [uidValidity, uid = ''] = id.split('/')
    // UIDVALIDITY has changed: the message is read again under its new UID.
    if (uidValidity !== this.#uidValidity) return
    const { moveTo } = this.#options
    try {
      const connection = this.#connection
      if (connection === null) {
        throw new MailboxFault('connection-lost', 'the connection was lost')
      }
      const isDone = await connection.exchange<unknown>(shortAnswer, (client) =>
        moveTo === ''
          ? client.messageFlagsAdd(uid, ['\\Seen'], { uid: true })
          : client.messageMove(uid, moveTo, { uid: true }),
      )
      if (!isDone) throw new MailboxFault('refused', 'refused by the server')
    } catch (error) {
      throw this.#failed(
        moveTo === '' ? 'cannot flag a message' : `cannot move to ${moveTo}`,
        error,
      )
    }
    this.#waiting.delete(Number(uid))
    // While an earlier message cannot be read, the position stays before it, and the search finds this message again.
    this.#passedOver.add(Number(uid), [])
  }

  passOver({ id }: MessageName, recipients: readonly string[]): void {
    const [uidValidity, uid] = id.split('/')
    if (uidValidity !== this.#uidValidity) return
    this.#passedOver.add(Number(uid), recipients)
    this.#waiting.delete(Number(uid))
  }

  async finish(): Promise<string | null> {
    if (this.#uidNext === 0) return null
    const before = this.#handledBefore()
    let firstLeft = this.#uidNext
    for (const uid of this.#waiting) if (uid > before && uid < firstLeft) firstLeft = uid
    const uid = Math.max(before, firstLeft - 1)
    const position: Position = { uidValidity: this.#uidValidity, uid }
    if (this.#hasMore) this.#options.wake()
    return JSON.stringify(position)
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }

  /** The UID of the kept position; 0 if the folder was never read or UIDVALIDITY has changed. */
  #handledBefore(): number {
    return this.#kept?.uidValidity === this.#uidValidity ? this.#kept.uid : 0
  }

  /** The UIDs to read, in order. */
  async #find(connection: ImapConnection): Promise<number[]> {
    const { folder } = mailServer('imap', this.#options)
    const opened = connection.exchange(shortAnswer, (client) => client.mailboxOpen(folder))
    const { uidValidity, uidNext, exists } = await this.#clock.during(opened)
    if (exists > maxMessages) throw tooManyMessages()
    if (`${uidValidity}` !== this.#uidValidity) this.#passedOver = new PassedOver()
    this.#uidValidity = `${uidValidity}`
    const { isWaiting, stillThere } = await this.#passedOver.look(this.#options.trapsAmong)
    const dealtWith = this.#handledBefore()
    const found = new Set<number>()
    let last = 0
    while (last === 0 || (last < exists && found.size < maxFound)) {
      const first = last + 1
      last += searchedAtOnce
      const part = exists > searchedAtOnce && { seq: `${first}:${Math.min(last, exists)}` }
      const unseen = await this.#search(connection, { ...part, seen: false, deleted: false })
      for (const uid of unseen) if (isWaiting(uid)) found.add(uid)
      if (this.#kept === undefined) continue
      // `n:*` names the last message even when its UID is below n (RFC 9051 §9).
      const since = { uid: `${dealtWith + 1}:*`, deleted: false }
      const later = await this.#search(connection, { ...part, ...since })
      for (const uid of later) if (uid > dealtWith && isWaiting(uid)) found.add(uid)
    }
    const uids = [...found].sort((a, b) => a - b)
    this.#hasMore = last < exists
    this.#uidNext = this.#hasMore ? (uids.at(-1) ?? 0) + 1 : uidNext
    if (!this.#hasMore) this.#passedOver = stillThere
    this.#waiting = new Set(uids)
    return uids
  }

  async #search(connection: ImapConnection, query: SearchObject): Promise<number[]> {
    const limits = { octets: longestLine, lines: 10_000 }
    const search = connection.exchange(limits, async (client) => {
      const uids = await client.search(query, { uid: true })
      if (!uids) throw new MailboxFault('refused', 'the server refused to search')
      if (uids.length > searchedAtOnce) throw tooManyMessages()
      return uids
    })
    return await this.#clock.during(search)
  }

  /** Groups UIDs into batches, each a map from UID to size. Messages over the size limit come back in `tooBig`. */
  async #sizes(
    connection: ImapConnection,
    uids: readonly number[],
  ): Promise<{ batches: Map<number, number>[]; tooBig: MailboxMessage[] }> {
    const { maxBytes } = this.#options
    const rows = await this.#fetch(connection, uids, { size: true }, shortAnswer, 'size')
    const batches: Map<number, number>[] = []
    const tooBig: MailboxMessage[] = []
    let octets = 0
    for (const uid of uids) {
      const size = rows.get(uid)?.size
      const batch = batches.at(-1)
      // Another client has removed it.
      if (size === undefined) this.#waiting.delete(uid)
      else if (size > maxBytes) {
        const refused = `its ${size} octets are more than the ${maxBytes} allowed`
        tooBig.push({ ...this.#named(uid), refused })
      } else if (batch && batch.size < batchMessages && octets + size <= batchBytes) {
        batch.set(uid, size)
        octets += size
      } else {
        batches.push(new Map([[uid, size]]))
        octets = size
      }
    }
    return { batches, tooBig }
  }

  /** The messages of a batch. If the server refuses the batch, each of its messages is asked for alone. */
  async #contents(
    connection: ImapConnection,
    batch: ReadonlyMap<number, number>,
  ): Promise<MailboxMessage[]> {
    try {
      return await this.#batch(connection, batch)
    } catch (error) {
      const { fault, detail } = this.#failed('cannot be read', error)
      if (fault !== 'refused') throw error
      const [uid] = batch.keys()
      if (batch.size === 1 && uid !== undefined) {
        return [{ ...this.#named(uid), unreadable: fault, detail }]
      }
    }
    const found: MailboxMessage[] = []
    for (const one of batch) found.push(...(await this.#contents(connection, new Map([one]))))
    return found
  }

  /** Fetches a whole batch before anything else: no other command can be sent while a FETCH answer comes in. */
  async #batch(
    connection: ImapConnection,
    batch: ReadonlyMap<number, number>,
  ): Promise<MailboxMessage[]> {
    const { maxBytes } = this.#options
    // Asks for one octet over the limit, to see whether the message is longer.
    const query = { source: { start: 0, maxLength: maxBytes + 1 }, internalDate: true }
    // Some servers only estimate sizes.
    const octets = 2 * [...batch.values()].reduce((sum, size) => sum + size, 0) + shortAnswer.octets
    const rows = await this.#fetch(connection, [...batch.keys()], query, { octets }, 'source')
    for (const uid of batch.keys()) if (!rows.has(uid)) this.#waiting.delete(uid)
    return [...rows].map(([uid, row]) => {
      const raw = row.source ?? Buffer.alloc(0)
      return raw.length > maxBytes
        ? { ...this.#named(uid), refused: `it has more than the ${maxBytes} octets allowed` }
        : { ...this.#named(uid), raw, storedAt: epochOf(row) }
    })
  }

  /** Returns one row for each UID that the server still has. Throws MailboxFault if a row was not asked for or comes twice. */
  async #fetch(
    connection: ImapConnection,
    uids: readonly number[],
    query: FetchQueryObject,
    limits: ExchangeLimits,
    wanted: 'size' | 'source',
  ): Promise<Map<number, FetchMessageObject>> {
    const asked = new Set(uids)
    const fetched = connection.exchange(limits, async (client) => {
      const rows = new Map<number, FetchMessageObject>()
      let others = 0
      const fetching = client.fetch(uids.join(','), { uid: true, ...query }, { uid: true })
      for await (const row of fetching) {
        // imapflow gives false for NIL, which a server sends for a message that was just removed.
        const found: unknown = row[wanted]
        if (found === undefined || found === false) {
          if (++others > maxOtherRows) throw unasked()
        } else if (asked.delete(row.uid)) rows.set(row.uid, row)
        else throw unasked()
      }
      return rows
    })
    return await this.#clock.during(fetched)
  }

  #named(uid: number): MessageName {
    return { id: `${this.#uidValidity}/${uid}`, place: `UID ${uid}` }
  }

  async #connected(): Promise<ImapConnection> {
    const fault = this.#fault
    this.#fault = null
    if (fault !== null) throw fault
    if (this.#connection?.isUsable) return this.#connection
    this.#connection = null
    const { maxBytes, moveTo } = this.#options
    const connection = await this.#clock.during(
      ImapConnection.open({
        ...mailServer('imap', this.#options),
        ...(await credentials(this.#options)),
        maxBytes,
        deadlines: this.#deadlines,
        onNews: () => this.#options.wake(),
        onEnd: (fault) => {
          if (this.#connection !== connection) return
          this.#connection = null
          this.#fault = fault
          this.#options.wake()
        },
      }),
    )
    this.#connection = connection
    if (moveTo !== '') {
      const made = connection.exchange(shortAnswer, (client) => client.mailboxCreate(moveTo))
      await this.#clock.during(made)
    }
    return connection
  }

  #failed(what: string, cause: unknown): MailboxError {
    const { name } = this.#options
    const { detail, fault } = mailboxError(name, what, cause)
    return cause instanceof MailboxError
      ? cause
      : new MailboxError(name, imapFault(cause) ?? fault, detail, { cause })
  }
}

/** Derives the fault from the properties that imapflow sets on its errors; undefined if none of them tells. */
function imapFault(cause: unknown): MailboxErrorCode | undefined {
  if (!(cause instanceof Error)) return undefined
  const marks: Readonly<Record<string, unknown>> = { ...cause }
  if (marks['authenticationFailed'] === true) return 'authentication-failed'
  if (marks['tlsFailed'] === true) return 'tls-failed'
  if (marks['mailboxMissing'] === true) return 'folder-missing'
  // Response codes: RFC 5530 §3, RFC 9051 §7.1.
  const code = marks['serverResponseCode']
  if (code === 'NONEXISTENT' || code === 'TRYCREATE') return 'folder-missing'
  if (code === 'INUSE') return 'locked'
  if (marks['responseStatus'] === 'BYE') return 'connection-lost'
  const isRefused = marks['responseStatus'] === 'NO' || marks['responseStatus'] === 'BAD'
  return isRefused && faultOf(cause) === 'unexpected' ? 'refused' : undefined
}

function tooManyMessages(): MailboxFault {
  return new MailboxFault('protocol-broken', 'the server reports too many messages')
}

function unasked(): MailboxFault {
  return new MailboxFault('protocol-broken', 'the server sent something that was not asked for')
}

function epochOf({ internalDate = '' }: FetchMessageObject): number | null {
  const milliseconds = new Date(internalDate).getTime()
  return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1000)
}
