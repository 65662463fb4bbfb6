// Schemas of purges and of the notices to the public.
import Type, { type Static } from 'typebox'
import { Kind, nullable, strict, Timestamp } from './basics.ts'
import { Listing, listingExample } from './listings.ts'

export const PurgeQuery = Type.Object(
  {
    dryRun: Type.Optional(
      Type.Enum(['true', 'false'], { description: 'Only tells what would change. Absent: false.' }),
    ),
  },
  strict,
)

/** Evidence is purged if it has all of these properties. */
export const PurgeBody = Type.Object(
  {
    trap: Type.Optional(
      Type.String({ maxLength: 254, description: 'A trap pattern or one trap address.' }),
    ),
    mailbox: Type.Optional(Type.String({ maxLength: 64, description: 'Name of a mailbox.' })),
    collector: Type.Optional(
      Type.String({ maxLength: 64, description: 'Name of a collector’s key.' }),
    ),
    kind: Type.Optional(Kind),
    from: Type.Optional(Timestamp),
    to: Type.Optional(
      Type.String({ format: 'date-time', description: 'Messages seen before this time.' }),
    ),
  },
  {
    ...strict,
    minProperties: 1,
    examples: [{ trap: '@trap.example.org', from: '2026-07-01T10:00:00Z' }],
  },
)
export type PurgeBody = Static<typeof PurgeBody>

export const Purge = Type.Object(
  {
    dryRun: Type.Boolean({ description: 'true: nothing was changed.' }),
    messages: Type.Integer({ description: 'Messages that no longer count.' }),
    ended: Type.Integer({ description: 'Listings that ended.' }),
    shortened: Type.Integer({ description: 'Listings that end earlier now.' }),
    listings: Type.Array(
      Type.Object({
        listing: Listing,
        expiresAt: nullable(Timestamp, 'When it ends now; null: at once.'),
      }),
      { description: 'The first thousand of these listings, as they were.' },
    ),
    notice: nullable(Type.String(), 'What /v1/notices tells the public; null for a dry run.'),
  },
  {
    examples: [
      {
        dryRun: true,
        messages: 3,
        ended: 1,
        shortened: 0,
        listings: [{ listing: listingExample, expiresAt: null }],
        notice: null,
      },
    ],
  },
)
export type Purge = Static<typeof Purge>

export const Notice = Type.Object(
  { id: Type.Integer(), publishedAt: Timestamp, text: Type.String() },
  {
    examples: [
      {
        id: 1,
        publishedAt: '2026-07-01T10:00:00Z',
        text: 'Evidence of kind dsn was withdrawn, since it should not have counted: 1 listing ended, 0 listings shortened.',
      },
    ],
  },
)
