// Keeps in a small file which stored message takes long to read. A message that the process died of twice is not read again.
//
// Line 1 is the SHA-256 of the message, or blanks; it is written in place and nobody syncs it, since it has to outlive the
// process and not the machine. Each further line is a message that stood there when a process died without a signal to
// end, and how often. A message is named once it has taken a while: one that is read like any other is not named, or
// two kills for other reasons would take it for their cause.
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
import { type Logger, silent } from '../errors.ts'

const nameLength = 64
const deathsAllowed = 2
/** The file keeps the deaths of this many messages, the latest ones. */
const maxRemembered = 100

export class ReadingMark {
  /** Names of messages that are not to be read. */
  readonly condemned: readonly string[]
  readonly #path: string
  /** undefined: the file cannot be written, so no message is named. */
  #descriptor: number | undefined
  readonly #deaths: Map<string, number>
  #current = ''
  #isQuiet = false

  /**
   * Counts the death that the file tells of, if any. Where it cannot be written, on a full disk say, nobody is named: then a
   * message that ends the process is read again.
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
      log.warn({ err: error }, 'it cannot be written down which message takes long to read')
    }
  }

  /** Names the message, until `clear` is called. */
  name(raw: Uint8Array): void {
    if (this.#isQuiet || this.#current !== '') return
    this.#current = nameOf(raw)
    this.#write(this.#current)
  }

  /** Takes the name out again. */
  clear(): void {
    if (this.#current === '') return
    this.#current = ''
    this.#write(blank)
  }

  /** Names no message any more: the process is about to end as it should. */
  quiet(): void {
    this.clear()
    this.#isQuiet = true
  }

  /** Closes the file; earlier deaths stay in it. */
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

/** A mark that cannot be written is no reason not to read: a death meanwhile is not counted. */
function unlessUnwritable(write: () => unknown): void {
  try {
    write()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (!/^(ENOSPC|EDQUOT|EROFS|EIO)$/.test(`${code}`)) throw error
  }
}

/** Writes in place, which needs no room on a full disk. Anything but a file is removed first; a link is not followed. */
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

/** The name of a message in the file: SHA-256 of its octets, in hex. */
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
    // A FIFO would be waited for.
    return isFile(path) ? readFileSync(path, 'latin1') : ''
  } catch {
    return ''
  }
}
