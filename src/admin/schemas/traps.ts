// Schemas of traps, trap mailboxes, and the messages and evidence that collectors submit.
import Type, { type Static } from 'typebox'
import { maxAddresses } from '../../mail/addresses.ts'
import type { MailboxStatus } from '../../traps/traps.ts'
import { type Scope, scopeIncludes } from '../scopes.ts'
import {
  Kind,
  NullableCertainty,
  NullableKind,
  NullableText,
  NullableTimestamp,
  nullable,
  nullableTimestamp,
  PageQuery,
  PrefixText,
  Source,
  strict,
  Timestamp,
  withTimes,
} from './basics.ts'
import { Listing } from './listings.ts'

const maxRecipients = 100
/** Most pieces of evidence in one request. All of them are judged in one transaction. */
export const maxEvidence = 250

export const Trap = Type.Object(
  { id: Type.Integer(), pattern: Type.String(), source: Source, createdAt: Timestamp },
  {
    examples: [
      {
        id: 1,
        pattern: '*@trap.example.org',
        source: 'manual',
        createdAt: '2026-07-01T10:00:00Z',
      },
    ],
  },
)
export type Trap = Static<typeof Trap>

/** The body that adds a trap, and the query that removes one. */
export const Pattern = Type.Object(
  {
    pattern: Type.String({
      maxLength: 512,
      description: 'user@example.org, @example.org or *@*.example.org.',
      examples: ['@new.example.org'],
    }),
  },
  { ...strict, examples: [{ pattern: '@new.example.org' }] },
)

export const mailboxExample = {
  name: 'demo',
  type: 'maildir',
  state: 'ok',
  readingSince: null,
  lastReadAt: '2026-07-01T10:00:00Z',
  lastError: null,
  retryAt: null,
  recorded: 3,
  passedOver: 0,
  refused: 0,
  unreadable: 0,
}

/** A trap mailbox and its state. */
export const Mailbox = Type.Object(
  {
    name: Type.String(),
    type: Type.String(),
    state: Type.String(),
    readingSince: NullableTimestamp,
    lastReadAt: NullableTimestamp,
    lastError: nullable(Type.String(), '“CODE: TEXT” from a fixed set. It names no address.'),
    lastErrorDetail: Type.Optional(
      nullable(Type.String(), 'What the server or the system said. Only for scope admin.'),
    ),
    retryAt: NullableTimestamp,
    recorded: Type.Integer({
      description:
        'Messages recorded since the server started. A message that was recorded before is not counted.',
    }),
    passedOver: Type.Integer(),
    refused: Type.Integer(),
    unreadable: Type.Integer({
      description:
        'Messages that the last poll could not read, or could not move after they were recorded. The mailbox is failing while there are any.',
    }),
  },
  { examples: [mailboxExample] },
)
export type Mailbox = Static<typeof Mailbox>

/** The body of a mailbox. Only scope admin sees the error text of the mail server, since it may name a trap. */
export function mailboxBody(mailbox: MailboxStatus, scope: Scope): Mailbox {
  const { lastErrorDetail, ...shown } = mailbox
  return {
    ...withTimes(shown),
    readingSince: nullableTimestamp(mailbox.readingSince),
    ...(scopeIncludes(scope, 'admin') && { lastErrorDetail }),
  }
}

export const NameParams = Type.Object({
  name: Type.String({
    description: 'Of the mailbox, as in the configuration.',
    examples: ['demo'],
  }),
})

/** SHA-256 of no octets. */
const contentExample = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })
const ShortText = Type.String({ minLength: 1, maxLength: 512 })
const Addresses = Type.Array(ShortText, { maxItems: maxAddresses })

const NewEvidence = Type.Object(
  {
    client: NullableText,
    recipient: ShortText,
    kind: NullableKind,
    certainty: NullableCertainty,
    rule: ShortText,
    content: Digest,
    returned: Digest,
    seenAt: Timestamp,
    source: ShortText,
    details: Type.Record(
      Type.String({ pattern: '^[a-zA-Z]{1,40}$' }),
      Type.String({ maxLength: 1000 }),
    ),
    genuine: Type.Optional(ShortText),
    addressed: Type.Optional(Type.Object({ to: Addresses, returnedAuthors: Addresses }, strict)),
    reportsSuccess: Type.Optional(Type.Literal(true)),
  },
  strict,
)
export type NewEvidence = Static<typeof NewEvidence>

export const EvidenceItems = Type.Object(
  { items: Type.Array(NewEvidence, { minItems: 1, maxItems: maxEvidence }) },
  {
    ...strict,
    examples: [
      {
        items: [
          {
            client: '198.51.100.20',
            recipient: 'jane@trap.example.org',
            kind: 'dsn',
            certainty: 'certain',
            rule: 'rfc3464-report',
            content: contentExample,
            returned: contentExample,
            seenAt: '2026-07-01T10:00:00Z',
            source: 'ingest',
            details: { reportingMta: 'mx.example.net' },
          },
        ],
      },
    ],
  },
)

export const EvidenceQuery = Type.Object(
  {
    ...PageQuery.properties,
    address: Type.Optional({
      ...PrefixText,
      description: 'Messages from this address, or from this network.',
    }),
    kind: Type.Optional(Kind),
    trap: Type.Optional(Type.String({ maxLength: 512, description: 'A trap address or pattern.' })),
    from: Type.Optional({ ...Timestamp, description: 'Messages seen at this time or later.' }),
    to: Type.Optional({ ...Timestamp, description: 'Messages seen before this time.' }),
  },
  strict,
)

export type EvidenceQuery = Static<typeof EvidenceQuery>

/** Evidence as it is stored. */
export const StoredEvidence = Type.Object(
  {
    id: Type.Integer(),
    seenAt: Timestamp,
    recordedAt: Timestamp,
    client: NullableText,
    trap: Type.String(),
    kind: NullableKind,
    certainty: NullableCertainty,
    rule: Type.String(),
    source: Type.String(),
    decision: Type.String(),
    why: Type.String(),
    content: Type.String({ description: 'SHA-256 of the message.' }),
    returned: Type.String({ description: 'Digest of the returned message.' }),
    details: Type.Record(Type.String(), Type.String()),
  },
  {
    examples: [
      {
        id: 1,
        seenAt: '2026-07-01T10:00:00Z',
        recordedAt: '2026-07-01T10:00:01Z',
        client: '198.51.100.20',
        trap: 'jane@trap.example.org',
        kind: 'dsn',
        certainty: 'certain',
        rule: 'rfc3464-report',
        source: 'smtp',
        decision: 'listed',
        why: 'dsn: 2 of 2 messages, 1 of 1 trap within 7d',
        content: contentExample,
        returned: contentExample,
        details: { reportingMta: 'mx.example.net' },
      },
    ],
  },
)
export type StoredEvidence = Static<typeof StoredEvidence>

export const Recorded = Type.Object(
  { decision: Type.String(), why: Type.String(), listing: Type.Optional(Listing) },
  { examples: [{ decision: 'counted', why: 'dsn: 1 of 2 messages, 1 of 1 trap within 7d' }] },
)
export type Recorded = Static<typeof Recorded>

export const MessageQuery = Type.Object(
  {
    client: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The host that delivered the message. Absent: taken from the Received fields.',
        examples: ['198.51.100.20'],
      }),
    ),
    recipient: Type.Array(Type.String({ minLength: 1, maxLength: 320 }), {
      minItems: 1,
      maxItems: maxRecipients,
      description: 'The trap address; repeat it for several.',
      examples: [['jane@trap.example.org']],
    }),
    sender: Type.Optional(
      Type.String({
        maxLength: 320,
        description:
          'The reverse-path (MAIL FROM). Empty or <>: the null sender. Absent: taken from the topmost Return-Path; if ' +
          'there is none, it is unknown.',
        examples: ['<>'],
      }),
    ),
  },
  strict,
)

export const Collected = Type.Object(
  {
    items: Type.Array(
      Type.Object({ decision: Type.String(), why: NullableText, certainty: NullableCertainty }),
      { description: 'The outcome for each recipient, in the order given.' },
    ),
  },
  {
    examples: [
      {
        items: [
          {
            decision: 'counted',
            why: 'dsn: 1 of 2 messages, 1 of 1 trap within 7d',
            certainty: 'certain',
          },
        ],
      },
    ],
  },
)

export const Verdict = Type.Object(
  {
    backscatter: Type.Boolean(),
    kind: NullableKind,
    certainty: NullableCertainty,
    notBackscatter: NullableText,
    rule: Type.String(),
    facts: Type.Array(Type.String(), {
      description: 'Names of the facts that the rule asked for and that hold.',
    }),
    client: NullableText,
    generator: NullableText,
    dsn: Type.Union([
      Type.Object({
        reportingMta: NullableText,
        finalRecipient: NullableText,
        originalRecipient: NullableText,
        action: NullableText,
        status: NullableText,
        remoteMta: NullableText,
        diagnosticCode: NullableText,
        receivedFromMta: NullableText,
        arrivalDate: NullableText,
        recipients: Type.Integer(),
      }),
      Type.Null(),
    ]),
    returned: Type.Unknown({ description: 'Fields of the returned message, or null.' }),
  },
  {
    examples: [
      {
        backscatter: true,
        kind: 'dsn',
        certainty: 'certain',
        notBackscatter: null,
        rule: 'rfc3464-report',
        facts: ['statusReport', 'systemSends', 'failedGroup'],
        client: '198.51.100.20',
        generator: 'postfix',
        dsn: null,
        returned: null,
      },
    ],
  },
)
