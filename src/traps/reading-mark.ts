// Which stored message is being read, in a small file: what a process died of twice is not read a third time.
//
// Line 1 is the SHA-256 of the message under way, or blanks; the thread writes it in place and nobody syncs it, since it
// has to outlive the process and not the machine. Each further line is a message that was under way when a process died
// without a signal to end, and how often. A disk that takes no writes (full, read-only) is no fault of a message, and
// keeps none from being read: what cannot be written is left out.
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'

/** For the thread that reads. */
export interface MarkFile {
  readonly descriptor: number
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

  /** Counts the death that the file tells of, if any. Throws as node:fs does when the file cannot be opened. */
  constructor(path: string) {
    this.#path = path
    const { current, deaths } = read(path)
    if (current !== '') {
      const count = (deaths.get(current) ?? 0) + 1
      deaths.delete(current)
      deaths.set(current, count)
    }
    this.#deaths = new Map([...deaths].slice(-maxRemembered))
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    const condemned = [...deaths].filter(([, count]) => count >= deathsAllowed)
    this.file = { descriptor, condemned: condemned.map(([name]) => name) }
    const rows = [...this.#deaths].map((row) => `${row.join(' ')}\n`)
    const text = `${blank}\n${rows.join('')}`
    unlessUnwritable(() => {
      writeSync(descriptor, text, 0)
      ftruncateSync(descriptor, text.length)
    })
  }

  /** Names nobody as being read: the thread has been ended, or is not to be blamed. */
  clear(): void {
    markReading(this.file.descriptor, '')
  }

  /** To be called when no thread writes it: the process ends as it should. What died before is remembered. */
  close(): void {
    this.clear()
    closeSync(this.file.descriptor)
    if (this.#deaths.size === 0) unlessUnwritable(() => rmSync(this.#path, { force: true }))
  }
}

const blank = ' '.repeat(nameLength)

/** Writes which message is being read; '' for none. */
export function markReading(descriptor: number, name: string): void {
  unlessUnwritable(() => writeSync(descriptor, name.padEnd(nameLength), 0))
}

function unlessUnwritable(write: () => unknown): void {
  try {
    write()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (!/^(ENOSPC|EDQUOT|EROFS|EIO)$/.test(`${code}`)) throw error
  }
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
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
