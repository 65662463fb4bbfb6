// All that rows of listings say of one address, and whether evidence is there, in one statement: what a look-up over HTTP
// costs is the calls into SQLite and the file locks of each, not what they read.
import Database, { type Statement } from 'better-sqlite3'
import { type Address, type Family, networkOf, type Prefix } from '../ip/address.ts'
import { evidenceInNetwork } from './evidence.ts'
import { type ListingRow, type ListingTable, listingFields, listingOfFields } from './listings.ts'

export interface AddressLookup {
  /** Rows of every state of every prefix around the address: longest prefix first, then oldest first. */
  readonly listings: ListingRow[]
  /** Whether there is evidence from the network asked for. */
  readonly hasEvidence: boolean
}

/** Of the connection's page cache, in KiB: what look-ups go through is in the file system's as well. */
const cacheKiB = 2000

/**
 * Look-ups of one turn of the event loop share a transaction, and with it the file locks. It is on a connection of its
 * own, so that no write falls into it, and ends with the turn or at the next commit: it is never seen to lag behind.
 */
export class AddressReader {
  readonly #path: string
  readonly #table: ListingTable
  readonly #statements = new Map<string, Statement<unknown[], unknown[]>>()
  #connection: Connection | undefined
  #own: Database.Database | undefined
  #isReading = false
  readonly #endTurn = () => this.renew()

  constructor(path: string, table: ListingTable) {
    this.#path = path
    this.#table = table
  }

  read(address: Address, network: Prefix): AddressLookup {
    const { family } = address
    const lengths = this.#table.lengths(family)
    const { size, terms, values } = evidenceInNetwork(network)
    this.#connection ??= this.#own ? borrow(this.#own) : connect(this.#path)
    if (!this.#isReading) {
      this.#connection.begin.run()
      this.#isReading = true
      setImmediate(this.#endTurn)
    }
    const key = `${family} ${size} ${lengths.length}`
    let statement = this.#statements.get(key)
    if (statement === undefined) {
      statement = this.#connection.database
        .prepare<unknown[], unknown[]>(unionOf(family, lengths, terms))
        .raw()
      this.#statements.set(key, statement)
    }
    const listings: ListingRow[] = []
    let hasEvidence = false
    for (const length of lengths) {
      const { w0, w1, w2, w3 } = networkOf(address, length)
      if (family === 4) values.push(w0)
      else values.push(w0, w1, w2, w3)
    }
    for (const fields of statement.all(values)) {
      if (fields[0] === 0) hasEvidence = true
      else listings.push(listingOfFields(fields))
    }
    if (listings.length > 1) {
      listings.sort((a, b) => b.prefix.length - a.prefix.length || a.id - b.id)
    }
    return { listings, hasEvidence }
  }

  /** For a database that lets no second connection in: reads by its only one. undefined: by a connection of its own. */
  readBy(own: Database.Database | undefined): void {
    this.close()
    this.#own = own
  }

  /** From now on what is committed by now is read. */
  renew(): void {
    if (!this.#isReading) return
    this.#isReading = false
    this.#connection?.commit.run()
  }

  close(): void {
    this.#isReading = false
    if (!this.#own) this.#connection?.database.close()
    this.#connection = undefined
    this.#statements.clear()
  }
}

interface Connection {
  readonly database: Database.Database
  readonly begin: { run(): unknown }
  readonly commit: { run(): unknown }
}

/** Transactions on it are its owner's. */
function borrow(database: Database.Database): Connection {
  const nothing = { run: () => undefined }
  return { database, begin: nothing, commit: nothing }
}

function connect(path: string): Connection {
  const database = new Database(path, { readonly: true })
  database.pragma(`cache_size = -${cacheKiB}`)
  return { database, begin: database.prepare('BEGIN'), commit: database.prepare('COMMIT') }
}

/**
 * A seek for each length in use, which are only ever added, so that their number names the statement. No join and no
 * sort: with those SQLite plans anew each time.
 */
function unionOf(family: Family, lengths: readonly number[], evidenceTerms: string): string {
  const [id, ...others] = listingFields
  const evidence = `SELECT 0 AS ${id}, ${others.map(() => 'NULL').join(', ')}
    FROM evidence WHERE ${evidenceTerms} LIMIT 1`
  const words =
    family === 4
      ? 'w0 = ? AND w1 = 0 AND w2 = 0 AND w3 = 0'
      : 'w0 = ? AND w1 = ? AND w2 = ? AND w3 = ?'
  const seeks = lengths.map(
    (length) => `SELECT ${listingFields.join(', ')} FROM listings
      WHERE family = ${family} AND length = ${length} AND ${words}`,
  )
  return [`SELECT * FROM (${evidence})`, ...seeks].join(' UNION ALL ')
}
