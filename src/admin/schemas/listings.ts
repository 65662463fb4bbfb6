// Schemas of listings, exemptions, exclusions, whole lists, and the look-up of an address.
import Type, { type Static } from 'typebox'
import { countClasses, listOutcomes } from '../../blocklist/types.ts'
import { backscatterKinds, certainties } from '../../classify/kinds.ts'
import { rbldnsdTypes } from '../../feeds/entry.ts'
import { feedFormats } from '../../feeds/feed.ts'
import {
  itemsOf,
  Kind,
  maxReasonLength,
  NullableCertainty,
  NullableKind,
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
const ListingState = Type.Enum(['listed', 'held', 'shadow', 'expired', 'removed'])
const ListingOrigin = Type.Enum(['trap', 'manual', 'import'])
const Reason = Type.String({ maxLength: maxReasonLength })
const Kinds = Type.Array(Kind, { maxItems: backscatterKinds.length })
const Duration = Type.String({ maxLength: 32, description: 'Such as "28d", "1h" or "90s".' })

/** An integer or text. It is one type and no union, for the reason given at `nullable`. */
const ListingId = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  description:
    'An integer, or LIST:ADDRESS-LENGTH for an entry of a named list, such as "drop:192.0.2.0-24".',
})

export const Listing = Type.Object({
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
})
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
  strict,
)

/** Fields that are present are set; the others stay as they are. */
export const ListingPatch = Type.Object(
  {
    kinds: Type.Optional(Kinds),
    reason: Type.Optional(Type.Union([Reason, Type.Null()])),
    expiresAt: Type.Optional(NullableTimestamp),
    duration: Type.Optional(Duration),
  },
  { ...strict, minProperties: 1 },
)

/** The answer to `prefix` is its listing. The answer to `prefixes` is the outcome for each, in order. */
export const Listed = Type.Union([
  Listing,
  itemsOf(Type.Object({ outcome: Type.Enum([...listOutcomes]), listing: Listing })),
])
export type Listed = Static<typeof Listed>

export const ListingQuery = Type.Object(
  {
    ...PageQuery.properties,
    prefix: Type.Optional(PrefixText),
    kind: Type.Optional(Kind),
    state: Type.Optional(ListingState),
    origin: Type.Optional(ListingOrigin),
    list: Type.Optional(Type.String({ maxLength: 64 })),
  },
  strict,
)

/** `?prefix=A&prefix=B` names entries, each exactly as it is listed. */
export const PrefixesQuery = Type.Object(
  { prefix: Type.Array(PrefixText, { minItems: 1, maxItems: maxPrefixes }) },
  strict,
)

export const ListingParams = Type.Object({
  id: Type.String({
    pattern:
      '^([1-9][0-9]{0,14}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[0-9a-f:.]{2,39}-(0|[1-9][0-9]{0,2}))$',
    description: 'The id of a listing: an integer, or LIST:ADDRESS-LENGTH.',
  }),
})

/** An exemption or an exclusion. */
export const Exception = Type.Object({
  id: Type.Integer(),
  prefix: Type.String(),
  source: Source,
  note: NullableText,
  createdAt: Timestamp,
})
export type Exception = Static<typeof Exception>

export const NewException = Type.Object(
  { prefix: PrefixText, note: Type.Optional(Type.String({ maxLength: maxReasonLength })) },
  strict,
)

export const OnePrefixQuery = Type.Object({ prefix: PrefixText }, strict)

const ListName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  description: 'Letters, digits, dots, hyphens and underscores; at most 64.',
})
const feed = {
  format: Type.Optional(Type.Enum([...feedFormats])),
  type: Type.Optional(Type.Enum([...rbldnsdTypes])),
}
const Flag = Type.Optional(Type.Enum(['true', 'false']))
export const ImportQuery = Type.Object(
  { list: ListName, ...feed, strict: Flag, force: Flag, dryRun: Flag },
  strict,
)
export type ImportQuery = Static<typeof ImportQuery>
export const ExportQuery = Type.Object({ list: Type.Optional(ListName), ...feed }, strict)
export type ExportQuery = Static<typeof ExportQuery>

/** What an import changed, or would change. */
export const Imported = Type.Object({
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
})
export type Imported = Static<typeof Imported>

const text = Type.Optional(Type.String())

/** Evidence from one message. Only scope admin sees more than the first five fields. */
const EvidenceItem = Type.Object({
  seenAt: Timestamp,
  client: NullableText,
  kind: NullableKind,
  certainty: NullableCertainty,
  rule: Type.String(),
  trap: text,
  source: text,
  decision: text,
  why: text,
  helo: text,
  reversePath: text,
  facts: text,
  subject: text,
  messageId: text,
  queueId: text,
  generator: text,
  reportingMta: text,
  finalRecipient: text,
  action: text,
  status: text,
  diagnosticCode: text,
  returnedMessageId: text,
  spf: text,
  dkim: text,
  dmarcPolicy: text,
  returnedOrigin: text,
  tls: text,
  recipientsTried: text,
  notes: text,
})

/** What a postmaster should change, from data/advice.json. */
const AdviceItem = Type.Object({
  kinds: Type.Array(Kind),
  generator: nullable(Type.String(), 'The software that this is for; null: any.'),
  title: Type.String(),
  text: Type.String(),
  settings: Type.Array(Type.String()),
  log: Type.Object({ line: Type.String(), command: Type.String() }),
  links: Type.Array(Type.String()),
})

const NullableException = Type.Union([Exception, Type.Null()])

const Count = Type.Enum([...countClasses])

/** What anyone may see of the messages of one kind. Nothing in it comes from fewer than evidence.minTraps traps. */
const PublicEvidence = Type.Object({
  kind: Kind,
  certainty: Type.Enum([...certainties]),
  messages: Count,
  traps: Count,
  hours: Type.Array(Timestamp, {
    description:
      'The newest hours (by their beginning) in which several traps were hit; there may have been others.',
  }),
  helo: text,
  reportingMta: text,
  generator: text,
  status: text,
})

const Advice = Type.Array(AdviceItem, {
  description: 'What to change on a host that is listed by trap; empty otherwise.',
})

const answered = {
  query: Type.String(),
  listed: Type.Boolean(),
  kinds: Type.Array(Kind),
  codes: Type.Array(Type.String()),
}

/** The answer about an address without a key. */
const PublicLookup = Type.Object(
  {
    ...answered,
    prefix: nullable(Type.String(), 'The listed network; null if not listed.'),
    origin: Type.Union([ListingOrigin, Type.Null()]),
    since: nullable(Timestamp, 'The hour; only the day (midnight UTC) where evidence is empty.'),
    until: nullable(
      Timestamp,
      'A midnight (UTC) by which the listing ends if no more messages come. null where evidence is empty.',
    ),
    state: NullableText,
    evidence: Type.Array(PublicEvidence, {
      description:
        'A snapshot, made when the listing first showed, and renewed at most once a day. Empty below evidence.minTraps.',
    }),
    advice: Advice,
  },
  { title: 'Without a key' },
)
export type PublicLookup = Static<typeof PublicLookup>

/** The answer about an address in scope read. */
export const LookupBody = Type.Object(
  {
    ...answered,
    since: NullableTimestamp,
    until: nullable(Timestamp, 'null if permanent, or if not listed.'),
    state: NullableText,
    evidence: Type.Array(EvidenceItem),
    advice: Advice,
    decidedBy: NullableText,
    isTestEntry: Type.Boolean(),
    verifiedName: nullable(Type.String(), "The host's name by DNS, if it is verified and known."),
    specialPurpose: NullableText,
    exemption: NullableException,
    exclusion: NullableException,
    listings: Type.Array(Listing),
    history: Type.Array(Type.Object({ ...Listing.properties, endedAt: Timestamp })),
  },
  { title: 'With a key' },
)
export type LookupBody = Static<typeof LookupBody>

export const Lookup = Type.Union([LookupBody, PublicLookup])
