// A Maildir folder → its new messages. Accepted messages go to cur/ with the flag Seen. A message for no trap belongs to somebody
// else: it stays in new/, and this process does not read it again unless one of its recipients becomes a trap. A message over the
// size limit is moved like an accepted one, so it is seen once.
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, opendir, rename } from 'node:fs/promises'
import { codeOf, messageOf } from '../errors.ts'
import {
  faultOf,
  isOfOneMessage,
  type Mailbox,
  type MailboxContext,
  MailboxError,
  type MailboxMessage,
  type MessageName,
  mailboxError,
  mailboxErrors,
  PassedOver,
} from './mailbox.ts'

interface MaildirOptions extends MailboxContext {
  readonly name: string
  /** The folder that holds new/ and cur/. */
  readonly path: string
  /** Larger files are not read. */
  readonly maxBytes: number
}

const notRegular = 'not a regular file'

/** Why the system does not let this process move a message, although the folder is there. */
const isDenied = /^(EACCES|EPERM|EROFS)$/

/** At most this many names are in memory; a folder with more is listed again. */
const namesAtOnce = 50_000
/** How many names are read from the folder at a time. */
const namesRead = 1000

export class Maildir implements Mailbox {
  readonly #options: MaildirOptions
  /** Keyed by file name. */
  #passedOver = new PassedOver<string>()
  #unreadable = new Set<string>()
  /** Handled messages whose names are too long to add the flag that cur/ needs. */
  #immovable = new Set<string>()
  /** Handled messages that this process was not allowed to move. */
  #unmoved = new Set<string>()

  constructor(options: MaildirOptions) {
    this.#options = options
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    const look = await this.#passedOver.look(this.#options.trapsAmong)
    const unreadable = new Set<string>()
    const immovable = new Set<string>()
    const unmoved = new Set<string>()
    const isWaiting = (name: string): boolean => {
      if (this.#unreadable.has(name)) unreadable.add(name)
      if (this.#immovable.has(name)) immovable.add(name)
      if (this.#unmoved.has(name)) unmoved.add(name)
      return look.isWaiting(name) && !this.#immovable.has(name)
    }
    let names = await this.#newNames('', isWaiting)
    this.#passedOver = look.stillThere
    this.#unreadable = unreadable
    this.#immovable = immovable
    this.#unmoved = unmoved
    for (;;) {
      for (const name of names) {
        const message = await (unmoved.has(name) ? this.#moveAgain(name) : this.#read(name))
        if (message !== null) yield message
      }
      const last = names.at(-1)
      if (last === undefined || names.length < namesAtOnce) return
      names = await this.#newNames(last, isWaiting)
    }
  }

  async accept({ id, place }: MessageName): Promise<void> {
    try {
      await mkdir(this.#folder('cur'), { recursive: true, mode: 0o700 })
      await rename(this.#file('new', id), await this.#freeName(acceptedName(id)))
      this.#unmoved.delete(id)
    } catch (error) {
      const code = codeOf(error)
      // Another program has moved it; its evidence is recorded.
      if (code === 'ENOENT' && !(await this.#exists(this.#file('new', id)))) return
      // Only this file has the problem, not the folder. Its evidence is recorded, so the file can stay.
      if (code === 'ENAMETOOLONG') {
        this.#immovable.add(id)
        return this.#logStuck(id, place, 'its name is too long to add the flag that cur needs')
      }
      const failed = 'cannot move a message to cur'
      if (!isDenied.test(code)) throw this.#failed(failed, error)
      if (!this.#unmoved.has(id)) this.#logStuck(id, place, mailboxErrors[faultOf(error)])
      this.#unmoved.add(id)
      const fault = code === 'EROFS' ? 'read-only' : 'messages-unreadable'
      const { name } = this.#options
      throw new MailboxError(name, fault, `${failed}: ${messageOf(error)}`, { cause: error })
    }
  }

  passOver({ id }: MessageName, recipients: readonly string[]): void {
    this.#passedOver.add(id, recipients)
  }

  /**
   * The first waiting names after `last`, sorted; in a Maildir that is the order of delivery. Names are octets, held as Latin-1
   * so that none is lost.
   */
  async #newNames(last: string, isWaiting: (name: string) => boolean): Promise<string[]> {
    const options = { encoding: 'latin1', bufferSize: namesRead } as const
    let names: string[] = []
    const keepFirst = (): void => {
      names = names.sort().slice(0, namesAtOnce)
    }
    try {
      for await (const { name } of await opendir(this.#folder('new'), options)) {
        if (name.startsWith('.') || name <= last || !isWaiting(name)) continue
        if (names.push(name) === 2 * namesAtOnce) keepFirst()
      }
    } catch (error) {
      throw this.#failed('cannot read the folder new', error)
    }
    keepFirst()
    return names
  }

  /** Moves a message that was handled at an earlier poll. */
  async #moveAgain(id: string): Promise<MailboxMessage | null> {
    const place = await this.#placeOf(id)
    try {
      await this.accept({ id, place })
      return null
    } catch (error) {
      if (!isOfOneMessage(error)) throw error
      return { id, place, unreadable: error.fault, detail: error.detail }
    }
  }

  async #read(id: string): Promise<MailboxMessage | null> {
    const { maxBytes } = this.#options
    try {
      // A FIFO must not block us, and a symbolic link must not lead us elsewhere.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
      await using file = await open(this.#file('new', id), flags)
      const stats = await file.stat()
      if (!stats.isFile()) return await this.#cannotRead(id, notRegular)
      const { size, mtimeMs, ino } = stats
      const place = `inode ${ino}`
      if (size > maxBytes) {
        return { id, place, refused: `its ${size} octets are more than the ${maxBytes} allowed` }
      }
      const raw = await readOctets(file, size)
      return { id, place, raw, storedAt: Math.floor(mtimeMs / 1000) }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      // With these flags, opening a symbolic link fails with ELOOP, and opening a socket with ENXIO.
      const fault = faultOf(error)
      if (fault === 'wrong-type') return await this.#cannotRead(id, notRegular, error)
      await this.#cannotRead(id, mailboxErrors[fault], error)
      const place = await this.#placeOf(id)
      return { id, place, unreadable: 'messages-unreadable', detail: messageOf(error) }
    }
  }

  #logStuck(id: string, place: string, why: string): void {
    const { name, log } = this.#options
    log.warn({ mailbox: name, message: place, why }, 'message left in new')
    log.debug({ mailbox: name, message: place, file: id }, 'message left in new: file name')
  }

  /** Logs why a message is skipped, unless that was logged at an earlier poll. */
  async #cannotRead(id: string, why: string, err?: unknown): Promise<null> {
    if (this.#unreadable.has(id)) return null
    this.#unreadable.add(id)
    const { name, log } = this.#options
    const message = await this.#placeOf(id)
    log.warn({ mailbox: name, message, why }, 'message skipped')
    log.debug({ mailbox: name, message, file: id, err }, 'message skipped: file name')
    return null
  }

  /** A file name may contain anything, so the default log shows the inode instead (find it with `find -inum`). */
  async #placeOf(id: string): Promise<string> {
    const inode = await lstat(this.#file('new', id)).then(
      ({ ino }) => ino,
      () => 'unknown',
    )
    return `inode ${inode}`
  }

  async #freeName(name: string): Promise<Buffer> {
    const wanted = this.#file('cur', name)
    if (!(await this.#exists(wanted))) return wanted
    // Two deliveries with one name break the rules of a Maildir. A rename would then silently replace the older message.
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

/** Reads the first `size` octets, also if the file grows meanwhile; returns fewer if the file has become shorter. */
async function readOctets(file: FileHandle, size: number): Promise<Uint8Array> {
  const octets = Buffer.allocUnsafeSlow(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await file.read(octets, length, size - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return octets.subarray(0, length)
}

/** Adds the flag S: `1.a.host` → `1.a.host:2,S`. Other flags stay; all are in ASCII order, as Maildir requires. */
function acceptedName(name: string): string {
  const [base = name, flags = ''] = name.split(':2,')
  return `${base}:2,${[...new Set(`${flags}S`)].sort().join('')}`
}
