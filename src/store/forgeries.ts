// The table of forgeries: how many messages each network sent in a trap's name, day by day. The network is told by the message
// that came back, so whoever bounces invents as many as he likes: a day has room for some, and then counts those alone.
import type { Database, Statement } from 'better-sqlite3'
import { type Address, type Family, networkOf, type Prefix } from '../ip/address.ts'

/** Times in epoch seconds. */
export interface Forger {
  readonly network: Prefix
  readonly messages: number
  /** How many of them the forged domain's SPF record forbids. */
  readonly spfFail: number
  readonly lastSeenAt: number
}

type Row = Omit<Forger, 'network'> & { family: Family; w0: number; w1: number }

const secondsInDay = 86_400
/** Networks that a day tells apart. All of them are added up each time somebody asks for the worst. */
export const networksOfDay = 1000

export class ForgeryTable {
  readonly #count: Statement<unknown[]>
  readonly #most: Statement<[number, number], Row>
  readonly #purge: Statement<[number, number]>

  constructor(database: Database) {
    this.#count = database.prepare(
      `INSERT INTO forgeries (day, family, w0, w1, messages, spf_fail, last_seen_at)
         SELECT @day, @family, @w0, @w1, 1, @spfFail, @seenAt
         WHERE EXISTS (SELECT 1 FROM forgeries WHERE day = @day AND family = @family AND w0 = @w0 AND w1 = @w1)
           OR NOT EXISTS (SELECT 1 FROM forgeries WHERE day = @day LIMIT 1 OFFSET ${networksOfDay - 1})
       ON CONFLICT DO UPDATE SET messages = messages + 1, spf_fail = spf_fail + excluded.spf_fail,
         last_seen_at = max(last_seen_at, excluded.last_seen_at)`,
    )
    this.#most = database.prepare(
      `SELECT family, w0, w1, sum(messages) AS messages, sum(spf_fail) AS spfFail,
         max(last_seen_at) AS lastSeenAt FROM forgeries WHERE day >= ?
       GROUP BY family, w0, w1 ORDER BY messages DESC, lastSeenAt DESC LIMIT ?`,
    )
    this.#purge = database.prepare(
      `DELETE FROM forgeries WHERE (day, family, w0, w1) IN
         (SELECT day, family, w0, w1 FROM forgeries WHERE day < ? LIMIT ?)`,
    )
  }

  /** One more message that came from there, unless the day has its networks and this is none of them. */
  count(origin: Address, seenAt: number, isSpfFail: boolean): void {
    const { family, w0, w1 } = networkOf(origin, origin.family === 4 ? 24 : 48)
    const day = Math.floor(seenAt / secondsInDay)
    this.#count.run({ day, family, w0, w1, spfFail: Number(isSpfFail), seenAt })
  }

  /** The networks that sent most since then, the first one most. */
  most(since: number, limit: number): Forger[] {
    return this.#most.all(Math.floor(since / secondsInDay), limit).map((row) => {
      const { family, w0, w1, ...rest } = row
      return { ...rest, network: { family, w0, w1, w2: 0, w3: 0, length: family === 4 ? 24 : 48 } }
    })
  }

  /** Deletes rows of days that ended before `before` (epoch seconds), at most `limit`; says how many. */
  purge(before: number, limit: number): number {
    return this.#purge.run(Math.floor(before / secondsInDay), limit).changes
  }
}
