// The table that stores how far each trap mailbox has been read. The form of a position depends on the type of the mailbox. A
// position is set only after the evidence of all messages before it is committed.
import type { Database, Statement } from 'better-sqlite3'

export class MailboxPositionTable {
  readonly #get: Statement<[string], string>
  readonly #set: Statement<[string, string, number]>

  constructor(database: Database) {
    this.#get = database
      .prepare<[string], string>('SELECT position FROM mailbox_positions WHERE mailbox = ?')
      .pluck()
    this.#set = database.prepare(
      `INSERT INTO mailbox_positions (mailbox, position, updated_at) VALUES (?, ?, ?)
       ON CONFLICT (mailbox) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at`,
    )
  }

  get(mailbox: string): string | undefined {
    return this.#get.get(mailbox)
  }

  set(mailbox: string, position: string, now: number): void {
    this.#set.run(mailbox, position, now)
  }
}
