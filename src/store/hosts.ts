// The table of what DNS says of hosts that sent backscatter. One row for each host, with the time of the answer.
import type { Database, Statement } from 'better-sqlite3'
import type { HostFacts } from '../classify/evidence.ts'
import type { Address, Prefix } from '../ip/address.ts'
import { addressValues, lastWords } from './prefix-columns.ts'

export interface HostRow extends HostFacts {
  /** Epoch seconds. */
  readonly askedAt: number
  /** Names what was asked. */
  readonly questions: string
}

/** Which memberships count. */
interface Memberships {
  readonly pools: boolean
  readonly whitelists: readonly string[]
}

const columns = 'asked_at AS askedAt, questions, name, pool, whitelist'
const isMember = `(pool IS NOT NULL OR whitelist IS NOT NULL)
  AND (pool IS NOT NULL AND @pools OR whitelist IN (SELECT value FROM json_each(@whitelists)))`

export class HostTable {
  readonly #get: Statement<unknown[], HostRow>
  readonly #set: Statement<unknown[]>
  readonly #hasCurrent: Statement<unknown[], number>
  readonly #memberIn: Statement<unknown[], HostRow>
  readonly #members: Statement<unknown[], Address>
  readonly #purge: Statement<[number, number]>

  constructor(database: Database) {
    this.#get = database.prepare(
      `SELECT ${columns} FROM hosts WHERE family = ? AND w0 = ? AND w1 = ? AND w2 = ? AND w3 = ?`,
    )
    this.#set = database.prepare(
      `INSERT OR REPLACE INTO hosts (family, w0, w1, w2, w3, asked_at, questions, name, pool, whitelist)
       VALUES (@family, @w0, @w1, @w2, @w3, @askedAt, @questions, @name, @pool, @whitelist)`,
    )
    const inNetwork =
      'family = ? AND w0 = ? AND w1 BETWEEN ? AND ? AND w2 BETWEEN ? AND ? AND w3 BETWEEN ? AND ?'
    this.#hasCurrent = database
      .prepare<unknown[], number>(
        `SELECT 1 FROM hosts WHERE ${inNetwork} AND asked_at > ? AND questions = ? LIMIT 1`,
      )
      .pluck()
    this.#memberIn = database.prepare(
      `SELECT ${columns} FROM hosts INDEXED BY hosts_members WHERE ${inNetwork} AND ${isMember} LIMIT 1`,
    )
    this.#members = database.prepare(
      `SELECT family, w0, w1, w2, w3 FROM hosts INDEXED BY hosts_members WHERE ${isMember}`,
    )
    this.#purge = database.prepare(
      `DELETE FROM hosts WHERE (family, w0, w1, w2, w3) IN
         (SELECT family, w0, w1, w2, w3 FROM hosts WHERE asked_at < ? LIMIT ?)`,
    )
  }

  get(host: Address): HostRow | undefined {
    return this.#get.get(...addressValues(host))
  }

  /** Replaces what was known of the host. */
  set(host: Address, row: HostRow): void {
    const { family, w0, w1, w2, w3 } = host
    this.#set.run({ family, w0, w1, w2, w3, ...row })
  }

  /** Whether a host in the network was asked these questions after `after`. The network is /32 or longer. */
  hasCurrent(network: Prefix, after: number, questions: string): boolean {
    return this.#hasCurrent.get(...networkValues(network), after, questions) !== undefined
  }

  /** A host in the network that is a member of something that counts. The network is /32 or longer. */
  memberIn(network: Prefix, counting: Memberships): HostRow | undefined {
    return this.#memberIn.get(...networkValues(network), bound(counting))
  }

  /** All hosts that are members of something that counts. */
  members(counting: Memberships): Address[] {
    return this.#members.all(bound(counting))
  }

  /** Deletes rows that were asked before `before` (epoch seconds), at most `limit`. Returns their number. */
  purge(before: number, limit: number): number {
    return this.#purge.run(before, limit).changes
  }
}

function networkValues(network: Prefix): number[] {
  const { family, w0, w1, w2, w3 } = network
  const [, end1, end2, end3] = lastWords(network)
  return [family, w0, w1, end1, w2, end2, w3, end3]
}

function bound({ pools, whitelists }: Memberships) {
  return { pools: Number(pools), whitelists: JSON.stringify(whitelists) }
}
