// The bodies and queries of the HTTP interface, each declared once: TypeScript type, validation and description.
// Unknown keys are refused everywhere, and nothing in a body is converted.

import Type, { type Static, type TSchema } from 'typebox'
import { pageById as readPage } from '../blocklist/pages.ts'
import {
  isRefusal,
  type Exception as StoredException,
  type Listing as StoredListing,
  type TrapRow,
} from '../blocklist/types.ts'
import { backscatterKinds } from '../bounce/kinds.ts'
import { rbldnsdTypes } from '../feeds/entry.ts'
import { feedFormats } from '../feeds/feed.ts'
import { type Problem as ProblemBody, problem } from './problem.ts'
import type { MailboxState } from './routes/stats.ts'
import { type Scope, scopeIncludes } from './scopes.ts'

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
export const nullableKind = Type.Union([Kind, Type.Null()])
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
    requestId: Type.Optional(Type.String({ description: 'As in x-request-id and the log.' })),
  },
  { description: 'RFC 9457 problem details.' },
)

/** The problems that a route can answer, for its `response`; too many requests (429) any can but the probes. */
export function problems(...statuses: number[]): Record<number, typeof Problem> {
  return Object.fromEntries([...statuses, 429].map((status) => [status, Problem]))
}

/** An integer or text as one type, not a union: see `nullable`. */
const ListingId = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  description:
    'An integer; of an entry of a named list LIST:ADDRESS-LENGTH, such as "drop:192.0.2.0-24".',
})

export const Listing = Type.Object({
  id: ListingId,
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

/** What is given is set, what is absent stays. */
export const ListingPatch = Type.Object(
  {
    kinds: NewListing.properties.kinds,
    reason: Type.Optional(Type.Union([Type.String({ maxLength: maxReasonLength }), Type.Null()])),
    expiresAt: NewListing.properties.expiresAt,
    duration: NewListing.properties.duration,
  },
  { ...strict, minProperties: 1 },
)

export function itemsOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item) })
}

/** One prefix: its listing. Several: what became of each, in order. */
export const Listed = Type.Union([
  Listing,
  itemsOf(Type.Object({ outcome: Type.Enum(['listed', 'extended']), listing: Listing })),
])
export type Listed = Static<typeof Listed>

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

export const unknownCursor: ProblemBody = problem(400, 'invalid', 'the cursor is not one of ours')

interface IdPageQuery {
  readonly limit?: number
  readonly cursor?: string
}

/** The page asked for of what is sorted by id: `read` gives that many rows beyond that id. A problem: no such cursor. */
export function pageById<Row extends { readonly id: number }, Item>(
  { limit = defaultPageSize, cursor }: IdPageQuery,
  read: (limit: number, beyond: number | undefined) => readonly Row[],
  body: (row: Row) => Item,
): { readonly items: Item[]; readonly nextCursor: string | null } | ProblemBody {
  const page = readPage({ limit, ...(cursor !== undefined && { cursor }) }, read)
  if (isRefusal(page)) return unknownCursor
  return { items: page.items.map(body), nextCursor: page.nextCursor }
}

/** `?prefix=A&prefix=B`: exactly these entries. */
export const PrefixesQuery = Type.Object(
  { prefix: Type.Array(PrefixText, { minItems: 1, maxItems: maxPrefixes }) },
  strict,
)

export const IdParams = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
})

export const ListingParams = Type.Object({
  id: Type.String({
    pattern:
      '^([1-9][0-9]{0,14}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[0-9a-f:.]{2,39}-(0|[1-9][0-9]{0,2}))$',
    description: 'As a listing has it: an integer, or LIST:ADDRESS-LENGTH.',
  }),
})

/** The id of a path that passes `ListingParams`, as a listing has it. */
export function listingId({ id }: Static<typeof ListingParams>): number | string {
  return id.includes(':') ? id : Number(id)
}

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

/** A trap mailbox, and how reading it goes. */
export const Mailbox = Type.Object({
  name: Type.String(),
  type: Type.String(),
  state: Type.String(),
  readingSince: NullableTimestamp,
  lastReadAt: NullableTimestamp,
  lastError: nullable(Type.String(), 'One of a fixed set, as “CODE: TEXT”; names no address.'),
  lastErrorDetail: Type.Optional(
    nullable(Type.String(), 'What the server or the system said: for scope admin alone.'),
  ),
  retryAt: NullableTimestamp,
  recorded: Type.Integer({
    description:
      'Messages since the server started; what was recorded before is not counted again.',
  }),
  passedOver: Type.Integer(),
  refused: Type.Integer(),
})
export type Mailbox = Static<typeof Mailbox>

/** A mailbox as the interface shows it. What its server says of an error may name the trap, which is for admin alone. */
export function mailboxBody(mailbox: MailboxState, scope: Scope): Mailbox {
  const { lastErrorDetail, ...shown } = mailbox
  return {
    ...shown,
    readingSince: nullableTimestamp(mailbox.readingSince),
    lastReadAt: nullableTimestamp(mailbox.lastReadAt),
    retryAt: nullableTimestamp(mailbox.retryAt),
    ...(scopeIncludes(scope, 'admin') && { lastErrorDetail }),
  }
}
const ListName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  description: 'Letters, digits, dots, hyphens and underscores; at most 64.',
})
const feed = {
  format: Type.Optional(Type.Enum([...feedFormats])),
  type: Type.Optional(Type.Enum([...rbldnsdTypes])),
}
export const ImportQuery = Type.Object(
  {
    list: ListName,
    ...feed,
    strict: Type.Optional(Type.Enum(['true', 'false'])),
    force: Type.Optional(Type.Enum(['true', 'false'])),
    dryRun: Type.Optional(Type.Enum(['true', 'false'])),
  },
  strict,
)
export type ImportQuery = Static<typeof ImportQuery>
export const ExportQuery = Type.Object({ list: Type.Optional(ListName), ...feed }, strict)
export type ExportQuery = Static<typeof ExportQuery>

/** What an import changed, or would change: `import --json`. */
export const Imported = Type.Object({
  list: Type.String(),
  dryRun: Type.Optional(
    Type.Boolean({ description: 'There, and true, when nothing was changed.' }),
  ),
  added: Type.Integer({
    description: 'Prefixes that the list did not have, or that had been removed by hand.',
  }),
  removed: Type.Integer({ description: 'Prefixes that it no longer has.' }),
  kept: Type.Integer({ description: 'Prefixes that it has still.' }),
  refused: Type.Array(
    Type.Object({ line: Type.Integer(), text: Type.String(), why: Type.String() }),
    { description: 'The first thousand wrong lines.' },
  ),
  refusedCount: Type.Integer({ description: 'All wrong lines.' }),
})
export type Imported = Static<typeof Imported>

/** What a server says of itself: `status --json`. */
export const ServerStatus = Type.Object({
  version: Type.String(),
  serial: Type.Integer(),
  generatedAt: Timestamp,
  validUntil: Timestamp,
  entries: Type.Object({ ipv4: Type.Integer(), ipv6: Type.Integer(), domains: Type.Integer() }),
  workers: Type.Integer(),
  uptimeSeconds: Type.Integer(),
  writeFailure: Type.Optional(
    Type.Object(
      { since: Timestamp, why: Type.String() },
      { description: 'There while the database cannot be written.' },
    ),
  ),
  clockHeld: Type.Optional(
    Type.Object(
      { since: Timestamp, wallClock: Timestamp },
      { description: 'There while the wall clock has jumped and is not followed.' },
    ),
  ),
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
        unsent: Type.Integer(),
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
  forgers: Type.Array(
    Type.Object({
      network: Type.String(),
      messages: Type.Integer(),
      spfFail: Type.Integer({ description: 'Those that the forged domain’s SPF record forbids.' }),
      lastSeenAt: Timestamp,
    }),
    { description: 'Networks that sent most mail in the traps’ names: never listed for it.' },
  ),
  mailboxes: Type.Array(Mailbox),
})
export type ServerStatus = Static<typeof ServerStatus>

const daySeconds = 86_400
/** "2026-07-01T" by days since the epoch: most times that are shown lie within some weeks. */
const dates = new Map<number, string>()
const maxDates = 1000
const digits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/** Whole epoch seconds as RFC 3339 in UTC: "2026-07-01T10:00:00Z". A Date takes ten times as long to say it. */
export function timestamp(seconds: number): string {
  const day = Math.floor(seconds / daySeconds)
  const rest = seconds - day * daySeconds
  const hours = digits[Math.floor(rest / 3600)]
  const minutes = digits[Math.floor(rest / 60) % 60]
  return `${dateOf(day)}${hours}:${minutes}:${digits[rest % 60]}Z`
}

function dateOf(day: number): string {
  const known = dates.get(day)
  if (known !== undefined) return known
  const date = new Date(day * daySeconds * 1000).toISOString().slice(0, 11)
  if (dates.size === maxDates) dates.clear()
  dates.set(day, date)
  return date
}

export function nullableTimestamp(seconds: number | null): string | null {
  return seconds === null ? null : timestamp(seconds)
}

/** Text or null as one type, not a union of two: the union is written many times more slowly. */
export function nullable(schema: Type.TString, description?: string): Type.TUnsafe<string | null> {
  return Type.Unsafe({ ...schema, type: ['string', 'null'], ...(description && { description }) })
}
