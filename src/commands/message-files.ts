// Reads the messages in message files, mbox files, Maildir folders or standard input, one after another. Moves and changes no
// file.
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { fileFault, OperationalError } from '../errors.ts'
import { wallClockSeconds } from '../quantity.ts'
import { findExtent } from '../traps/mbox.ts'
import { isMbox, longestFromLine, type MboxMessage, MboxSplitter } from '../traps/mbox-splitter.ts'

export interface FoundMessage {
  /** The given path, followed by the file's name if the path is a folder. `-` for standard input. */
  readonly file: string
  /** The number of the message in that file, from 0. */
  readonly index: number
  readonly raw: Uint8Array
  /** When the file was last changed, in epoch seconds. */
  readonly storedAt: number
}

/** The values of `--mailbox`. */
export type MailboxType = 'maildir' | 'mbox' | 'eml'

/**
 * Yields the messages of all paths. Without `type`, a folder with cur/ or new/ is a Maildir, and any other folder holds
 * message files. A file that begins with a `From ` line is an mbox (RFC 4155), gzipped or not, unless its name ends with
 * `.eml`. Throws OperationalError `mailbox-failed` at a file that cannot be read, after yielding the messages before it.
 */
export async function* messagesIn(
  paths: readonly string[],
  type?: MailboxType,
): AsyncGenerator<FoundMessage> {
  for (const path of paths) {
    if (path === '-') {
      const storedAt = wallClockSeconds()
      yield* messagesOf({ file: '-', storedAt }, process.stdin)
    } else for (const file of await filesOf(path, type)) yield* messagesInFile(file, type)
  }
}

/** Estimates the octets of all these messages from the sizes of the files. Throws as `messagesIn` does. */
export async function octetsIn(paths: readonly string[], type?: MailboxType): Promise<number> {
  let octets = 0
  for (const path of paths.filter((each) => each !== '-')) {
    for (const file of await filesOf(path, type)) octets += await octetsOf(file)
  }
  return octets
}

/** The size of a file once unzipped. For gzip that is ISIZE (RFC 1952 §2.3.1), right if it has one member under 4 GiB. */
async function octetsOf(file: string): Promise<number> {
  const { size } = await stat(file)
  if (!(await isZipped(file))) return size
  await using handle = await open(file)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, Math.max(size - 4, 0))
  return bytesRead === 4 ? Math.max(size, buffer.readUInt32LE()) : size
}

type Source = Pick<FoundMessage, 'file' | 'storedAt'>

async function* messagesInFile(
  file: string,
  type: MailboxType | undefined,
): AsyncGenerator<FoundMessage> {
  try {
    const source = { file, storedAt: Math.floor((await stat(file)).mtimeMs / 1000) }
    const isOne = type === undefined ? file.endsWith('.eml') : type !== 'mbox'
    if (isOne) yield { ...source, index: 0, raw: await readFile(file) }
    else if (await isZipped(file)) yield* messagesInZip(source)
    else if (isMbox(await beginningOf(file, longestFromLine))) yield* messagesInMbox(source)
    else yield* messagesOf(source, createReadStream(file, { highWaterMark: chunkBytes }))
  } catch (error) {
    throw unreadable(file, error)
  }
}

const chunkBytes = 256 * 1024

/** Whether the file begins as gzip does (RFC 1952 §2.3.1). */
async function isZipped(file: string): Promise<boolean> {
  return (await beginningOf(file, 2)).equals(Buffer.from([0x1f, 0x8b]))
}

async function beginningOf(file: string, length: number): Promise<Buffer> {
  await using handle = await open(file)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0)
  return buffer.subarray(0, bytesRead)
}

/** A mailer may be writing to the file. So the last message is read only if the file no longer changes. */
async function* messagesInMbox(source: Source): AsyncGenerator<FoundMessage> {
  await using extent = await findExtent(source.file, { mustBeWhole: true })
  yield* messagesOf(source, extent.pieces(0, Buffer.allocUnsafeSlow(chunkBytes)), extent.isEnd)
}

async function* messagesInZip(source: Source): AsyncGenerator<FoundMessage> {
  const unzipped = createGunzip({ chunkSize: chunkBytes })
  const reading = pipeline(createReadStream(source.file), unzipped).catch((error) =>
    unzipped.destroy(error),
  )
  yield* messagesOf(source, unzipped)
  await reading
}

async function filesOf(path: string, type: MailboxType | undefined): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path)
    const folders = type === 'mbox' || type === 'eml' ? [] : maildirFolders(names)
    if (type === 'maildir' && folders.length === 0) throw new Error('it has no folder cur or new')
    const inside = folders.length > 0 ? folders : ['.']
    const files = await Promise.all(inside.map((folder) => filesIn(join(path, folder))))
    return files.flat()
  } catch (error) {
    throw unreadable(path, error)
  }
}

function maildirFolders(names: readonly string[]): string[] {
  return ['cur', 'new'].filter((name) => names.includes(name))
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
  return new OperationalError('mailbox-failed', `cannot read ${path}: ${fileFault(error)}`, {
    cause: error,
  })
}

/** A message must fit into memory; a mailbox need not. */
const maxMessageBytes = 256 * 1024 * 1024

async function* messagesOf(
  source: Source,
  stream: AsyncIterable<Buffer>,
  isEnd?: (offset: number) => boolean,
): AsyncGenerator<FoundMessage> {
  let index = 0
  const found = ({ content }: MboxMessage): FoundMessage => {
    if (content === null) throw tooLarge(source.file, index)
    return { ...source, index: index++, raw: content }
  }
  let splitter: MboxSplitter | null = null
  const whole: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    if (length === 0 && isMbox(chunk)) splitter = new MboxSplitter(0, maxMessageBytes, isEnd)
    length += chunk.length
    if (splitter !== null) yield* splitter.push(chunk).map(found)
    else if (length > maxMessageBytes) throw tooLarge(source.file, index)
    else whole.push(chunk)
  }
  if (splitter !== null) yield* splitter.end().map(found)
  else if (length > 0) yield { ...source, index, raw: Buffer.concat(whole) }
}

function tooLarge(file: string, index: number): OperationalError {
  return new OperationalError('mailbox-failed', `${file}: message ${index} is over 256 MiB`)
}
