// Schemas of listings, exemptions, exclusions, and whole lists.
import Type, { type Static } from 'typebox'
import { listOutcomes } from '../../blocklist/types.ts'
import { backscatterKinds } from '../../classify/kinds.ts'
import { rbldnsdTypes } from '../../feeds/entry.ts'
import { exportFormats, importFormats } from '../../feeds/feed.ts'
import {
  itemsOf,
  Kind,
  maxReasonLength,
  NullableText,
  NullableTimestamp,
  nullable,
  PageQuery,
  PrefixText,
  Source,
  strict,
  Timestamp,
} from './basics.ts'

/** Most prefixes that one request may list or delist. */
const maxPrefixes = 10_000
const ListingState = Type.Enum(['listed', 'held', 'shadow', 'expired', 'removed'], {
  description: 'held: not shown yet. shadow: only counted.',
})
const listingOrigins = ['trap', 'manual', 'import'] as const
export const ListingOrigin = Type.Enum([...listingOrigins])
const Reason = Type.String({ maxLength: maxReasonLength })
const Kinds = Type.Array(Kind, { maxItems: backscatterKinds.length })
const Duration = Type.String({ maxLength: 32, description: 'Such as "28d", "1h" or "90s".' })

/** An integer or text. It is one type and no union, for the reason given at `nullable`. */
const ListingId = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  description:
    'An integer, or LIST:ADDRESS-LENGTH for an entry of a named list, such as "drop:192.0.2.0-24".',
})

export const listingExample = {
  id: 1,
  prefix: '198.51.100.20/32',
  kinds: ['dsn'],
  state: 'listed',
  shadow: null,
  origin: 'manual',
  list: null,
  reason: 'bounces to forged senders',
  createdAt: '2026-07-01T10:00:00Z',
  lastHitAt: null,
  expiresAt: '2026-07-15T10:00:00Z',
  hits: 0,
}

export const listing = {
  id: ListingId,
  prefix: Type.String(),
  kinds: Type.Array(Kind),
  state: ListingState,
  shadow: nullable(
    Type.String(),
    'Why a listing in state shadow is only counted: "kind", "whitelist ZONE" or "pool NAME". null in other states.',
  ),
  origin: ListingOrigin,
  list: NullableText,
  reason: NullableText,
  createdAt: Timestamp,
  lastHitAt: NullableTimestamp,
  expiresAt: nullable(Timestamp, 'null: permanent.'),
  hits: Type.Integer(),
}
export const Listing = Type.Object(listing, { examples: [listingExample] })
export type Listing = Static<typeof Listing>

export const NewListing = Type.Object(
  {
    prefix: Type.Optional(PrefixText),
    prefixes: Type.Optional(Type.Array(PrefixText, { minItems: 1, maxItems: maxPrefixes })),
    kinds: Type.Optional(Kinds),
    reason: Type.Optional(Reason),
    expiresAt: Type.Optional(NullableTimestamp),
    duration: Type.Optional(Duration),
  },
  {
    ...strict,
    examples: [
      {
        prefix: '198.51.100.20',
        kinds: ['dsn'],
        reason: 'bounces to forged senders',
        duration: '14d',
      },
      { prefixes: ['198.51.100.32/28', '2001:db8:1::/48'], expiresAt: null },
    ],
  },
)

/** Fields that are present are set; the others stay as they are. */
export const ListingPatch = Type.Object(
  {
    kinds: Type.Optional(Kinds),
    reason: Type.Optional(Type.Union([Reason, Type.Null()])),
    expiresAt: Type.Optional(NullableTimestamp),
    duration: Type.Optional(Duration),
  },
  { ...strict, minProperties: 1, examples: [{ reason: 'seen again', duration: '28d' }] },
)

/** The answer to `prefix` is its listing. The answer to `prefixes` is the outcome for each, in order. */
export const Listed = Type.Union(
  [Listing, itemsOf(Type.Object({ outcome: Type.Enum([...listOutcomes]), listing: Listing }))],
  { examples: [listingExample, { items: [{ outcome: 'listed', listing: listingExample }] }] },
)
export type Listed = Static<typeof Listed>

export const ListingQuery = Type.Object(
  {
    ...PageQuery.properties,
    sort: Type.Optional(
      Type.Enum(['newest', 'ending', 'address'], {
        default: 'newest',
        description:
          'The order of listings by traps and by hand: the newest first; those that end soonest, then those that never end or ' +
          'have ended; or by length and address. With prefix it is always by length and address.',
      }),
    ),
    prefix: Type.Optional({
      ...PrefixText,
      description: 'The listings of this prefix, and of every smaller one in it.',
    }),
    kind: Type.Optional(Kind),
    state: Type.Optional(ListingState),
    origin: Type.Optional(
      Type.Enum([...listingOrigins], {
        description: 'What listed it: a trap, a person or a list.',
      }),
    ),
    list: Type.Optional(Type.String({ maxLength: 64, description: 'The entries of this list.' })),
  },
  strict,
)

export type ListingQuery = Static<typeof ListingQuery>

/** `?prefix=A&prefix=B` names entries, each exactly as it is listed. */
export const PrefixesQuery = Type.Object(
  {
    prefix: Type.Array(PrefixText, {
      minItems: 1,
      maxItems: maxPrefixes,
      description: 'Exactly as it is listed; repeat it for several.',
      examples: [['198.51.100.20']],
    }),
  },
  strict,
)

/** A list that an import made. */
export const NamedList = Type.Object(
  {
    name: Type.String(),
    entries: Type.Integer({ description: 'Entries of the last import, also expired ones.' }),
    importedAt: nullable(Timestamp, 'When it was imported last; null: no import of it has ended.'),
    isPublished: Type.Boolean({
      description: 'Whether DNS answers the last import. false while an import is being published.',
    }),
  },
  {
    examples: [
      { name: 'partners', entries: 2, importedAt: '2026-07-01T10:00:00Z', isPublished: true },
    ],
  },
)
export type NamedList = Static<typeof NamedList>

export const ListingParams = Type.Object({
  id: Type.String({
    pattern:
      '^([1-9][0-9]{0,14}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[0-9a-f:.]{2,39}-(0|[1-9][0-9]{0,2}))$',
    description: 'The id of a listing: an integer, or LIST:ADDRESS-LENGTH.',
    examples: ['1'],
  }),
})

export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The ETag that GET answered, or * for any.', examples: ['*'] }),
  ),
})

/** An exemption or an exclusion. */
export const Exception = Type.Object(
  {
    id: Type.Integer(),
    prefix: Type.String(),
    source: Source,
    note: NullableText,
    createdAt: Timestamp,
  },
  {
    examples: [
      {
        id: 1,
        prefix: '198.51.100.32/28',
        source: 'manual',
        note: 'our own relays',
        createdAt: '2026-07-01T10:00:00Z',
      },
    ],
  },
)
export type Exception = Static<typeof Exception>

export const NewException = Type.Object(
  { prefix: PrefixText, note: Type.Optional(Type.String({ maxLength: maxReasonLength })) },
  { ...strict, examples: [{ prefix: '198.51.100.32/28', note: 'our own relays' }] },
)

export const OnePrefixQuery = Type.Object(
  { prefix: { ...PrefixText, examples: ['198.51.100.32/28'] } },
  strict,
)

const ListName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  description:
    'Name of a list: letters, digits, dots, hyphens and underscores; at most 64, the first a letter or digit.',
  examples: ['partners'],
})
const format = <const Name extends string>(names: readonly Name[]) =>
  Type.Optional(Type.Enum([...names], { description: 'Absent: text.' }))
const type = Type.Optional(
  Type.Enum([...rbldnsdTypes], { description: 'Only for format rbldnsd: its dataset type.' }),
)
const flag = (description: string) =>
  Type.Optional(Type.Enum(['true', 'false'], { description: `${description} Absent: false.` }))
export const ImportQuery = Type.Object(
  {
    list: ListName,
    format: format(importFormats),
    type,
    strict: flag('One wrong line refuses the whole import.'),
    force: flag('Also if the list would lose most of its entries, or be empty.'),
    dryRun: flag('Only tells what would change.'),
  },
  strict,
)
export type ImportQuery = Static<typeof ImportQuery>
export const ExportQuery = Type.Object(
  { list: Type.Optional(ListName), format: format(exportFormats), type },
  strict,
)
export type ExportQuery = Static<typeof ExportQuery>

/** What an import changed, or would change. */
export const Imported = Type.Object(
  {
    list: Type.String(),
    dryRun: Type.Optional(Type.Boolean({ description: 'Present, and true, only for a dry run.' })),
    added: Type.Integer({
      description: 'New prefixes, and prefixes that had been removed by hand.',
    }),
    removed: Type.Integer({ description: 'Prefixes that the list no longer has.' }),
    kept: Type.Integer({ description: 'Prefixes that the list still has.' }),
    refused: Type.Array(
      Type.Object({ line: Type.Integer(), text: Type.String(), why: Type.String() }),
      { description: 'The first thousand wrong lines.' },
    ),
    refusedCount: Type.Integer({ description: 'The number of all wrong lines.' }),
    needsForce: Type.Optional(
      Type.String({
        description: 'For a dry run without force: why the import would be refused without force.',
      }),
    ),
  },
  {
    examples: [
      {
        list: 'partners',
        added: 2,
        removed: 0,
        kept: 0,
        refused: [
          {
            line: 3,
            text: '10.0.0.1',
            why: 'is in 10.0.0.0/8 (Private-Use, RFC 1918), which is never listed',
          },
        ],
        refusedCount: 1,
      },
    ],
  },
)
export type Imported = Static<typeof Imported>
