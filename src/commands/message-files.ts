// Paths → the messages in them, one after another: message files, mbox files, Maildir folders, standard input. Called
// by the commands that look at mail without a mailbox; nothing is moved, marked or kept.
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { OperationalError } from '../errors.ts'
import { isMbox, type MboxMessage, MboxSplitter } from '../traps/mbox-splitter.ts'

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

async function* messagesOf(
  file: string,
  stream: AsyncIterable<Buffer>,
): AsyncGenerator<FoundMessage> {
  let index = 0
  const found = ({ content }: MboxMessage): FoundMessage => {
    if (content === null) throw tooLarge(file, index)
    return { file, index: index++, raw: content }
  }
  let splitter: MboxSplitter | null = null
  const whole: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    if (length === 0 && isMbox(chunk)) splitter = new MboxSplitter(0, maxMessageBytes)
    length += chunk.length
    if (splitter !== null) yield* splitter.push(chunk).map(found)
    else if (length > maxMessageBytes) throw tooLarge(file, index)
    else whole.push(chunk)
  }
  if (splitter !== null) yield* splitter.end().map(found)
  else if (length > 0) yield { file, index, raw: Buffer.concat(whole) }
}

function tooLarge(file: string, index: number): OperationalError {
  return new OperationalError('mailbox-failed', `${file}: message ${index} is over 256 MiB`)
}
