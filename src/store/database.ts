// Opens the SQLite database: lock, pragmas, schema, and one object for each table with its statements prepared. Called
// by serve, and by the command line when no server runs; what is written goes through blocklist.
import { accessSync, closeSync, constants, openSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { isOutOfFiles, OperationalError } from '../errors.ts'
import type { Address, Prefix } from '../ip/address.ts'
import { type AddressLookup, AddressReader } from './address-lookup.ts'
import { AuditTable } from './audit.ts'
import { EvidenceCounterTable, ForgeryTable } from './day-counters.ts'
import { EvidenceTable } from './evidence.ts'
import { ExceptionTable } from './exceptions.ts'
import { IdempotencyTable } from './idempotency.ts'
import { JournalTable } from './journal.ts'
import { KeyTable } from './keys.ts'
import { ListTable } from './list-versions.ts'
import { ListingWalks } from './listing-walks.ts'
import { ListingTable } from './listings.ts'
import { type Lock, takeLock } from './lock.ts'
import { MailboxPositionTable } from './mailbox-positions.ts'
import { migrate, requireCurrent } from './migrate.ts'
import { ChangedPrefixes } from './prefix-columns.ts'
import { createPrivateFile, requireFile } from './private-file.ts'
import { TrapTable } from './traps.ts'

export interface StoreOptions {
  /** Takes no lock, writes nothing and migrates nothing: for a reader beside the process that has the lock. */
  readonly readOnly?: boolean
}

/** Longest wait for a lock that a stranger (a backup tool, a shell) has on the file: the event loop stands still. */
const busyTimeoutMs = 250

/**
 * Opens or creates the database at `path`; its directory must exist. Throws OperationalError 'database-locked' (who
 * holds it), 'database-newer' (a later program's schema), 'files-exhausted' or 'database-failed'; nothing stays open then.
 */
export function openStore(path: string, options: StoreOptions = {}): Store {
  let lock: Lock | undefined
  let database: Database.Database | undefined
  try {
    if (options.readOnly) {
      requireFile(path)
      database = new Database(path, { readonly: true, timeout: busyTimeoutMs })
      setPragmas(database)
      requireCurrent(database, path)
      return new Store(path, database, undefined, false)
    }
    requireWritableFolder(path)
    // Before SQLite does it: the files that it makes beside this one have its mode.
    createPrivateFile(path)
    // One file, one lock, whatever links lead to it.
    lock = takeLock(realpathSync(path))
    database = new Database(path, { timeout: busyTimeoutMs })
    let isAlone = false
    try {
      database.pragma('journal_mode = WAL')
    } catch (error) {
      if (!isDiskFull(error)) throw error
      // Memory that several connections share would take a file beside the database, which has no room.
      database.close()
      database = new Database(path, { timeout: busyTimeoutMs })
      database.pragma('locking_mode = EXCLUSIVE')
      database.pragma('journal_mode = WAL')
      isAlone = true
    }
    setPragmas(database)
    migrate(database, path)
    return new Store(path, database, lock, isAlone)
  } catch (error) {
    database?.close()
    lock?.release()
    throw databaseFailure(error, `${path}: cannot be opened`)
  }
}

/** SQLite would say of a read-only disk, long after, that some file cannot be opened. */
function requireWritableFolder(path: string): void {
  const folder = dirname(path)
  try {
    accessSync(folder, constants.W_OK)
  } catch (error) {
    const code = systemCode(error)
    if (code !== 'EROFS' && code !== 'EACCES') throw error
    const why = code === 'EROFS' ? 'its disk is read-only' : 'this user has no right to'
    const message = `${path}: cannot be opened: the folder ${folder} cannot be written to: ${why}`
    throw new OperationalError('database-failed', message, { cause: error })
  }
}

/**
 * The error as an OperationalError: 'database-failed' with `what` in front, or 'files-exhausted', unless it is one
 * already.
 */
export function databaseFailure(error: unknown, what: string): OperationalError {
  if (error instanceof OperationalError) return error
  const why = error instanceof Error ? error.message : String(error)
  const code = hasNoFileLeft(error) ? 'files-exhausted' : 'database-failed'
  return new OperationalError(code, `${what}: ${why}`, { cause: error })
}

/** SQLite says that it cannot open a file, and not why: so another one is tried. */
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

/** Whether SQLite itself failed, as against a bug of ours. */
export function isDatabaseError(error: unknown): boolean {
  return error instanceof Database.SqliteError
}

/** Whether a write had no room on the disk or failed there, which may be over soon, by the error or its cause. */
export function isDiskFull(error: unknown): boolean {
  const code = systemCode(error instanceof OperationalError ? error.cause : error)
  return /^(SQLITE_FULL|SQLITE_IOERR.*|ENOSPC|EDQUOT)$/.test(code)
}

/** Why the database cannot be written, in words that anyone may read. */
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
  readonly evidenceCounters: EvidenceCounterTable
  readonly forgeries: ForgeryTable
  readonly exemptions: ExceptionTable
  readonly exclusions: ExceptionTable
  readonly traps: TrapTable
  readonly mailboxPositions: MailboxPositionTable
  readonly keys: KeyTable
  readonly idempotency: IdempotencyTable
  readonly audit: AuditTable
  readonly journal: JournalTable
  readonly lists: ListTable
  /** What the open transaction changed, or the last one. */
  readonly changed = new ChangedPrefixes()
  readonly #database: Database.Database
  readonly #lock: Lock | undefined
  readonly #addressLookup: AddressReader
  #isAlone: boolean
  readonly #statements: Record<
    'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'undo',
    Database.Statement<[]>
  >

  /** For `openStore` alone. */
  constructor(path: string, database: Database.Database, lock: Lock | undefined, isAlone: boolean) {
    this.path = path
    this.#database = database
    this.#lock = lock
    this.#isAlone = isAlone
    this.listings = new ListingTable(database, this.changed)
    this.listingWalks = new ListingWalks(database, this.listings)
    this.lists = new ListTable(database, this.changed)
    this.#addressLookup = new AddressReader(path, this.listings)
    if (isAlone) this.#addressLookup.readBy(database)
    this.evidence = new EvidenceTable(database)
    this.evidenceCounters = new EvidenceCounterTable(database)
    this.forgeries = new ForgeryTable(database)
    this.exemptions = new ExceptionTable(database, 'exemptions', this.changed)
    this.exclusions = new ExceptionTable(database, 'exclusions', this.changed)
    this.traps = new TrapTable(database)
    this.mailboxPositions = new MailboxPositionTable(database)
    this.keys = new KeyTable(database)
    this.idempotency = new IdempotencyTable(database)
    this.audit = new AuditTable(database)
    this.journal = new JournalTable(database)
    this.#statements = {
      begin: database.prepare('BEGIN IMMEDIATE'),
      commit: database.prepare('COMMIT'),
      rollback: database.prepare('ROLLBACK'),
      savepoint: database.prepare('SAVEPOINT attempt'),
      release: database.prepare('RELEASE attempt'),
      undo: database.prepare('ROLLBACK TO attempt'),
    }
  }

  begin(): void {
    this.changed.take()
    this.#statements.begin.run()
  }

  /** On disk when it returns. */
  commit(): void {
    this.#statements.commit.run()
    this.#addressLookup.renew()
  }

  /** Safe to call when SQLite, out of disk, has rolled back by itself. */
  rollback(): void {
    if (this.#database.inTransaction) this.#statements.rollback.run()
    this.lists.reread()
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction
  }

  /** Runs `work` inside the open transaction. Whatever it changed is undone when it throws. */
  attempt(work: () => void): void {
    this.#statements.savepoint.run()
    let isKept = false
    try {
      work()
      isKept = true
    } finally {
      // SQLite may have rolled the whole transaction back (disk full): then there is no savepoint left.
      if (this.#database.inTransaction) {
        if (!isKept) {
          this.#statements.undo.run()
          this.lists.reread()
        }
        this.#statements.release.run()
      }
    }
  }

  /**
   * To be called when something was written. A database that was opened on a full disk lets no other connection in; from
   * now on it does, if there is room for that.
   */
  letOthersIn(): void {
    if (!this.#isAlone) return
    try {
      // Without shared memory its mode can only be left by way of another one.
      this.#database.pragma('journal_mode = DELETE')
      this.#database.pragma('locking_mode = NORMAL')
      this.#database.pragma('journal_mode = WAL')
      this.#addressLookup.readBy(undefined)
      this.#isAlone = false
    } catch (error) {
      if (!isDatabaseError(error)) throw error
      this.#database.pragma('locking_mode = EXCLUSIVE')
    }
  }

  /** What listings say of the address, and whether there is evidence from the network. */
  addressLookup(address: Address, network: Prefix): AddressLookup {
    return this.#addressLookup.read(address, network)
  }

  /** Copies the database, consistently and while it is being written to, to a new file. */
  async backup(file: string): Promise<void> {
    try {
      await this.#database.backup(file)
    } catch (error) {
      throw databaseFailure(error, `${file}: cannot be written`)
    }
  }

  /** Ends everything and frees the lock. Idempotent. */
  close(): void {
    this.#addressLookup.close()
    this.#database.close()
    this.#lock?.release()
  }
}

/** WAL alone would sync only at checkpoints, and an acknowledged commit could be lost with the power. */
function setPragmas(database: Database.Database): void {
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
}
