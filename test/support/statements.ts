// Which SQL statements run: every call of better-sqlite3's statements is noted with its text, whichever connection it is
// on.
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'

type Call = (this: { readonly source: string }, ...values: unknown[]) => unknown

/** The texts of the statements run from now on, in order, until the test ends. Empty it to begin anew. */
export function noteStatements(t: Pick<TestContext, 'after'>): string[] {
  const noted: string[] = []
  const database = new Database(':memory:')
  const prototype = Object.getPrototypeOf(database.prepare('SELECT 1')) as Record<string, Call>
  database.close()
  for (const name of ['run', 'get', 'all', 'iterate']) {
    const call = prototype[name]
    if (call === undefined) throw new Error(`a statement has no ${name}`)
    prototype[name] = function (...values) {
      noted.push(this.source)
      return call.apply(this, values)
    }
    t.after(() => {
      prototype[name] = call
    })
  }
  return noted
}
