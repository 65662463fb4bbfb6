// Asks DNS about the hosts of listings, and gives the answers to the blocklist. Messages that come from one host at the same
// time share its questions, and the number of hosts under way is limited.
import type { Evidence, HostList, HostQuestions } from '../classify/evidence.ts'
import type { Logger } from '../errors.ts'
import { formatAddress } from '../ip/address.ts'
import { OncePerMinute } from '../log-rarely.ts'
import type { NameResolver } from './authenticity.ts'
import { askAbout } from './host-facts.ts'

export interface HostAskerOptions {
  readonly list: HostList
  readonly resolver: NameResolver
  readonly log: Logger
  /**
   * A message waits for the answers no longer than this, since an SMTP client may wait for its reply. Later answers are learnt
   * too. @default 2500
   */
  readonly deadlineMs?: number
  /** Beyond this number of hosts under way, nothing is asked: the hosts stay unknown until later. @default 100 */
  readonly maxHosts?: number
  /** A clock for waiting, in milliseconds. @default performance.now */
  nowMs?(): number
}

/** A host about which DNS gave no answer. */
interface Unanswered {
  readonly waitMs: number
  readonly retryAtMs: number
}

/** DNS is asked again after this time, then after twice as long each time, up to a day. */
const firstRetryMs = 10_000
const longestRetryMs = 86_400_000
/** With more hosts than this, the one that was asked about first is forgotten. */
const maxUnanswered = 10_000

/** How often hosts of listings are looked for that DNS must be asked about. */
const roundMs = 1000
/** The most hosts under way that no message waits for. The others are left for messages. */
const maxInBackground = 20

export class HostAsker {
  readonly #options: Required<HostAskerOptions>
  /** The hosts under way, each until its answers are learnt. */
  readonly #underWay = new Map<string, Promise<boolean>>()
  readonly #unanswered = new Map<string, Unanswered>()
  readonly #rarely = new OncePerMinute()
  readonly #rounds: NodeJS.Timeout
  #isClosed = false

  constructor(options: HostAskerOptions) {
    const nowMs = () => performance.now()
    this.#options = { deadlineMs: 2500, maxHosts: 100, nowMs, ...options }
    this.#rounds = setInterval(() => this.askDue(), roundMs).unref()
  }

  /**
   * Asks about the host that this evidence of one message would list. Resolves once the answers are learnt, or after the
   * deadline. Never rejects.
   */
  async askBefore(evidence: readonly Evidence[]): Promise<void> {
    const { list, maxHosts, deadlineMs } = this.#options
    const [questions] = this.#wanted(() => [list.questionsBefore(evidence)])
    const asking = questions && this.#ask(questions, maxHosts)
    if (asking === undefined) return
    const { promise: over, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, deadlineMs)
    await Promise.race([asking, over])
    clearTimeout(timer)
  }

  /** Asks about the hosts that are due, and waits for nothing. Goes on with further ones when answers come. */
  askDue(): void {
    const room = maxInBackground - this.#underWay.size
    if (this.#isClosed || room <= 0) return
    for (const questions of this.#wanted(() => this.#options.list.questionsDue(room))) {
      void this.#ask(questions, maxInBackground)?.then((isLearnt) => isLearnt && this.askDue())
    }
  }

  /** Sends no more questions. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#rounds)
  }

  /** What `read` returns; nothing if the database fails. */
  #wanted<T>(read: () => readonly T[]): readonly T[] {
    try {
      return read()
    } catch (error) {
      const text = 'cannot read which hosts to ask DNS about'
      this.#rarely.run(() => this.#options.log.warn({ err: error }, text))
      return []
    }
  }

  /**
   * Resolves with true once the answers are learnt, with false if there are none. undefined if too many hosts are under way, or
   * if this one had no answer lately.
   */
  #ask(questions: HostQuestions, maxHosts: number): Promise<boolean> | undefined {
    const key = formatAddress(questions.host)
    const present = this.#underWay.get(key)
    if (present !== undefined) return present
    if (this.#isClosed || this.#underWay.size >= maxHosts) return undefined
    const { retryAtMs = 0 } = this.#unanswered.get(key) ?? {}
    if (this.#options.nowMs() < retryAtMs) return undefined
    const asking = this.#learn(questions).finally(() => this.#underWay.delete(key))
    void asking.then((isLearnt) => this.#noteAnswer(key, isLearnt))
    this.#underWay.set(key, asking)
    return asking
  }

  #noteAnswer(host: string, isLearnt: boolean): void {
    const known = this.#unanswered.get(host)
    this.#unanswered.delete(host)
    if (isLearnt) return
    const waitMs = Math.min(known ? 2 * known.waitMs : firstRetryMs, longestRetryMs)
    this.#unanswered.set(host, { waitMs, retryAtMs: this.#options.nowMs() + waitMs })
    const [first] = this.#unanswered.keys()
    if (first !== undefined && this.#unanswered.size > maxUnanswered) this.#unanswered.delete(first)
  }

  async #learn(questions: HostQuestions): Promise<boolean> {
    const { list, resolver } = this.#options
    const facts = await askAbout(questions, {
      resolve: (name, type) => {
        if (this.#isClosed) throw new Error('closed')
        return resolver.resolve(name, type)
      },
    })
    if (facts === undefined || this.#isClosed) return false
    // If the database fails, the blocklist logs it, and the host is asked about again.
    const learning = list.learnHost(questions, facts)
    return await learning.then(
      () => true,
      () => false,
    )
  }
}
