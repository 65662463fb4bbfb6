// Converts the text of requests to values: queries, path parameters, prefixes, addresses, terms and pages. Malformed text
// becomes a 400 problem that says what is wrong.
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { isRefusal, type Page, type PageRequest, type Refusal } from '../blocklist/types.ts'
import { formatPrefix, type Parsed, type Prefix, parseGivenPrefix } from '../ip/address.ts'
import { parseDuration } from '../quantity.ts'
import { malformed, malformedAt, type Problem, refusalProblem, shown } from './problem.ts'
import { defaultPageSize } from './schemas/basics.ts'

/** Accepts exact integers only. TypeBox's own conversion reads "5.5" as 5 and "" as 0. */
const integerText = /^(0|-?[1-9]\d{0,14})$/

/**
 * Checks requests against their TypeBox schemas. A body is not converted. In paths and queries all values are text, so
 * they are converted where the schema expects an integer or an array.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checker = Compile(schema)
  return (raw: unknown) => {
    const value = httpPart === 'body' ? raw : convertTexts(schema, raw)
    if (checker.Check(value)) return { value }
    return { error: checker.Errors(value) as FastifySchemaValidationError[] }
  }
}

function convertTexts(schema: TSchema, raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || !('properties' in schema)) return raw
  const properties = schema.properties as Readonly<Record<string, { type?: unknown }>>
  return Object.fromEntries(
    Object.entries(raw).map(([key, text]) => {
      const type = Object.hasOwn(properties, key) ? properties[key]?.type : undefined
      if (type === 'array') return [key, [text].flat()]
      const isInteger = type === 'integer' && typeof text === 'string' && integerText.test(text)
      return [key, isInteger ? Number(text) : text]
    }),
  )
}

/** `at`: the place of the text in the request, which the problem names. */
export function readPrefix(text: string, at?: string): Prefix | Problem {
  const parsed = parseGivenPrefix(text)
  if ('value' in parsed) return parsed.value
  const { why } = parsed
  return {
    ...malformed(`${shown(text)}: ${why}`),
    ...(at !== undefined && { errors: [{ at, why }] }),
  }
}

/** Returns each prefix once, in the order given, or a problem that names the malformed ones. */
export function readPrefixes(texts: readonly string[]): Prefix[] | Problem {
  const prefixes = new Map<string, Prefix>()
  const faults: { at: string; why: string }[] = []
  for (const text of texts) {
    const parsed = parseGivenPrefix(text)
    if ('why' in parsed) faults.push({ at: shown(text), why: parsed.why })
    else prefixes.set(formatPrefix(parsed.value), parsed.value)
  }
  return faults.length === 0 ? [...prefixes.values()] : malformedAt(faults)
}

/** Checks a reverse-path (RFC 5321 §4.1.2) without its angle brackets. '' and '<>' are the null sender, which is ''. */
export function readSender(text: string): Parsed<string> {
  if (text === '<>') return { value: '' }
  return text === '' || /^[^\p{Cc}<>]+@[^\p{Cc}\s<>@]+$/u.test(text)
    ? { value: text }
    : { why: 'expected an address such as user@example.org, or nothing for the null sender' }
}

/** The year 10000: RFC 3339 has only four digits for the year. */
const endOfTime = Date.UTC(10_000, 0)

/**
 * Reads the end of a term, given as a time or a duration (not both). Returns epoch seconds, or null for permanent. The
 * result has no `expiresAt` if the request gives neither: then the policy decides.
 */
export function readExpiry(
  { expiresAt, duration }: { readonly expiresAt?: string | null; readonly duration?: string },
  now: number,
): { readonly expiresAt?: number | null } | Problem {
  if (duration === undefined) {
    if (expiresAt === undefined) return {}
    if (expiresAt === null) return { expiresAt }
    const milliseconds = Date.parse(expiresAt)
    if (milliseconds < endOfTime) return { expiresAt: Math.floor(milliseconds / 1000) }
    const why = Number.isNaN(milliseconds)
      ? 'not a time'
      : 'too far in the future (use null for permanent)'
    return malformed(`expiresAt: ${why}`)
  }
  if (expiresAt !== undefined) {
    return malformed('expiresAt and duration exclude each other')
  }
  const parsed = parseDuration(duration)
  if ('why' in parsed) return malformed(`duration: ${parsed.why}`)
  return { expiresAt: now + parsed.value }
}

/** Reads the times of a window. Returns epoch seconds for those that are given. */
export function readWindow(
  window: Readonly<Partial<Record<'from' | 'to', string>>>,
): { readonly from?: number; readonly to?: number } | Problem {
  const times: { from?: number; to?: number } = {}
  for (const name of ['from', 'to'] as const) {
    const text = window[name]
    if (text === undefined) continue
    const seconds = Math.floor(Date.parse(text) / 1000)
    if (!Number.isSafeInteger(seconds)) return malformed(`${name}: ${text}: not a time`)
    times[name] = seconds
  }
  return times
}

interface PageQuery {
  readonly limit?: number
  readonly cursor?: string
}

export function pageRequest({ limit = defaultPageSize, cursor }: PageQuery): PageRequest {
  return { limit, cursor }
}

/** Cuts one page out of all rows. `keyOf` returns the text by which a cursor names a row. */
export function pageOfAll<Row>(
  { limit, cursor }: PageRequest,
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Page<Row> | Refusal {
  const last = rows.findIndex((row) => keyOf(row) === cursor)
  if (cursor !== undefined && last < 0) {
    return { refused: 'invalid', why: 'the cursor is not valid' }
  }
  const items = rows.slice(last + 1, last + 1 + limit)
  const end = items.at(-1)
  return { items, nextCursor: end === undefined || end === rows.at(-1) ? null : keyOf(end) }
}

/** Converts a page of rows to the body of the answer, or a refusal to a problem. */
export function pageBody<Row, Item>(
  page: Page<Row> | Refusal,
  bodyOf: (row: Row) => Item,
): Page<Item> | Problem {
  if (isRefusal(page)) return refusalProblem(page)
  return { items: page.items.map(bodyOf), nextCursor: page.nextCursor }
}
