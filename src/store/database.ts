// Opens a database file as a Store: takes the lock, sets the pragmas, migrates the schema, and makes an object for each table.
// Only src/blocklist may write listings and exceptions.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { isOutOfFiles, messageOf, OperationalError } from '../errors.ts'
import { AuditTable } from './audit.ts'
import { EvidenceCounterTable, ForgeryTable } from './day-counters.ts'
import { EvidenceTable } from './evidence.ts'
import { EvidenceWalk } from './evidence-walk.ts'
import { ExceptionTable } from './exceptions.ts'
import { Figures } from './figures.ts'
import { HostTable } from './hosts.ts'
import { IdempotencyTable } from './idempotency.ts'
import { JournalTable } from './journal.ts'
import { KeyTable } from './keys.ts'
import { ListTable } from './list-versions.ts'
import { ListingWalks } from './listing-walks.ts'
import { ListingTable } from './listings.ts'
import { type Lock, takeLock } from './lock.ts'
import { MailboxPositionTable } from './mailbox-positions.ts'
import { migrate } from './migrate.ts'
import { NoticeTable } from './notices.ts'
import { OffenderTable } from './offenders.ts'
import { ChangedPrefixes } from './prefix-columns.ts'
import { createStoreFile } from './private-file.ts'
import { PublicEvidenceTable } from './public-evidence.ts'
import { RemovalTable } from './removals.ts'
import { TrapTable } from './traps.ts'

/** Longest wait for a lock of another program (a backup tool, a shell) on the file. It blocks the event loop. */
const busyTimeoutMs = 250

/**
 * Opens or creates the database at `path`; its folder must exist. Throws OperationalError 'database-locked' with the name of
 * the holder, 'database-newer' if a later version of the program has migrated it, 'files-exhausted' or 'database-failed'.
 * After an error nothing stays open.
 */
export function openStore(path: string): Store {
  let lock: Lock | undefined
  let database: Database.Database | undefined
  try {
    requireWritable(path)
    // Create the file with the right mode. SQLite creates its other files, beside this one, with the same mode.
    createStoreFile(path)
    // Resolve links, so that one file has one lock.
    lock = takeLock(realpathSync(path))
    database = new Database(path, { timeout: busyTimeoutMs })
    let isAlone = false
    try {
      database.pragma('journal_mode = WAL')
    } catch (error) {
      if (!isDiskFull(error)) throw error
      // The full disk has no room for the file through which WAL connections share memory. One connection alone needs none.
      database.close()
      database = new Database(path, { timeout: busyTimeoutMs })
      database.pragma('locking_mode = EXCLUSIVE')
      database.pragma('journal_mode = WAL')
      isAlone = true
    }
    // By default, WAL syncs only at checkpoints. Then a power loss could undo an acknowledged commit.
    database.pragma('synchronous = FULL')
    database.pragma('foreign_keys = ON')
    migrate(database, path)
    return new Store(path, database, lock, isAlone)
  } catch (error) {
    database?.close()
    lock?.release()
    throw databaseFailure(error, `${path}: cannot be opened`)
  }
}

/** Throws if the folder or a file of the database may not be written to. SQLite would fail later, without naming the cause. */
function requireWritable(path: string): void {
  const folder = dirname(path)
  const files = ['', '-wal', '-shm', '.lock'].map((suffix) => `${path}${suffix}`)
  for (const each of [folder, ...files.filter((file) => existsSync(file))]) {
    try {
      accessSync(each, constants.W_OK)
    } catch (error) {
      const code = systemCode(error)
      if (code !== 'EROFS' && code !== 'EACCES') throw error
      const what = each === folder ? `the folder ${folder}` : each
      const why = code === 'EROFS' ? 'its disk is read-only' : whyDenied(path, each)
      const message = `${path}: cannot be opened: ${what} cannot be written to: ${why}`
      throw new OperationalError('database-failed', message, { cause: error })
    }
  }
}

/** Why this user may not write to the database's folder or to a file in it, and what to do. */
function whyDenied(path: string, denied: string): string {
  const folder = dirname(path)
  const { uid } = statSync(denied)
  const owner = uid === 0 ? 'root' : `user ${uid}`
  const mend =
    denied === folder
      ? 'run this as its owner or as root'
      : `as root, run "chown --reference=${folder} ${path}*"`
  return `it belongs to ${owner}, and this is user ${process.geteuid?.()}; ${mend}`
}

/** Converts an error to OperationalError 'database-failed' or 'files-exhausted'. Its message begins with `what`. */
export function databaseFailure(error: unknown, what: string): OperationalError {
  if (error instanceof OperationalError) return error
  const code = hasNoFileLeft(error) ? 'files-exhausted' : 'database-failed'
  return new OperationalError(code, `${what}: ${messageOf(error)}`, { cause: error })
}

/** Whether too many files are open. SQLite does not say why it cannot open a file, so this tries to open another one. */
function hasNoFileLeft(error: unknown): boolean {
  if (!(error instanceof Database.SqliteError)) return isOutOfFiles(error)
  if (!error.code.startsWith('SQLITE_CANTOPEN')) return false
  try {
    closeSync(openSync('/dev/null', 'r'))
    return false
  } catch (failure) {
    return isOutOfFiles(failure)
  }
}

/** Whether the error comes from SQLite. */
export function isDatabaseError(error: unknown): boolean {
  return error instanceof Database.SqliteError
}

/** Whether the error or its cause is a full or failing disk. That may pass. */
export function isDiskFull(error: unknown): boolean {
  const code = systemCode(error instanceof OperationalError ? error.cause : error)
  return /^(SQLITE_FULL|SQLITE_IOERR.*|ENOSPC|EDQUOT)$/.test(code)
}

/** Why the database cannot be written, in words that the public may read. */
export function whyNotWritten(error: unknown): string {
  const code = systemCode(error)
  if (code === 'SQLITE_FULL') return 'the disk of the database is full'
  if (code.startsWith('SQLITE_READONLY')) return 'the database is read-only'
  if (code.startsWith('SQLITE_BUSY')) return 'another program keeps the database locked'
  return 'the disk of the database fails'
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

export class Store {
  readonly path: string
  readonly listings: ListingTable
  readonly listingWalks: ListingWalks
  readonly evidence: EvidenceTable
  readonly evidenceWalk: EvidenceWalk
  readonly figures: Figures
  readonly evidenceCounters: EvidenceCounterTable
  readonly forgeries: ForgeryTable
  readonly hosts: HostTable
  readonly offenders: OffenderTable
  readonly notices: NoticeTable
  readonly publicEvidence: PublicEvidenceTable
  readonly exemptions: ExceptionTable
  readonly exclusions: ExceptionTable
  readonly traps: TrapTable
  readonly mailboxPositions: MailboxPositionTable
  readonly keys: KeyTable
  readonly idempotency: IdempotencyTable
  readonly removals: RemovalTable
  readonly audit: AuditTable
  readonly journal: JournalTable
  readonly lists: ListTable
  /** The prefixes that the open or the last transaction changed. */
  readonly changed = new ChangedPrefixes()
  readonly #database: Database.Database
  readonly #lock: Lock
  #isAlone: boolean

  /** Takes a database that is locked and migrated already. `openStore` does both. */
  constructor(path: string, database: Database.Database, lock: Lock, isAlone: boolean) {
    this.path = path
    this.#database = database
    this.#lock = lock
    this.#isAlone = isAlone
    this.listings = new ListingTable(database, this.changed)
    this.listingWalks = new ListingWalks(database, this.listings)
    this.lists = new ListTable(database, this.changed)
    this.evidence = new EvidenceTable(database)
    this.evidenceWalk = new EvidenceWalk(database)
    this.figures = new Figures(database)
    this.evidenceCounters = new EvidenceCounterTable(database)
    this.forgeries = new ForgeryTable(database)
    this.hosts = new HostTable(database)
    this.offenders = new OffenderTable(database)
    this.notices = new NoticeTable(database)
    this.publicEvidence = new PublicEvidenceTable(database)
    this.exemptions = new ExceptionTable(database, 'exemptions', this.changed)
    this.exclusions = new ExceptionTable(database, 'exclusions', this.changed)
    this.traps = new TrapTable(database)
    this.mailboxPositions = new MailboxPositionTable(database)
    this.keys = new KeyTable(database)
    this.idempotency = new IdempotencyTable(database)
    this.removals = new RemovalTable(database)
    this.audit = new AuditTable(database)
    this.journal = new JournalTable(database)
  }

  begin(): void {
    this.changed.take()
    this.#database.exec('BEGIN IMMEDIATE')
  }

  /** Returns when the transaction is on disk. */
  commit(): void {
    this.#database.exec('COMMIT')
  }

  /** May be called even if SQLite has rolled back by itself, as it does on a full disk. */
  rollback(): void {
    if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
    this.#reread()
  }

  /**
   * Runs `work` in a transaction of its own and undoes its changes. It must not change lists or exceptions: the tables would go on
   * with what they keep of them in memory.
   */
  rehearse<T>(work: () => T): T {
    this.begin()
    try {
      return work()
    } finally {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
    }
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction
  }

  /** Runs `work` inside the open transaction. If it throws, its changes are undone. */
  attempt(work: () => void): void {
    this.#database.exec('SAVEPOINT attempt')
    let isKept = false
    try {
      work()
      isKept = true
    } finally {
      // On a full disk SQLite may have rolled back the whole transaction. Then there is no savepoint any more.
      if (this.#database.inTransaction) {
        if (!isKept) {
          this.#database.exec('ROLLBACK TO attempt')
          this.#reread()
        }
        this.#database.exec('RELEASE attempt')
      }
    }
  }

  /**
   * Allows other connections. A database that was opened on a full disk allows none, so call this once the disk can be
   * written again.
   */
  letOthersIn(): void {
    if (!this.#isAlone) return
    try {
      // To change from WAL without shared memory to WAL with it, SQLite needs another mode in between.
      this.#database.pragma('journal_mode = DELETE')
      this.#database.pragma('locking_mode = NORMAL')
      this.#database.pragma('journal_mode = WAL')
      this.#isAlone = false
    } catch (error) {
      if (!isDatabaseError(error)) throw error
      this.#database.pragma('locking_mode = EXCLUSIVE')
    }
  }

  /** Makes the tables forget what they keep in memory, since a rollback may have undone it. */
  #reread(): void {
    for (const table of [this.lists, this.exemptions, this.exclusions]) table.reread()
  }

  /** Closes the database and releases the lock. May be called twice. */
  close(): void {
    this.#database.close()
    this.#lock.release()
  }
}
