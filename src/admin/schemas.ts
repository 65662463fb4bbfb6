// The bodies and queries of the HTTP interface, each declared once: TypeScript type, validation and description.
// Unknown keys are refused everywhere, and nothing in a body is converted.
import Type, { type Static, type TSchema } from 'typebox'
import type {
  Exception as StoredException,
  Listing as StoredListing,
  TrapRow,
} from '../blocklist/blocklist.ts'
import { backscatterKinds } from '../bounce/kinds.ts'

const strict = { additionalProperties: false }

/** Most prefixes that one request may list or delist: all of them or none. */
export const maxPrefixes = 10_000
const maxReasonLength = 1000

export const Timestamp = Type.String({
  format: 'date-time',
  description: 'RFC 3339, in UTC.',
})
export const NullableTimestamp = nullable(Timestamp)
export const NullableText = nullable(Type.String())

/** The text of a prefix or an address; what is wrong with one is said by the address parser, not by a pattern. */
const PrefixText = Type.String({ maxLength: 64, description: 'ADDRESS or ADDRESS/LENGTH.' })
export const Kind = Type.Enum([...backscatterKinds])
const listingStates = ['listed', 'held', 'shadow', 'expired', 'removed'] as const
const listingOrigins = ['trap', 'manual', 'import'] as const

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable, for programs.' }),
    detail: Type.String({ description: 'One sentence, for people.' }),
    errors: Type.Optional(Type.Array(Type.Object({ at: Type.String(), why: Type.String() }))),
  },
  { description: 'RFC 9457 problem details.' },
)

/** The problems that any route can answer, for its `response`. */
export function problems(...statuses: number[]): Record<number, typeof Problem> {
  return Object.fromEntries(statuses.map((status) => [status, Problem]))
}

export const Listing = Type.Object({
  id: Type.Integer(),
  prefix: Type.String(),
  kinds: Type.Array(Kind),
  state: Type.Enum([...listingStates]),
  origin: Type.Enum([...listingOrigins]),
  list: NullableText,
  reason: NullableText,
  createdAt: Timestamp,
  lastHitAt: NullableTimestamp,
  expiresAt: nullable(Timestamp, 'null: permanent.'),
  hits: Type.Integer(),
})
export type Listing = Static<typeof Listing>

/** A listing as the interface shows it. */
export function listingBody(listing: StoredListing): Listing {
  return {
    ...listing,
    createdAt: timestamp(listing.createdAt),
    lastHitAt: nullableTimestamp(listing.lastHitAt),
    expiresAt: nullableTimestamp(listing.expiresAt),
  }
}

export const NewListing = Type.Object(
  {
    prefix: Type.Optional(PrefixText),
    prefixes: Type.Optional(Type.Array(PrefixText, { minItems: 1, maxItems: maxPrefixes })),
    kinds: Type.Optional(Type.Array(Kind, { maxItems: backscatterKinds.length })),
    reason: Type.Optional(Type.String({ maxLength: maxReasonLength })),
    expiresAt: Type.Optional(NullableTimestamp),
    duration: Type.Optional(Type.String({ maxLength: 32, description: '"28d", "1h", "90s".' })),
  },
  strict,
)

export function itemsOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item) })
}

/** One prefix: its listing. Several: what became of each, in order. */
export const Listed = Type.Union([
  Listing,
  itemsOf(Type.Object({ outcome: Type.Enum(['listed', 'extended']), listing: Listing })),
])

export const defaultPageSize = 100

const page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: defaultPageSize })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
}

export const ListingQuery = Type.Object(
  {
    ...page,
    prefix: Type.Optional(PrefixText),
    kind: Type.Optional(Kind),
    state: Type.Optional(Type.Enum([...listingStates])),
    origin: Type.Optional(Type.Enum([...listingOrigins])),
    list: Type.Optional(Type.String({ maxLength: 64 })),
  },
  strict,
)

export const PageQuery = Type.Object(page, strict)

/** `?prefix=A&prefix=B`: exactly these entries. */
export const PrefixesQuery = Type.Object(
  { prefix: Type.Array(PrefixText, { minItems: 1, maxItems: maxPrefixes }) },
  strict,
)

export const IdParams = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
})

export const AddressParams = Type.Object({ address: Type.String() })

/** A body of `{items, nextCursor}`. */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item), nextCursor: NullableText })
}

const sources = ['config', 'manual'] as const

/** An exemption or an exclusion. */
export const Exception = Type.Object({
  id: Type.Integer(),
  prefix: Type.String(),
  source: Type.Enum([...sources]),
  note: NullableText,
  createdAt: Timestamp,
})
export type Exception = Static<typeof Exception>

/** An exemption or exclusion as the interface shows it. */
export function exceptionBody(exception: StoredException): Exception {
  return { ...exception, createdAt: timestamp(exception.createdAt) }
}

export const NewException = Type.Object(
  { prefix: PrefixText, note: Type.Optional(Type.String({ maxLength: maxReasonLength })) },
  strict,
)

export const OnePrefixQuery = Type.Object({ prefix: PrefixText }, strict)

export const Trap = Type.Object({
  id: Type.Integer(),
  pattern: Type.String(),
  source: Type.Enum([...sources]),
  createdAt: Timestamp,
})
export type Trap = Static<typeof Trap>

/** A trap as the interface shows it, to scope admin alone. */
export function trapBody(trap: TrapRow): Trap {
  return { ...trap, createdAt: timestamp(trap.createdAt) }
}

const PatternText = Type.String({
  maxLength: 512,
  description: 'user@example.org, @example.org or *@*.example.org.',
})
export const NewTrap = Type.Object({ pattern: PatternText }, strict)
export const PatternQuery = Type.Object({ pattern: PatternText }, strict)

const Counts = Type.Record(Type.String(), Type.Integer())

/** What a server says of itself: `status --json`. */
export const ServerStatus = Type.Object({
  version: Type.String(),
  serial: Type.Integer(),
  generatedAt: Timestamp,
  validUntil: Timestamp,
  entries: Type.Object({ ipv4: Type.Integer(), ipv6: Type.Integer(), domains: Type.Integer() }),
  workers: Type.Integer(),
  uptimeSeconds: Type.Integer(),
  udp: Type.Optional(
    Type.Object({
      transport: Type.String(),
      receiveBufferBytes: Type.Integer(),
      sendBufferBytes: Type.Integer(),
      dropped: Type.Integer(),
    }),
  ),
  tree: Type.Object({
    usedBytes: Type.Integer(),
    capacityBytes: Type.Integer(),
    nearlyFull: Type.Optional(Type.Boolean()),
  }),
  dns: Type.Optional(
    Type.Object(
      {
        queries: Type.Object({ udp: Type.Integer(), tcp: Type.Integer() }),
        outcomes: Counts,
        codes: Counts,
        rcodes: Counts,
        types: Counts,
        latency: Type.Array(
          Type.Object({
            belowNs: Type.Union([Type.Integer(), Type.Null()]),
            count: Type.Integer(),
          }),
        ),
        askers: Type.Array(
          Type.Object({
            network: Type.String(),
            queries: Type.Integer(),
            excess: Type.Integer(),
          }),
        ),
      },
      { description: 'What the name server answered since it started.' },
    ),
  ),
  mailboxes: Type.Array(
    Type.Object({
      name: Type.String(),
      type: Type.String(),
      state: Type.String(),
      lastReadAt: NullableTimestamp,
      lastError: NullableText,
      retryAt: NullableTimestamp,
      recorded: Type.Integer(),
      passedOver: Type.Integer(),
      refused: Type.Integer(),
    }),
  ),
})
export type ServerStatus = Static<typeof ServerStatus>

/** Epoch seconds as RFC 3339 in UTC, without a fraction: "2026-07-01T10:00:00Z". */
export function timestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

export function nullableTimestamp(seconds: number | null): string | null {
  return seconds === null ? null : timestamp(seconds)
}

/** Text or null as one type, not a union of two: the union is written many times more slowly. */
function nullable(schema: Type.TString, description?: string): Type.TUnsafe<string | null> {
  return Type.Unsafe({ ...schema, type: ['string', 'null'], ...(description && { description }) })
}
