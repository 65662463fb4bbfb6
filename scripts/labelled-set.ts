// Reads a set of labelled messages: a folder with messages/… and tables, labels.tsv above all, whose first row names the columns.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Message, parseMessage } from '../src/mail/message.ts'

export type Row = Readonly<Record<string, string>>

export interface Labelled {
  readonly row: Row
  readonly message: Message
  /** One divided by the size of its cluster. */
  readonly weight: number
}

/** The messages that the folder's labels.tsv names, in its order. */
export function readLabelled(folder: string): Labelled[] {
  const labels = join(folder, 'labels.tsv')
  const rows = readTable(labels, ['path', 'kind', 'backscatter'])
  const clusters = Map.groupBy(rows, clusterOf)
  return rows.map((row, index) => ({
    row,
    message: parseMessage(readMessage(folder, row, `${labels}: row ${index + 2}, column path`)),
    weight: 1 / (clusters.get(clusterOf(row))?.length ?? 1),
  }))
}

function readMessage(folder: string, row: Row, place: string): Uint8Array {
  const file = join(folder, 'messages', row['path'] ?? '')
  try {
    return readFileSync(file)
  } catch (error) {
    return endFault(`${place}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

export function clusterOf({ cluster, path }: Row): string {
  return cluster || `alone ${path}`
}

/** Our kind for a label's word; other words stay as they are. */
export function kindOf(label: string): string {
  const names: Readonly<Record<string, string>> = {
    'dsn-delayed': 'dsn',
    challenge: 'challenge-response',
    'virus-notice': 'content-notice',
    'read-receipt': 'mdn',
  }
  return names[label] ?? label
}

/** Row 1 must hold the names of the columns, `columns` among them. */
export function readTable(file: string, columns: readonly string[]): Row[] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/)
  const names = head.split('\t')
  const missing = columns.filter((column) => !names.includes(column))
  if (missing.length > 0) endFault(`${file}: row 1: there is no column ${missing.join(', ')}`)
  return lines.map((line) => {
    const cells = line.split('\t')
    return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? '']))
  })
}

/** An error in the folder's content, told in one line. */
function endFault(why: string): never {
  console.error(why)
  process.exit(2)
}
