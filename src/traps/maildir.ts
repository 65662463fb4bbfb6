// A Maildir folder → its new messages; accepted ones go to cur/ with the flag Seen.
// A message for no trap is somebody else's: it stays in new/ as it is, and is not read again by this process unless
// one of its recipients becomes a trap. What is too big is moved like an accepted message, so that it is seen once.
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, rename } from 'node:fs/promises'
import type { Logger } from '../errors.ts'
import type { Mailbox, MailboxMessage, MessageName, TrapsAmong } from './mailbox.ts'
import { codeOf, faultOf, type MailboxError, mailboxError, mailboxErrors } from './mailbox-error.ts'

export interface MaildirOptions {
  readonly name: string
  /** The folder that holds new/ and cur/. */
  readonly path: string
  /** A larger file is not read. */
  readonly maxBytes: number
  readonly trapsAmong: TrapsAmong
  readonly log: Logger
}

const notRegular = 'not a regular file'

/** More passed-over messages than this are read again at each poll: a folder of other people's mail is no trap box. */
const maxPassedOver = 100_000

export class Maildir implements Mailbox {
  readonly #options: MaildirOptions
  /** File name → the recipients that were no traps. */
  #passedOver = new Map<string, readonly string[]>()
  #unreadable = new Set<string>()
  /** Done with, but their names leave no room for the flag that cur/ wants. */
  #immovable = new Set<string>()

  constructor(options: MaildirOptions) {
    this.#options = options
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    const names = await this.#newNames()
    const isThere = new Set(names)
    this.#passedOver = new Map([...this.#passedOver].filter(([name]) => isThere.has(name)))
    this.#unreadable = new Set([...this.#unreadable].filter((name) => isThere.has(name)))
    this.#immovable = new Set([...this.#immovable].filter((name) => isThere.has(name)))
    const traps = await this.#options.trapsAmong([...this.#passedOver.values()].flat())
    for (const name of names) {
      if (this.#immovable.has(name)) continue
      const known = this.#passedOver.get(name)
      if (known !== undefined && !known.some((each) => traps.has(each))) continue
      const message = await this.#read(name)
      if (message !== null) yield message
    }
  }

  async accept({ id, place }: MessageName): Promise<void> {
    try {
      await mkdir(this.#folder('cur'), { recursive: true, mode: 0o700 })
      await rename(this.#file('new', id), await this.#freeName(acceptedName(id)))
    } catch (error) {
      // Somebody else took it, and its evidence is kept.
      if (codeOf(error) === 'ENOENT' && !(await this.#exists(this.#file('new', id)))) return
      // This one's fault, not the folder's: its evidence is kept, and no later poll needs it.
      if (codeOf(error) === 'ENAMETOOLONG') this.#stuck(id, place)
      else throw this.#failed('cannot move a message to cur', error)
    }
  }

  passOver({ id }: MessageName, recipients: readonly string[]): void {
    if (this.#passedOver.size < maxPassedOver) this.#passedOver.set(id, recipients)
  }

  /** Sorted, which in a Maildir is by time of delivery. Names are octets: kept as Latin-1, which loses none. */
  async #newNames(): Promise<string[]> {
    try {
      const names = await readdir(this.#folder('new'), { encoding: 'buffer' })
      return names
        .map((name) => name.toString('latin1'))
        .filter((name) => !name.startsWith('.'))
        .sort()
    } catch (error) {
      throw this.#failed('cannot read the folder new', error)
    }
  }

  async #read(id: string): Promise<MailboxMessage | null> {
    const { maxBytes } = this.#options
    try {
      // A FIFO must not block us, and a link must not lead elsewhere.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
      await using file = await open(this.#file('new', id), flags)
      const { size, mtimeMs, ino, isFile } = await file.stat().then((stats) => ({
        size: stats.size,
        mtimeMs: stats.mtimeMs,
        ino: stats.ino,
        isFile: stats.isFile(),
      }))
      if (!isFile) return await this.#cannotRead(id, notRegular)
      const place = `inode ${ino}`
      if (size > maxBytes) {
        return { id, place, refused: `its ${size} octets are more than the ${maxBytes} allowed` }
      }
      const raw = await file.readFile()
      return { id, place, raw, storedAt: Math.floor(mtimeMs / 1000) }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      // O_NOFOLLOW answers a link with ELOOP, and what has no reader with ENXIO.
      const fault = faultOf(error)
      return await this.#cannotRead(
        id,
        fault === 'wrong-type' ? notRegular : mailboxErrors[fault],
        error,
      )
    }
  }

  #stuck(id: string, place: string): void {
    const { name, log } = this.#options
    this.#immovable.add(id)
    const why = 'its name is too long for the flag that cur wants'
    log.warn({ mailbox: name, message: place, why }, 'message left in new')
    log.debug({ mailbox: name, message: place, file: id }, 'message left in new: its file')
  }

  /** A file's name is free text: the default log has the inode in its place (`find -inum`). */
  async #cannotRead(id: string, why: string, err?: unknown): Promise<null> {
    if (this.#unreadable.has(id)) return null
    this.#unreadable.add(id)
    const { name, log } = this.#options
    const inode = await lstat(this.#file('new', id)).then(
      ({ ino }) => ino,
      () => 'unknown',
    )
    const message = `inode ${inode}`
    log.warn({ mailbox: name, message, why }, 'message skipped')
    log.debug({ mailbox: name, message, file: id, err }, 'message skipped: its file')
    return null
  }

  async #freeName(name: string): Promise<Buffer> {
    const wanted = this.#file('cur', name)
    if (!(await this.#exists(wanted))) return wanted
    // Two deliveries of one name break the rules of a Maildir; a rename would silently replace the older message.
    const [base = '', flags = ''] = name.split(':2,')
    return this.#file('cur', `${base}.${Date.now()}_${process.pid}:2,${flags}`)
  }

  async #exists(file: Buffer): Promise<boolean> {
    return await lstat(file).then(
      () => true,
      () => false,
    )
  }

  #folder(name: 'new' | 'cur'): string {
    return `${this.#options.path}/${name}`
  }

  #file(folder: 'new' | 'cur', id: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#folder(folder)}/`), Buffer.from(id, 'latin1')])
  }

  #failed(what: string, cause: unknown): MailboxError {
    const { name, path } = this.#options
    return mailboxError(name, `${what} of ${path}`, cause)
  }
}

/** `1.a.host` → `1.a.host:2,S`; flags that it has stay, in ASCII order as the Maildir rules want them. */
function acceptedName(name: string): string {
  const [base = name, flags = ''] = name.split(':2,')
  return `${base}:2,${[...new Set(`${flags}S`)].sort().join('')}`
}
