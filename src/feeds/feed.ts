// The formats whole lists come and go in, by name: octets → entries, and entries → text.
import type { Export } from '../blocklist/export.ts'
import type { ImportItem, ListFault } from '../blocklist/import.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { csvHeader, csvLine, csvReader } from './csv.ts'
import type { LineReader } from './entry.ts'
import { linesOf, maxLineCharacters } from './lines.ts'
import { ndjsonLine, ndjsonReader } from './ndjson.ts'
import {
  type RbldnsdType,
  rbldnsdHeader,
  rbldnsdHole,
  rbldnsdLines,
  rbldnsdReader,
} from './rbldnsd.ts'
import { textLine, textReader } from './text.ts'

export const feedFormats = ['text', 'csv', 'ndjson', 'rbldnsd'] as const
export type FeedFormat = (typeof feedFormats)[number]

export interface FeedOptions {
  readonly format: FeedFormat
  /** Of rbldnsd's data sets. */
  readonly type?: RbldnsdType
}

const extensions: Readonly<Record<string, FeedFormat>> = {
  csv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  rbldnsd: 'rbldnsd',
}

/** The format that a file's name stands for; text where it says nothing. */
export function formatOfFile(name: string): FeedFormat {
  return extensions[/\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ''] ?? 'text'
}

/** The media type of a format. */
export const mediaTypes: Readonly<Record<FeedFormat, string>> = {
  text: 'text/plain; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson',
  rbldnsd: 'text/plain; charset=utf-8',
}

/** Reads a feed as it comes in. What is wrong with a line is a value; it throws only what `octets` throws. */
export async function* readFeed(
  octets: AsyncIterable<Uint8Array>,
  options: FeedOptions & { readonly now: number },
): AsyncGenerator<(ImportItem | ListFault)[]> {
  const read = readerOf(options)
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

/** Writes a feed page by page, '' for one without entries. Holes, and what a zone answers with, are rbldnsd's alone to say. */
export function* writeFeed(
  { pages, holes, zoneKinds }: Export,
  { format, type }: FeedOptions,
): Generator<string> {
  if (format === 'csv') yield csvHeader
  if (format === 'rbldnsd') {
    yield rbldnsdHeader(type)
    for (const prefix of holes) yield rbldnsdHole(prefix, type)
  }
  const write = writerOf(format, type, zoneKinds)
  for (const page of pages) {
    let text = ''
    for (const entry of page) text += write(entry)
    yield text
  }
}

function readerOf({ format, ...options }: FeedOptions & { readonly now: number }): LineReader {
  switch (format) {
    case 'text':
      return textReader()
    case 'csv':
      return csvReader()
    case 'ndjson':
      return ndjsonReader()
    case 'rbldnsd':
      return rbldnsdReader(options)
  }
}

function writerOf(
  format: FeedFormat,
  type: RbldnsdType | undefined,
  zoneKinds: number,
): (entry: ListEntry) => string {
  switch (format) {
    case 'text':
      return textLine
    case 'csv':
      return csvLine
    case 'ndjson':
      return ndjsonLine
    case 'rbldnsd':
      return (entry) => rbldnsdLines(entry, type, zoneKinds)
  }
}
