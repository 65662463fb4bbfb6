// The audit table: who changed what, with the state before and after. Each row is written in the transaction of its change.
import type { Database, Statement } from 'better-sqlite3'

/** What the audit calls each change. */
export type AuditAction =
  | 'list'
  | 'amend'
  | 'publish'
  | 'delist'
  | 'import'
  | 'import-undone'
  | 'exempt'
  | 'unexempt'
  | 'exclude'
  | 'include'
  | 'trap-add'
  | 'trap-remove'
  | 'purge'
  | 'approve'
  | 'refuse'
  | 'key-create'
  | 'key-revoke'

interface AuditRow {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly action: AuditAction
  readonly target: string
  /** The target before the change; null if there was none. */
  readonly before: object | null
  /** The target after the change; null if there is none. */
  readonly after: object | null
}

type RawAudit = Omit<AuditRow, 'before' | 'after'> & {
  readonly before: string | null
  readonly after: string | null
}

/** Selects rows whose columns equal all given members. */
type AuditFilter = Partial<Record<'actor' | 'action' | 'target', string>>

export class AuditTable {
  readonly #insert: Statement<[number, string, string, string, string | null, string | null]>
  readonly #page: Statement<unknown[], RawAudit>

  constructor(database: Database) {
    this.#insert = database.prepare(
      'INSERT INTO audit (at, actor, action, target, before, after) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#page = database.prepare(
      `SELECT * FROM audit WHERE id < @before AND (@actor IS NULL OR actor = @actor)
         AND (@action IS NULL OR action = @action) AND (@target IS NULL OR target = @target)
       ORDER BY id DESC LIMIT @limit`,
    )
  }

  /** `before` and `after` are stored as JSON. */
  insert(row: Omit<AuditRow, 'id'>): void {
    this.#insert.run(row.at, row.actor, row.action, row.target, json(row.before), json(row.after))
  }

  /** Rows with an id below `before`, newest first. */
  page(limit: number, before?: number, filter: AuditFilter = {}): AuditRow[] {
    const { actor = null, action = null, target = null } = filter
    const from = before ?? Number.MAX_SAFE_INTEGER
    return this.#page.all({ before: from, limit, actor, action, target }).map((row) => ({
      ...row,
      before: row.before && JSON.parse(row.before),
      after: row.after && JSON.parse(row.after),
    }))
  }
}

function json(value: object | null): string | null {
  return value && JSON.stringify(value)
}
