// Schemas of what the policy makes of an address. No text in it comes from a message, except for the kind and the rule.
import Type, { type Static } from 'typebox'
import {
  Kind,
  NullableCertainty,
  NullableKind,
  NullableTimestamp,
  nullable,
  Timestamp,
} from './basics.ts'

const Seconds = Type.Integer({ minimum: 0 })
const Count = Type.Integer({ minimum: 0 })

const PresentListing = Type.Object({
  kinds: Type.Array(Kind),
  createdAt: Timestamp,
  expiresAt: nullable(Timestamp, 'null: permanent.'),
  heldUntil: nullable(Timestamp, 'When a held listing begins to show.'),
  shadow: nullable(
    Type.String(),
    'Why the listing is only counted: "kind", "whitelist ZONE" or "pool NAME".',
  ),
  episode: Count,
  termSeconds: Type.Union([Seconds, Type.Null()]),
  hits: Count,
  basis: Type.Array(
    Type.Object({
      rule: Type.Enum(['lists', 'joins']),
      kind: Kind,
      messages: Count,
      traps: Count,
      from: Timestamp,
      to: Timestamp,
    }),
    { description: 'Why it began, and got further kinds: so many messages to so many traps.' },
  ),
})

const NextStep = Type.Object(
  {
    effect: Type.Enum(['lists', 'joins', 'extends']),
    messages: Count,
    otherReturned: Type.Integer({
      description: 'So many of them return messages that do not count yet.',
    }),
    otherTraps: Type.Integer({ description: 'So many further traps they go to.' }),
    needsCertain: Type.Boolean({ description: 'Whether one of them must be certain.' }),
    before: nullable(
      Timestamp,
      'From then on other messages are needed. null: the same at any time.',
    ),
    expiresAt: Timestamp,
    episode: Count,
  },
  { description: 'The fewest messages that would list, and what follows if they come now.' },
)

const KindCount = Type.Object({
  kind: Kind,
  windowSeconds: Seconds,
  messages: Type.Integer({ description: 'Different returned messages in the window.' }),
  messagesNeeded: Count,
  traps: Count,
  trapsNeeded: Count,
  provenAt: nullable(Timestamp, 'When the newest message was seen that can list.'),
  leavesAt: nullable(Timestamp, 'When the oldest message leaves the window.'),
  isReached: Type.Boolean(),
  isListed: Type.Boolean({ description: 'Whether the present listing has this kind.' }),
  next: Type.Union([NextStep, Type.Null()]),
  sentence: nullable(Type.String(), '`next` in words. null: nothing can list the address.'),
  shadow: nullable(Type.String(), 'Why that listing would only be counted.'),
})

const PastListing = Type.Object({
  listedAt: nullable(Timestamp, 'null: its first messages were deleted for their age.'),
  endsAt: Timestamp,
  kinds: Type.Array(Kind),
  episode: Count,
  isRemoved: Type.Boolean(),
})

const Message = Type.Object({
  seenAt: Timestamp,
  kind: NullableKind,
  certainty: NullableCertainty,
  rule: Type.String(),
  counts: Type.Boolean({ description: 'Whether it counts in the window that ends now.' }),
  why: Type.String(),
  did: nullable(Type.String(), 'What it did to the listing, in the order of their times.'),
})

export const PolicyExplanation = Type.Object(
  {
    query: Type.String(),
    prefix: Type.String({ description: 'The network that the messages of the address count for.' }),
    state: nullable(
      Type.String(),
      'Of the listing by trap: listed, held, shadow, expired or removed; or exempt, excluded or special-purpose. null: ' +
        'never listed.',
    ),
    sentence: Type.String({ description: 'The state in words.' }),
    listed: Type.Boolean({ description: 'Whether DNS answers the address, for whatever listing.' }),
    listing: Type.Union([PresentListing, Type.Null()]),
    kinds: Type.Array(KindCount),
    past: Type.Array(PastListing, {
      description: 'Listings as the present policy sees them, the newest first.',
    }),
    next: Type.Object({
      episode: Count,
      termSeconds: Seconds,
      lowerAt: nullable(Timestamp, 'When the episode would be one lower. null: it is the first.'),
    }),
    messages: Type.Array(Message, { description: 'The newest 50, the newest first.' }),
    counted: Type.Array(
      Type.Object({ kind: Kind, certainty: NullableCertainty, messages: Count, seenAt: Timestamp }),
      { description: 'Messages that were not stored, since there were too many on one day.' },
    ),
    exits: Type.Array(
      Type.Object({
        by: Type.Enum(['time', 'request', 'remove', 'exempt']),
        at: NullableTimestamp,
        sentence: Type.String(),
      }),
      { description: 'What would end the listing.' },
    ),
  },
  {
    examples: [
      {
        query: '198.51.100.20',
        prefix: '198.51.100.20/32',
        state: null,
        sentence: '198.51.100.20/32 was never listed by trap',
        listed: false,
        listing: null,
        kinds: [
          {
            kind: 'dsn',
            windowSeconds: 604800,
            messages: 1,
            messagesNeeded: 2,
            traps: 1,
            trapsNeeded: 1,
            provenAt: '2026-07-01T10:00:00Z',
            leavesAt: '2026-07-08T10:00:00Z',
            isReached: false,
            isListed: false,
            next: {
              effect: 'lists',
              messages: 1,
              otherReturned: 1,
              otherTraps: 0,
              needsCertain: false,
              before: '2026-07-08T10:00:00Z',
              expiresAt: '2026-07-08T12:00:00Z',
              episode: 1,
            },
            sentence:
              'one more dsn, returning another message, to any trap, before 2026-07-08T10:00:00Z, would list it until 2026-07-08T12:00:00Z (episode 1, term 7d)',
            shadow: null,
          },
        ],
        past: [],
        next: { episode: 1, termSeconds: 604800, lowerAt: null },
        messages: [
          {
            seenAt: '2026-07-01T10:00:00Z',
            kind: 'dsn',
            certainty: 'certain',
            rule: 'rfc3464-report',
            counts: true,
            why: 'counts until 2026-07-08T10:00:00Z',
            did: null,
          },
        ],
        counted: [],
        exits: [],
      },
    ],
  },
)
export type PolicyExplanation = Static<typeof PolicyExplanation>
