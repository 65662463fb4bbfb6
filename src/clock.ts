// The server's only clock. It follows the wall clock. When the wall clock jumps, this clock is "held": it goes on by the
// monotonic clock until the wall clock has run steadily for ten minutes or an operator confirms it. So no listing expires
// because of a jump, and nothing is recorded with a wrong time.
import { type Logger, OperationalError } from './errors.ts'

export interface ClockSources {
  /** Milliseconds since the epoch; may jump at any time. */
  wall(): number
  /** Milliseconds since an arbitrary moment; never jumps or goes back. */
  monotonic(): number
}

const systemClocks: ClockSources = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
}

/** The wall clock has jumped if its distance from the monotonic clock changes by more than this. */
const jumpMs = 3_600_000
/** At a start, the wall clock counts as jumped if it is more than this after the last publication. */
const longestAwayMs = 86_400_000
/** After a jump, a wall clock that runs steadily for this long is believed again. */
const settledMs = 600_000

/** The state of a held clock. Times in epoch seconds. */
export interface HeldClock {
  /** When the jump was noticed, by this clock's own time. */
  readonly since: number
  /** The wall clock's time now. */
  readonly wallClock: number
}

export interface ClockOptions {
  /** When the zone was last published, in epoch seconds; undefined if never. */
  readonly lastPublishedAt: number | undefined
  readonly log: Logger
  /** @default the system's clocks */
  readonly sources?: ClockSources
}

export class Clock {
  readonly #sources: ClockSources
  readonly #log: Logger
  /** This clock's time minus the monotonic clock, in milliseconds. */
  #offset: number
  /**
   * Set while the clock is held. `difference`: wall clock minus monotonic clock after the jump. `seenAt`: when this
   * difference was first seen, by the monotonic clock. `since`: as in HeldClock.
   */
  #jump:
    | { readonly difference: number; readonly seenAt: number; readonly since: number }
    | undefined

  /** Starts held if the wall clock is before the last publication or more than a day after it. */
  constructor({ lastPublishedAt, log, sources = systemClocks }: ClockOptions) {
    this.#sources = sources
    this.#log = log
    const wall = sources.wall()
    const monotonic = sources.monotonic()
    this.#offset = wall - monotonic
    if (lastPublishedAt === undefined) return
    const ahead = Math.floor(wall / 1000) - lastPublishedAt
    if (ahead >= 0 && ahead * 1000 <= longestAwayMs) return
    this.#offset = lastPublishedAt * 1000 - monotonic
    this.#hold(wall - monotonic, monotonic)
  }

  /** Whole epoch seconds. Call it at least every few seconds: only a call notices a jump. */
  now(): number {
    const monotonic = this.#sources.monotonic()
    this.#look(this.#sources.wall() - monotonic, monotonic)
    return Math.floor((monotonic + this.#offset) / 1000)
  }

  /** The state of the held clock; undefined while the clock follows the wall clock. */
  get held(): HeldClock | undefined {
    this.now()
    return (
      this.#jump && {
        since: this.#jump.since,
        wallClock: Math.floor(this.#sources.wall() / 1000),
      }
    )
  }

  /** How many seconds this clock is ahead of the wall clock; negative if it is behind, 0 while it follows the wall clock. */
  get correction(): number {
    return this.held ? this.now() - Math.floor(this.#sources.wall() / 1000) : 0
  }

  /** Throws OperationalError 'clock-held' while the clock is held. */
  requireSure(): void {
    if (!this.held) return
    throw new OperationalError(
      'clock-held',
      'the wall clock has jumped: waiting until the time is sure',
    )
  }

  /** To be called when the operator says that the wall clock is right. This clock then follows it again at once. */
  confirm(): void {
    const monotonic = this.#sources.monotonic()
    const difference = this.#sources.wall() - monotonic
    this.#look(difference, monotonic)
    if (this.#jump) this.#follow(difference, 'the wall clock is confirmed')
  }

  #look(difference: number, monotonic: number): void {
    if (this.#jump === undefined) {
      if (isJump(difference, this.#offset)) this.#hold(difference, monotonic)
      else this.#offset = difference
    } else if (isJump(difference, this.#jump.difference)) {
      if (isJump(difference, this.#offset)) this.#hold(difference, monotonic)
      else this.#follow(difference, 'the wall clock has jumped back')
    } else if (monotonic - this.#jump.seenAt >= settledMs) {
      this.#follow(difference, 'the wall clock has kept its new time')
    }
  }

  #hold(difference: number, monotonic: number): void {
    const since = this.#jump?.since ?? Math.floor((monotonic + this.#offset) / 1000)
    this.#jump = { difference, seenAt: monotonic, since }
    this.#log.warn(
      { jumpedSeconds: Math.round((difference - this.#offset) / 1000) },
      'the wall clock has jumped and is not followed: no mail is accepted for now; SIGHUP confirms the new time',
    )
  }

  #follow(difference: number, why: string): void {
    this.#jump = undefined
    const setSeconds = Math.round((difference - this.#offset) / 1000)
    this.#offset = difference
    this.#log.warn({ setSeconds }, `${why}: it is followed again`)
  }
}

function isJump(one: number, other: number): boolean {
  return Math.abs(one - other) > jumpMs
}
