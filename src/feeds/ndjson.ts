// A JSON object a line, as the interface shows a listing: prefix, and if they are there kinds, reason and expiresAt; what
// else a listing has is an import's own to say. Called by feed.ts.
import { formatPrefix } from '../ip/address.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import {
  type EntryFields,
  type LineReader,
  namesShown,
  readEntry,
  shownAttributes,
  wordShown,
} from './entry.ts'

const keys = new Set(['prefix', 'kinds', 'reason', 'expiresAt'])
/** Keys of a listing in the interface that are read over, but for a state that is not 'listed'. */
const otherKeys = new Set(['id', 'state', 'origin', 'list', 'createdAt', 'lastHitAt', 'hits'])

export function ndjsonReader(): LineReader {
  return (text, line, items) => {
    if (text.trim() === '') return
    const fields = readFields(text)
    items.push('why' in fields ? { line, text, why: fields.why } : readEntry(fields, line, text))
  }
}

export function ndjsonLine({ prefix, attributes }: ListEntry): string {
  return `${JSON.stringify({ prefix: formatPrefix(prefix), ...shownAttributes(attributes) })}\n`
}

function readFields(text: string): EntryFields | { why: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { why: 'not JSON' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { why: 'not a JSON object' }
  }
  const unknown = Object.keys(value).filter((key) => !keys.has(key) && !otherKeys.has(key))
  if (unknown.length > 0) {
    return { why: `unknown key ${namesShown(unknown)}: an entry has ${[...keys].join(', ')}` }
  }
  const { prefix, kinds = [], reason, expiresAt, state } = value as Record<string, unknown>
  if (typeof prefix !== 'string') return { why: 'prefix is not a text' }
  if (state !== undefined && state !== 'listed')
    return { why: `its state is not “listed”${wordShown(String(state))}` }
  if (!Array.isArray(kinds) || !kinds.every((kind) => typeof kind === 'string')) {
    return { why: 'kinds is not a list of texts' }
  }
  if (!isTextOrNothing(reason)) return { why: 'reason is not a text' }
  if (!isTextOrNothing(expiresAt)) return { why: 'expiresAt is not a text' }
  return { prefix, kinds, reason: reason ?? undefined, expiresAt: expiresAt ?? undefined }
}

function isTextOrNothing(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === 'string'
}
