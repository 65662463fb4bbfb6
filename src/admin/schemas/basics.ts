// Schemas that all routes share. Unknown keys are refused everywhere, and nothing in a body is converted.
import Type, { type Static, type TSchema } from 'typebox'
import { backscatterKinds, certainties } from '../../classify/kinds.ts'
import { formatTimestamp } from '../../quantity.ts'

export const strict = { additionalProperties: false }

export const maxReasonLength = 1000

export const Timestamp = Type.String({
  format: 'date-time',
  description: 'RFC 3339, in UTC.',
})
export const NullableTimestamp = nullable(Timestamp)
export const NullableText = nullable(Type.String())

export function nullableTimestamp(seconds: number | null): string | null {
  return seconds === null ? null : formatTimestamp(seconds)
}

type WithTimes<Row> = {
  [K in keyof Row]: K extends `${string}At` ? Exclude<Row[K], number> | string : Row[K]
}

/** Converts the times of a row to RFC 3339. Its times are epoch seconds in members named …At. */
export function withTimes<Row extends object>(row: Row): WithTimes<Row> {
  const shown = Object.entries(row).map(([name, value]) => {
    const isTime = name.endsWith('At') && typeof value === 'number'
    return [name, isTime ? formatTimestamp(value) : value]
  })
  return Object.fromEntries(shown) as WithTimes<Row>
}

/** A schema for text or null. It is one type with two names, not a union: fast-json-stringify would try each branch. */
export function nullable(schema: Type.TString, description?: string): Type.TUnsafe<string | null> {
  return Type.Unsafe({ ...schema, type: ['string', 'null'], ...(description && { description }) })
}

/** A prefix or an address. The schema has no pattern, since the address parser's errors are clearer. */
export const PrefixText = Type.String({
  maxLength: 64,
  description: 'ADDRESS or ADDRESS/LENGTH.',
  examples: ['198.51.100.20'],
})
export const Kind = Type.Enum([...backscatterKinds], { description: 'A kind of backscatter.' })
export const NullableKind = Type.Union([Kind, Type.Null()])
export const NullableCertainty = Type.Union([Type.Enum([...certainties]), Type.Null()])
/** Where a row comes from. A row from the configuration can be changed only there. */
export const Source = Type.Enum(['config', 'manual'])

/** A problem document (RFC 9457 §3). */
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
 * Lists the problem statuses of a route, for its `response`. openapi.ts adds those that every route of its kind can answer.
 * All have the same schema, so the return type names only one of them.
 */
export function problems(...statuses: number[]): { 429: typeof Problem } {
  const response = Object.fromEntries(statuses.map((status) => [status, Problem]))
  return { ...response, 429: Problem }
}

export function itemsOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item) }, { examples: [{ items: examplesOf(item) }] })
}

/** Texts of whole answers are made of the examples of their items, so that each is written once. */
function examplesOf(item: TSchema): unknown[] {
  return 'examples' in item && Array.isArray(item.examples) ? item.examples : []
}

export const defaultPageSize = 100

export const PageQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: defaultPageSize,
        description: 'Most items on the page.',
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'The nextCursor of the page before; leave it out for the first page.',
      }),
    ),
  },
  strict,
)

export type PageQuery = Static<typeof PageQuery>

/** A path with an address in it. */
export const AddressParams = Type.Object({
  address: Type.String({ description: 'IPv4 or IPv6.', examples: ['198.51.100.20'] }),
})

/** A body of `{items, nextCursor}`. */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object(
    { items: Type.Array(item), nextCursor: NullableText },
    { examples: [{ items: examplesOf(item), nextCursor: null }] },
  )
}

export const IdParams = Type.Object({
  id: Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'As the list of them shows it.',
    examples: [1],
  }),
})
