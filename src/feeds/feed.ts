// Reads and writes whole lists in a given format: octets → lines → entries, and entries → text.
import type { Export, ImportItem, ListFault } from '../blocklist/types.ts'
import { bind } from './bind.ts'
import { csv } from './csv.ts'
import type { RbldnsdType, WriteOptions, Writer } from './entry.ts'
import { ndjson } from './ndjson.ts'
import { rbldnsd } from './rbldnsd.ts'
import { text } from './text.ts'

const formats = { text, csv, ndjson, rbldnsd }
const writers: Readonly<Record<ExportFormat, Writer>> = { ...formats, bind }
export type ImportFormat = keyof typeof formats
export type ExportFormat = ImportFormat | 'bind'
export const importFormats = Object.keys(formats) as ImportFormat[]
export const exportFormats = Object.keys(writers) as ExportFormat[]

/** A line with more characters than this is a wrong line. */
const maxLineCharacters = 65_536
/** A batch has at most this many lines, so that it takes only milliseconds. */
const batchLines = 2000

export interface FeedOptions {
  readonly format: ImportFormat
  /** For rbldnsd only. */
  readonly type?: RbldnsdType | undefined
}

/** The format for a file name's extension. The default is text. */
export function formatOfFile(name: string): ImportFormat {
  const extension = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  return importFormats.find((format) => formats[format].extensions.includes(extension)) ?? 'text'
}

export function mediaTypeOf(format: ExportFormat): string {
  return writers[format].mediaType
}

/** Reads a list as a stream. A wrong line becomes an item with the reason. Throws only what `octets` throws. */
export async function* readFeed(
  octets: AsyncIterable<Uint8Array>,
  { format, ...options }: FeedOptions & { readonly now: number },
): AsyncGenerator<(ImportItem | ListFault)[]> {
  const read = formats[format].createReader(options)
  for await (const lines of linesOf(octets)) {
    const items: (ImportItem | ListFault)[] = []
    for (const { number, text, isTooLong } of lines) {
      if (isTooLong) {
        items.push({ line: number, text, why: `longer than ${maxLineCharacters} characters` })
      } else read(text, number, items)
    }
    yield items
  }
}

/** Writes a list page by page. A page without entries yields ''. */
export function writeFeed(
  list: Export,
  { format, ...options }: WriteOptions & { readonly format: ExportFormat },
): Iterable<string> {
  return writers[format].write(list, options)
}

interface Line {
  /** Counted from 1. */
  readonly number: number
  /** The text without its line end. If the line is too long, only its beginning. */
  readonly text: string
  readonly isTooLong: boolean
}

/**
 * Splits UTF-8 octets into lines, in batches. Lines end with LF or CRLF; the last may have no end. A byte order mark is
 * removed. node:readline is not used, since it keeps a line of any length in memory.
 */
async function* linesOf(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder()
  let rest = ''
  let isTooLong = false
  let number = 0
  let batch: Line[] = []
  const take = (text: string): void => {
    number += 1
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    const isLong = isTooLong || line.length > maxLineCharacters
    batch.push({ number, text: isLong ? line.slice(0, 1000) : line, isTooLong: isLong })
    isTooLong = false
  }
  for await (const chunk of octets) {
    const text = rest + decoder.decode(chunk, { stream: true })
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      take(text.slice(from, end))
      from = end + 1
      if (batch.length < batchLines) continue
      yield batch
      batch = []
    }
    rest = text.slice(from)
    if (rest.length <= maxLineCharacters) continue
    isTooLong = true
    rest = rest.slice(0, 1000)
  }
  rest += decoder.decode()
  if (rest !== '' || isTooLong) take(rest)
  if (batch.length > 0) yield batch
}
