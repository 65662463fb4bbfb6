// Schemas of the look-up of an address: what anyone sees, and what a key shows.
import Type, { type Static } from 'typebox'
import { countClasses } from '../../blocklist/types.ts'
import { certainties } from '../../classify/kinds.ts'
import {
  Kind,
  NullableCertainty,
  NullableKind,
  NullableText,
  NullableTimestamp,
  nullable,
  Timestamp,
} from './basics.ts'
import { Exception, Listing, ListingOrigin, listing } from './listings.ts'

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
    history: Type.Array(
      Type.Object({
        ...listing,
        endedAt: Timestamp,
        isPurged: Type.Boolean({
          description: 'Whether it ended because its evidence was purged.',
        }),
      }),
    ),
  },
  { title: 'With a key' },
)
export type LookupBody = Static<typeof LookupBody>

const notListed = {
  query: '198.51.100.20',
  listed: false,
  kinds: [],
  codes: [],
  since: null,
  until: null,
  state: null,
}

export const Lookup = Type.Union([LookupBody, PublicLookup], {
  examples: [
    { ...notListed, prefix: null, origin: null, evidence: [], advice: [] },
    {
      query: '198.51.100.20',
      listed: true,
      kinds: ['dsn'],
      codes: ['127.0.0.2', '127.0.0.3'],
      prefix: '198.51.100.20/32',
      origin: 'trap',
      since: '2026-07-01T10:00:00Z',
      until: '2026-07-09T00:00:00Z',
      state: 'listed',
      evidence: [
        {
          kind: 'dsn',
          certainty: 'certain',
          messages: '3–9',
          traps: '3–9',
          hours: ['2026-07-01T10:00:00Z'],
          generator: 'postfix',
        },
      ],
      advice: [],
    },
  ],
})
