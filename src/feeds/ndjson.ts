// One JSON object a line, in the form of a listing in the HTTP interface: prefix and, optionally, kinds, reason and expiresAt.
// The other keys of a listing are allowed and ignored, so that listings from the HTTP interface can be imported.
import type { Listing } from '../blocklist/types.ts'
import { formatPrefix } from '../ip/address.ts'
import {
  attributesShown,
  type EntryFields,
  type Format,
  namesShown,
  readEntry,
  wordShown,
} from './entry.ts'

const keys = ['prefix', 'kinds', 'reason', 'expiresAt'] as const
/** All of these are ignored except `state`, which must be 'listed' if it is given. */
const otherKeys: Readonly<Record<Exclude<keyof Listing, (typeof keys)[number]>, true>> = {
  id: true,
  state: true,
  shadow: true,
  origin: true,
  list: true,
  createdAt: true,
  lastHitAt: true,
  hits: true,
}
const knownKeys: readonly string[] = [...keys, ...Object.keys(otherKeys)]

export const ndjson: Format = {
  mediaType: 'application/x-ndjson',
  extensions: ['ndjson', 'jsonl'],
  createReader: () => (text, line, items) => {
    if (text.trim() === '') return
    const fields = readFields(text)
    items.push('why' in fields ? { line, text, why: fields.why } : readEntry(fields, line, text))
  },
  *write({ pages }) {
    for (const page of pages) {
      const lines = page.map(({ prefix, attributes }) => {
        const shown = { prefix: formatPrefix(prefix), ...attributesShown(attributes) }
        return `${JSON.stringify(shown)}\n`
      })
      yield lines.join('')
    }
  },
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
  const unknown = Object.keys(value).filter((key) => !knownKeys.includes(key))
  if (unknown.length > 0) {
    return { why: `unknown key ${namesShown(unknown)}: an entry has ${keys.join(', ')}` }
  }
  const { prefix, kinds = [], reason, expiresAt, state } = value as Record<string, unknown>
  if (typeof prefix !== 'string') return { why: 'prefix is not a string' }
  if (state !== undefined && state !== 'listed') {
    return { why: `its state is not “listed”${wordShown(String(state))}` }
  }
  if (!Array.isArray(kinds) || !kinds.every((kind) => typeof kind === 'string')) {
    return { why: 'kinds is not an array of strings' }
  }
  if (!isStringOrAbsent(reason)) return { why: 'reason is not a string' }
  if (!isStringOrAbsent(expiresAt)) return { why: 'expiresAt is not a string' }
  return { prefix, kinds, reason: reason ?? undefined, expiresAt: expiresAt ?? undefined }
}

function isStringOrAbsent(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === 'string'
}
