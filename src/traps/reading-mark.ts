// Which stored message is taking long to read, in a small file: what a process died of twice is not read a third time.
//
// Line 1 is the SHA-256 of the message, or blanks; it is written in place and nobody syncs it, since it has to outlive the
// process and not the machine. Each further line is a message that stood there when a process died without a signal to
// end, and how often. A message is named once it has taken a while: one that is read like any other is not named, or
// two kills for other reasons would take it for their cause.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'

const nameLength = 64
const deathsAllowed = 2
/** Deaths of so many messages are remembered, the latest ones. */
const maxRemembered = 100

export class ReadingMark {
  /** Names of messages that are not to be read. */
  readonly condemned: readonly string[]
  readonly #path: string
  readonly #descriptor: number
  readonly #deaths: Map<string, number>
  #current = ''
  #isQuiet = false

  /** Counts the death that the file tells of, if any. Throws as node:fs does. */
  constructor(path: string) {
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
    this.#descriptor = openSync(path, 'w', 0o600)
    const rows = [...this.#deaths].map((row) => `${row.join(' ')}\n`)
    this.#write(`${blank}\n${rows.join('')}`)
  }

  /** Names the message, until `clear` is called. */
  name(raw: Uint8Array): void {
    if (this.#isQuiet || this.#current !== '') return
    this.#current = nameOf(raw)
    this.#write(this.#current)
  }

  /** Names nobody. */
  clear(): void {
    if (this.#current === '') return
    this.#current = ''
    this.#write(blank)
  }

  /** Names nobody from now on: the process is about to end as it should. */
  quiet(): void {
    this.clear()
    this.#isQuiet = true
  }

  /** What died before is remembered. */
  close(): void {
    this.quiet()
    closeSync(this.#descriptor)
    if (this.#deaths.size === 0) unlessUnwritable(() => rmSync(this.#path, { force: true }))
  }

  #write(text: string): void {
    unlessUnwritable(() => writeSync(this.#descriptor, text, 0))
  }
}

/** A mark that cannot be written is no reason not to read: a death meanwhile is not counted. */
function unlessUnwritable(write: () => unknown): void {
  try {
    write()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (!/^(ENOSPC|EDQUOT|EROFS|EIO)$/.test(`${code}`)) throw error
  }
}

const blank = ' '.repeat(nameLength)

/** What the mark calls a message: SHA-256 of its octets, in hex. */
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
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
