// Which stored message is being read, in a small file: what a process died of twice is not read a third time.
//
// Line 1 is the SHA-256 of the message under way, or blanks; the thread writes it in place and nobody syncs it, since it
// has to outlive the process and not the machine. Each further line is a message that was under way when a process died
// without a signal to end, and how often.
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

/** For the thread that reads. */
export interface MarkFile {
  /** undefined: there is no file. */
  readonly descriptor: number | undefined
  /** SHA-256 in hex of the octets of messages that are not to be read. */
  readonly condemned: readonly string[]
}

const nameLength = 64
const deathsAllowed = 2
/** Deaths of so many messages are remembered, the latest ones. */
const maxRemembered = 100

export class ReadingMark {
  readonly file: MarkFile
  readonly #path: string
  readonly #deaths: Map<string, number>

  /**
   * Counts the death that the file tells of, if any. Where it cannot be written, on a full disk say, nothing is named: then
   * a message that ends the process is read again.
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
    const rows = [...this.#deaths].map((row) => `${row.join(' ')}\n`)
    const condemned = [...deaths].filter(([, count]) => count >= deathsAllowed)
    let descriptor: number | undefined
    try {
      descriptor = write(path, `${blank}\n${rows.join('')}`)
    } catch (error) {
      log.warn({ err: error }, 'it cannot be written down which message is being read')
    }
    this.file = { descriptor, condemned: condemned.map(([name]) => name) }
  }

  /** Names nobody as being read: the thread has been ended, or is not to be blamed. */
  clear(): void {
    markReading(this.file.descriptor, '')
  }

  /** To be called when no thread writes it: the process ends as it should. What died before is remembered. */
  close(): void {
    const { descriptor } = this.file
    if (descriptor === undefined) return
    this.clear()
    closeSync(descriptor)
    if (this.#deaths.size === 0) rmSync(this.#path, { force: true })
  }
}

const blank = ' '.repeat(nameLength)

/** Writes which message is being read; '' for none. Never throws: it is no message's fault that it cannot be written. */
export function markReading(descriptor: number | undefined, name: string): void {
  if (descriptor === undefined) return
  try {
    writeSync(descriptor, name.padEnd(nameLength), 0)
  } catch {
    // Where the disk has no room there is no mark.
  }
}

/** In place, as that takes no room on a full disk; what is no file makes way, and a link is not followed. */
function write(path: string, text: string): number {
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
