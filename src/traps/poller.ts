// Reads one mailbox at its scheduled times. Each message is recorded, then accepted. After a failure the wait grows each time;
// other mailboxes go on meanwhile.
import { type Logger, messageOf, OperationalError } from '../errors.ts'
import type { Collector } from './collect.ts'
import {
  isOfOneMessage,
  type Mailbox,
  type MailboxError,
  type MailboxErrorCode,
  MailboxFault,
  type MailboxMessage,
  mailboxError,
  mailboxErrors,
} from './mailbox.ts'

/** What `status` shows for a mailbox. Times are epoch seconds. */
export interface MailboxStatus {
  readonly name: string
  readonly type: string
  /** 'waiting': not read yet. */
  readonly state: 'waiting' | 'ok' | 'failing'
  /** When the current poll began; null if none is running. */
  readonly readingSince: number | null
  readonly lastReadAt: number | null
  /** `CODE: TEXT` from mailboxErrors. It contains no trap address. */
  readonly lastError: string | null
  /** What the server or the system said. It may contain a trap address, so only scope admin may see it. */
  readonly lastErrorDetail: string | null
  /** While failing: when the mailbox is tried again. */
  readonly retryAt: number | null
  /**
   * Messages since the server started. `recorded`: recorded for the first time. `passedOver`: left in place because they were for
   * no trap. `refused`: too big.
   */
  readonly recorded: number
  readonly passedOver: number
  readonly refused: number
  /** Messages that the last poll could not read, or could not move after they were recorded. */
  readonly unreadable: number
}

/** How far each mailbox has been read, by its name. */
export interface MailboxPositions {
  get(mailbox: string): string | undefined
  /** Called only for what is committed. */
  set(mailbox: string, position: string): void
}

interface PollerOptions {
  readonly name: string
  readonly type: string
  readonly allTraps: boolean
  readonly mailbox: Mailbox
  readonly positions: MailboxPositions
  readonly collector: Collector
  readonly now: () => number
  readonly log: Logger
}

type ReadableMessage = Exclude<MailboxMessage, { readonly unreadable: unknown }>
type Unreadable = Pick<Exclude<MailboxMessage, ReadableMessage>, 'unreadable' | 'detail'>

/** This many messages are recorded at the same time, so that they share a commit. */
const messagesAtOnce = 8
/** While the messages being recorded have this many octets, no further message is begun. */
const octetsAtOnce = 8 * 1024 ** 2
const longestWaitSeconds = 300
/** The shortest pause between two polls, also if a server announces new mail all the time. */
const newsMs = 1000
/** stop() waits at most this long for a server. A message that arrives later is still recorded. */
const longestStopMs = 3000
/** Added to the wait, since `retryAt` is in whole seconds. */
const retrySlackMs = 1000

export class Poller {
  readonly #options: PollerOptions
  readonly #status: { -readonly [Key in keyof MailboxStatus]: MailboxStatus[Key] }
  #failures = 0
  #isStopping = false
  #running: Promise<void> | undefined
  #hasNews = false
  #retry: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined
  #endedAt = Number.NEGATIVE_INFINITY

  constructor(options: PollerOptions) {
    this.#options = options
    this.#status = {
      name: options.name,
      type: options.type,
      state: 'waiting',
      readingSince: null,
      lastReadAt: null,
      lastError: null,
      lastErrorDetail: null,
      retryAt: null,
      recorded: 0,
      passedOver: 0,
      refused: 0,
      unreadable: 0,
    }
  }

  status(): MailboxStatus {
    return { ...this.#status }
  }

  /**
   * Reads the mailbox once. Does nothing during the wait after a failure, or after stop(). If a poll is running, only waits for
   * its end. Never rejects.
   */
  async poll(): Promise<void> {
    const waitSeconds = (this.#status.retryAt ?? 0) - this.#options.now()
    // If the wait seems longer than the longest possible, the clock was set back.
    if (this.#isStopping || (waitSeconds > 0 && waitSeconds <= longestWaitSeconds)) return
    this.#running ??= this.#readAll().finally(() => {
      this.#running = undefined
      this.#endedAt = performance.now()
      if (this.#hasNews) this.pollSoon()
    })
    await this.#running
  }

  /** Like poll(), but waits for the current poll first, and reads at once even after a failure. */
  async pollNow(): Promise<void> {
    await this.#running
    this.#status.retryAt = null
    await this.poll()
  }

  /** Begins no further message. Resolves when the messages begun are done and the mailbox is closed. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#retry)
    clearTimeout(this.#soon)
    const over = new Promise<void>((resolve) => setTimeout(resolve, longestStopMs).unref())
    await Promise.race([this.#running, over])
    await this.#options.mailbox.close?.()
  }

  /** Reads the mailbox soon; if it is being read, once more after that. */
  pollSoon(): void {
    // The current poll may have looked before this mail arrived, so poll again when it ends.
    this.#hasNews = this.#running !== undefined
    if (this.#hasNews) return
    clearTimeout(this.#soon)
    const waitMs = Math.max(0, this.#endedAt + newsMs - performance.now())
    this.#soon = setTimeout(() => void this.poll(), waitMs).unref()
  }

  async #readAll(): Promise<void> {
    const { name, mailbox, positions, now } = this.#options
    this.#status.readingSince = now()
    const begun = new Set<Promise<void>>()
    let octets = 0
    let failure: MailboxError | undefined
    /** Why single messages cannot be read or moved. */
    const unreadable: Unreadable[] = []
    const fail = (error: unknown): void => {
      if (isOfOneMessage(error)) {
        unreadable.push({ unreadable: error.fault, detail: error.detail })
      } else failure ??= mailboxError(name, 'reading it', error)
    }
    try {
      for await (const message of mailbox.messages(positions.get(name))) {
        if (this.#isStopping || failure !== undefined) break
        if ('unreadable' in message) {
          unreadable.push(message)
          continue
        }
        const size = 'raw' in message ? message.raw.length : 0
        const handled: Promise<void> = this.#handle(message)
          .catch(fail)
          .finally(() => {
            begun.delete(handled)
            octets -= size
          })
        begun.add(handled)
        octets += size
        while (begun.size >= messagesAtOnce || octets >= octetsAtOnce) await Promise.race(begun)
      }
    } catch (error) {
      fail(error)
    }
    await Promise.all(begun)
    try {
      const position = await mailbox.finish?.()
      if (position) positions.set(name, position)
    } catch (error) {
      fail(error)
    }
    this.#status.readingSince = null
    this.#status.lastReadAt = now()
    this.#noteUnreadable(unreadable)
    if (failure !== undefined) this.#noteFailure(failure)
    else if (unreadable.length === 0) this.#noteSuccess()
  }

  #noteSuccess(): void {
    const status = this.#status
    const { name, log } = this.#options
    if (status.state === 'failing') log.info({ mailbox: name }, 'mailbox can be read again')
    status.state = 'ok'
    status.lastError = null
    status.lastErrorDetail = null
    status.retryAt = null
    this.#failures = 0
  }

  /** The mailbox fails, and is tried again after a wait that grows with each failure. */
  #noteFailure({ fault, detail, cause }: MailboxError): void {
    const { name, type, log, now } = this.#options
    const waitSeconds = Math.min(2 ** ++this.#failures, longestWaitSeconds)
    this.#setFailing(fault, detail, now() + waitSeconds)
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.poll(), waitSeconds * 1000 + retrySlackMs).unref()
    const facts = { mailbox: name, type, code: fault }
    log.warn({ ...facts, why: mailboxErrors[fault], waitSeconds }, 'mailbox cannot be read')
    log.debug({ ...facts, detail, err: cause }, 'mailbox cannot be read: details')
  }

  /** The mailbox fails, but the other messages were read, so it is read at its usual times. Logged when the number changes. */
  #noteUnreadable(reasons: readonly Unreadable[]): void {
    const { name, log } = this.#options
    const before = this.#status.unreadable
    this.#status.unreadable = reasons.length
    const [first] = reasons
    if (first === undefined) return
    const { unreadable: fault, detail } = first
    this.#failures = 0
    this.#setFailing(fault, detail, null)
    if (reasons.length === before) return
    const facts = { mailbox: name, messages: reasons.length, code: fault }
    log.warn({ ...facts, why: mailboxErrors[fault] }, 'messages cannot be read or moved')
  }

  #setFailing(fault: MailboxErrorCode, detail: string | null, retryAt: number | null): void {
    this.#status.state = 'failing'
    this.#status.lastError = `${fault}: ${mailboxErrors[fault]}`
    this.#status.lastErrorDetail = detail
    this.#status.retryAt = retryAt
  }

  async #handle(message: ReadableMessage): Promise<void> {
    const { name, allTraps, mailbox, collector, log } = this.#options
    if ('refused' in message) {
      this.#status.refused++
      log.warn({ mailbox: name, message: message.place, why: message.refused }, 'message refused')
      return await mailbox.accept(message)
    }
    const { raw, storedAt } = message
    const stored = { raw, source: name, storedAt, allTraps }
    const { passedOver, isDuplicate } = await collector.read(stored).catch((cause: unknown) => {
      throw new MailboxFault(reasonOf(cause), messageOf(cause), { cause })
    })
    if (passedOver === null) {
      if (!isDuplicate) this.#status.recorded++
      await mailbox.accept(message)
    } else {
      this.#status.passedOver++
      mailbox.passOver(message, passedOver)
    }
  }
}

/** The code that `status` shows if a message cannot be recorded. */
function reasonOf(cause: unknown): MailboxErrorCode {
  const code = cause instanceof OperationalError ? cause.code : undefined
  return code === 'disk-low' || code === 'clock-held' ? code : 'not-recorded'
}
