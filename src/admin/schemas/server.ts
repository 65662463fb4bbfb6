// Schemas of the server's state, API keys, and the audit.
import Type, { type Static } from 'typebox'
import { NullableTimestamp, PageQuery, strict, Timestamp } from './basics.ts'
import { Mailbox } from './traps.ts'

export const Health = Type.Object({ status: Type.String() })

const Counts = Type.Record(Type.String(), Type.Integer())

/** The state of a running server. */
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
      { description: 'Present while the database cannot be written.' },
    ),
  ),
  clockHeld: Type.Optional(
    Type.Object(
      { since: Timestamp, wallClock: Timestamp },
      { description: 'Present after the wall clock has jumped, until it is trusted again.' },
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
  queuedRemovals: Type.Integer({
    description: 'Requests to be removed that wait for a decision: see /v1/removals.',
  }),
  forgers: Type.Array(
    Type.Object({
      network: Type.String(),
      messages: Type.Integer(),
      spfFail: Type.Integer({
        description: 'How many of these messages the SPF record of the forged domain forbids.',
      }),
      lastSeenAt: Timestamp,
    }),
    {
      description:
        'Networks that sent the most mail with a trap as its forged sender. They are not listed for it.',
    },
  ),
  mailboxes: Type.Array(Mailbox),
})
export type ServerStatus = Static<typeof ServerStatus>

const KeyScope = Type.Enum(['read', 'write', 'collect', 'admin'])

export const Key = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  scope: KeyScope,
  createdAt: Timestamp,
  expiresAt: NullableTimestamp,
  revokedAt: NullableTimestamp,
  lastUsedAt: NullableTimestamp,
})
export type Key = Static<typeof Key>

export const CreatedKey = Type.Object({
  ...Key.properties,
  key: Type.String({ description: 'The secret: bsd_… It cannot be shown again.' }),
})
export type CreatedKey = Static<typeof CreatedKey>

export const NewKey = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$',
      description:
        'The audit shows this name. Once the key is revoked, the name can be used again.',
    }),
    scope: KeyScope,
    expiresAt: Type.Optional(NullableTimestamp),
    duration: Type.Optional(
      Type.String({
        maxLength: 32,
        description: 'Such as "90d". Without duration and expiresAt, the key never expires.',
      }),
    ),
  },
  strict,
)

export const Change = Type.Object({
  id: Type.Integer(),
  at: Timestamp,
  actor: Type.String({ description: 'A key’s name, cli, trap, config or policy.' }),
  action: Type.String(),
  target: Type.String(),
  before: Type.Unknown({ description: 'The state before the change; null: there was none.' }),
  after: Type.Unknown({ description: 'The state after the change; null: there is none.' }),
})

const exactly = Type.Optional(Type.String({ maxLength: 512 }))

export const AuditQuery = Type.Object(
  { ...PageQuery.properties, actor: exactly, action: exactly, target: exactly },
  strict,
)
