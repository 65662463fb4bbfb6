// What the bodies and queries of every noun share. Unknown keys are refused everywhere, and nothing in a body is converted.
import Type, { type Static, type TSchema } from 'typebox'
import { backscatterKinds } from '../../bounce/kinds.ts'
import { formatTimestamp } from '../../quantity.ts'

export const strict = { additionalProperties: false }

export const maxReasonLength = 1000

export const Timestamp = Type.String({
  format: 'date-time',
  description: 'RFC 3339, in UTC.',
})
export const NullableTimestamp = nullable(Timestamp)
export const NullableText = nullable(Type.String())

/** Epoch seconds as the interface writes times. */
export function nullableTimestamp(seconds: number | null): string | null {
  return seconds === null ? null : formatTimestamp(seconds)
}

/** Text or null as one type. Not a union of two, for which fast-json-stringify has to try each in turn. */
export function nullable(schema: Type.TString, description?: string): Type.TUnsafe<string | null> {
  return Type.Unsafe({ ...schema, type: ['string', 'null'], ...(description && { description }) })
}

/** A prefix or an address. It has no pattern, since the address parser says better what is wrong with one. */
export const PrefixText = Type.String({ maxLength: 64, description: 'ADDRESS or ADDRESS/LENGTH.' })
export const Kind = Type.Enum([...backscatterKinds])
export const NullableKind = Type.Union([Kind, Type.Null()])
/** What comes from the configuration is changed there. */
export const Source = Type.Enum(['config', 'manual'])

/** RFC 9457 §3. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable, for programs.' }),
    detail: Type.String({ description: 'One sentence, for people.' }),
    errors: Type.Optional(Type.Array(Type.Object({ at: Type.String(), why: Type.String() }))),
    requestId: Type.Optional(Type.String({ description: 'As in x-request-id and the log.' })),
  },
  { description: 'RFC 9457 problem details.' },
)
export type Problem = Static<typeof Problem>

/**
 * The problems that a route can answer, for its `response`, beside those that follow from what it takes: openapi.ts adds
 * them to the document. The type names 429 for all, since all have one schema.
 */
export function problems(...statuses: number[]): { 429: typeof Problem } {
  const response = Object.fromEntries(statuses.map((status) => [status, Problem]))
  return { ...response, 429: Problem }
}

export function itemsOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item) })
}

export const defaultPageSize = 100

export const PageQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: defaultPageSize })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  },
  strict,
)

/** A body of `{items, nextCursor}`. */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item), nextCursor: NullableText })
}

export const IdParams = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
})
