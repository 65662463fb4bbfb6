// Paths → the messages in them, one after another: message files, mbox files, Maildir folders, standard input. Called
// by the commands that look at mail without a mailbox; nothing is moved, marked or kept.
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { OperationalError } from '../errors.ts'

export interface FoundMessage {
  /** As the path was given, with the file's name below a folder; `-` for standard input. */
  readonly file: string
  /** Which message of that file, from 0. */
  readonly index: number
  readonly raw: Uint8Array
}

/**
 * A folder with cur/ or new/ is a Maildir; of any other folder each file is read. A file is an mbox (RFC 4155) when it
 * begins with a `From ` line, unless its name ends with `.eml`. Throws OperationalError `mailbox-failed` naming what
 * cannot be read, after the messages before it.
 */
export async function* messagesIn(paths: readonly string[]): AsyncGenerator<FoundMessage> {
  for (const path of paths) {
    if (path === '-') yield* messagesOf('-', process.stdin)
    else for (const file of await filesOf(path)) yield* messagesInFile(file)
  }
}

async function* messagesInFile(file: string): AsyncGenerator<FoundMessage> {
  try {
    if (file.endsWith('.eml')) yield { file, index: 0, raw: await readFile(file) }
    else yield* messagesOf(file, createReadStream(file, { highWaterMark: 1024 * 1024 }))
  } catch (error) {
    throw unreadable(file, error)
  }
}

async function filesOf(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path)
    const folders = ['cur', 'new'].filter((name) => names.includes(name))
    const inside = folders.length > 0 ? folders : ['.']
    const files = await Promise.all(inside.map((folder) => filesIn(join(path, folder))))
    return files.flat()
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ name }) => join(folder, name))
    .sort()
}

function unreadable(path: string, error: unknown): OperationalError {
  if (error instanceof OperationalError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new OperationalError('mailbox-failed', `cannot read ${path}: ${why}`, { cause: error })
}

/** One message must fit into memory, a mailbox need not. */
const maxMessageBytes = 256 * 1024 * 1024

/** Splits what begins with a `From ` line at each further one below an empty line; anything else is one message. */
async function* messagesOf(
  file: string,
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<FoundMessage> {
  const chunks: Uint8Array[] = []
  let length = 0
  let index = 0
  for await (const chunk of stream) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxMessageBytes) {
      throw new OperationalError('mailbox-failed', `${file}: message ${index} is over 256 MiB`)
    }
    // Only a chunk that may hold a separator is worth joining all of them; it may begin in the chunk before.
    if (!mayEndMessage(chunks)) continue
    let rest = Buffer.concat(chunks.splice(0))
    for (let end = nextMessage(rest); end >= 0; end = nextMessage(rest)) {
      yield { file, index: index++, raw: unescaped(rest.subarray(0, end)) }
      rest = rest.subarray(end)
    }
    chunks.push(rest)
    length = rest.length
  }
  const rest = Buffer.concat(chunks)
  if (rest.length > 0) yield { file, index, raw: isMailbox(rest) ? unescaped(rest) : rest }
}

function mayEndMessage(chunks: readonly Uint8Array[]): boolean {
  const [first, last] = [chunks[0], chunks.at(-1)]
  if (
    first === undefined ||
    last === undefined ||
    !isMailbox(Buffer.from(first.buffer, first.byteOffset, first.byteLength))
  )
    return false
  const before = chunks.at(-2)?.subarray(-separatorBytes) ?? new Uint8Array()
  return Buffer.concat([before, last]).includes('\nFrom ')
}

const separatorBytes = 300
/** RFC 4155 §A: the sender and asctime's form of the date, a zone before or behind the year. */
const separator =
  /^From \S{0,200}[ \t]{1,8}(mon|tue|wed|thu|fri|sat|sun) (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) [ \d]?\d \d\d:\d\d/i

function isMailbox(octets: Buffer): boolean {
  return octets.subarray(0, 5).toString('latin1') === 'From '
}

/** Offset of the separator that ends the first message, or -1 when none is there yet. */
function nextMessage(octets: Buffer): number {
  if (!isMailbox(octets)) return -1
  for (let at = octets.indexOf('\nFrom '); at >= 0; at = octets.indexOf('\nFrom ', at + 1)) {
    const isBelowEmptyLine = octets[at - 1] === 0x0a || octets[at - 1] === 0x0d
    const line = octets.subarray(at + 1, at + 1 + separatorBytes).toString('latin1')
    if (isBelowEmptyLine && separator.test(line)) return at + 1
  }
  return -1
}

/** A line that begins with `>From ` had one `>` put before it. */
function unescaped(octets: Buffer): Uint8Array {
  if (!octets.includes('\n>From ')) return octets
  return Buffer.from(octets.toString('latin1').replace(/\n>(>{0,20}From )/g, '\n$1'), 'latin1')
}
