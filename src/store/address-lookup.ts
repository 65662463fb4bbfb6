// All rows of listings around one address, and whether there is evidence, read by one statement: a look-up costs little more
// than its calls into SQLite, so it makes one.
import type { Database, Statement } from 'better-sqlite3'
import { type Address, type Family, networkOf, type Prefix } from '../ip/address.ts'
import { evidenceInNetwork } from './evidence.ts'
import { type ListingRow, type ListingTable, listingFields, listingOfFields } from './listings.ts'

export interface AddressLookup {
  /** Rows of every state of every prefix around the address: longest prefix first, then oldest first. */
  readonly listings: ListingRow[]
  /** Whether there is evidence from the network. */
  readonly hasEvidence: boolean
}

export class AddressReader {
  readonly #database: Database
  readonly #table: ListingTable
  readonly #statements = new Map<string, Statement<unknown[], unknown[]>>()

  constructor(database: Database, table: ListingTable) {
    this.#database = database
    this.#table = table
  }

  read(address: Address, network: Prefix): AddressLookup {
    const { family } = address
    const lengths = this.#table.lengths(family)
    const { size, terms, values } = evidenceInNetwork(network)
    // Lengths are only ever added, so their number says which they are.
    const key = `${family} ${size} ${lengths.length}`
    let statement = this.#statements.get(key)
    if (statement === undefined) {
      statement = this.#database.prepare<unknown[], unknown[]>(unionOf(family, lengths, terms))
      this.#statements.set(key, statement.raw())
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
    listings.sort((a, b) => b.prefix.length - a.prefix.length || a.id - b.id)
    return { listings, hasEvidence }
  }
}

/** The statement: one seek for each prefix length in use. Without join and sort, for which SQLite would plan it anew each time. */
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
