// Keeps in a small file which stored message takes long to read. If the process dies twice on the same message, that message is
// not read again.
//
// Line 1 is the SHA-256 of the current message, or blanks. It is written in place and not synced: it must survive a crash of the
// process, not of the machine. Each further line has a message at which a process died, and how often. A process that was told to
// end does not count. A message is named only after it has taken long, since a process may also be killed for other reasons.
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { codeOf, type Logger, silent } from '../errors.ts'

const nameLength = 64
const deathsAllowed = 2
/** The file keeps this many messages at which a process died, the latest ones. */
const maxRemembered = 100

export class ReadingMark {
  /** Names of messages that must not be read. */
  readonly condemned: readonly string[]
  readonly #path: string
  /** undefined if the file cannot be written. Then no message is named. */
  #descriptor: number | undefined
  readonly #deaths: Map<string, number>
  #current = ''
  #isQuiet = false

  /**
   * If the file names a message, counts one death for it. If the file cannot be written, for example on a full disk, no message
   * is named from then on.
   */
  constructor(path: string, log: Logger = silent) {
    this.#path = path
    const { current, deaths } = read(path)
    if (current !== '') {
      const count = (deaths.get(current) ?? 0) + 1
      deaths.delete(current)
      deaths.set(current, count)
    }
    this.#deaths = new Map([...deaths].slice(-maxRemembered))
    this.condemned = [...this.#deaths].flatMap(([name, count]) =>
      count >= deathsAllowed ? [name] : [],
    )
    const rows = [...this.#deaths].map((row) => `${row.join(' ')}\n`)
    try {
      this.#descriptor = create(path, `${blank}\n${rows.join('')}`)
    } catch (error) {
      log.warn(
        { err: error },
        'cannot write the file that names a message which takes long to read',
      )
    }
  }

  /** Names the message until clear() is called. */
  name(raw: Uint8Array): void {
    if (this.#isQuiet || this.#current !== '') return
    this.#current = nameOf(raw)
    this.#write(this.#current)
  }

  /** Removes the current message's name. */
  clear(): void {
    if (this.#current === '') return
    this.#current = ''
    this.#write(blank)
  }

  /** Names no message any more; to be called when the process is told to end. */
  quiet(): void {
    this.clear()
    this.#isQuiet = true
  }

  /** Closes the file; deaths counted earlier stay in it. */
  close(): void {
    this.quiet()
    if (this.#descriptor === undefined) return
    closeSync(this.#descriptor)
    this.#descriptor = undefined
    if (this.#deaths.size === 0) unlessUnwritable(() => rmSync(this.#path, { force: true }))
  }

  #write(text: string): void {
    const descriptor = this.#descriptor
    if (descriptor !== undefined) unlessUnwritable(() => writeSync(descriptor, text, 0))
  }
}

const blank = ' '.repeat(nameLength)

/** Ignores disk errors: a message is read although its name cannot be written. */
function unlessUnwritable(write: () => unknown): void {
  try {
    write()
  } catch (error) {
    if (!/^(ENOSPC|EDQUOT|EROFS|EIO)$/.test(codeOf(error))) throw error
  }
}

/**
 * Creates the file, or overwrites it in place, which needs no room on a full disk. Anything else at that path is removed first; a
 * symbolic link is not followed.
 */
function create(path: string, text: string): number {
  if (!isFile(path)) rmSync(path, { force: true })
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW
  const descriptor = openSync(path, flags, 0o600)
  try {
    writeSync(descriptor, text, 0)
    ftruncateSync(descriptor, text.length)
    return descriptor
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** The name of a message in the file: the SHA-256 of its octets, in hex. */
export function nameOf(raw: Uint8Array): string {
  return createHash('sha256').update(raw).digest('hex')
}

function read(path: string): { current: string; deaths: Map<string, number> } {
  const [first = '', ...rows] = textOf(path).split('\n')
  const named = rows.flatMap((row) => {
    const [, name, count] = /^([0-9a-f]{64}) (\d{1,3})$/.exec(row) ?? []
    return name === undefined ? [] : [[name, Number(count)] as const]
  })
  return { current: /^[0-9a-f]{64}$/.test(first) ? first : '', deaths: new Map(named) }
}

function textOf(path: string): string {
  try {
    // Reading a FIFO would block.
    return isFile(path) ? readFileSync(path, 'latin1') : ''
  } catch {
    return ''
  }
}
