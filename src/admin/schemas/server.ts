// Schemas of the server's state, API keys, and the audit.
import Type, { type Static } from 'typebox'
import { importPhases } from '../../blocklist/types.ts'
import { NullableTimestamp, PageQuery, strict, Timestamp } from './basics.ts'
import { Mailbox, mailboxExample } from './traps.ts'

export const Health = Type.Object({ status: Type.String() }, { examples: [{ status: 'ok' }] })

const Counts = Type.Record(Type.String(), Type.Integer())

/** The state of a running server. */
export const ServerStatus = Type.Object(
  {
    version: Type.String(),
    serial: Type.Integer(),
    generatedAt: Timestamp,
    validUntil: Timestamp,
    entries: Type.Object({ ipv4: Type.Integer(), ipv6: Type.Integer(), domains: Type.Integer() }),
    workers: Type.Integer(),
    uptimeSeconds: Type.Integer(),
    configReadAt: Type.Optional(
      Type.String({ format: 'date-time', description: 'When the server read its configuration.' }),
    ),
    needRestart: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Keys of the configuration whose change has no effect before a restart.',
      }),
    ),
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
    publishedInMs: Type.Optional(
      Type.Number({
        description: 'How long the last publication took, from COMMIT until DNS answered it.',
      }),
    ),
    disk: Type.Optional(
      Type.Object(
        { freeBytes: Type.Integer(), neededBytes: Type.Integer() },
        { description: 'Free space on the database’s disk, and how much mail needs.' },
      ),
    ),
    threads: Type.Optional(
      Type.Array(
        Type.Object({
          name: Type.String(),
          isAnswering: Type.Boolean(),
          restarts: Type.Integer(),
        }),
        { description: 'The threads that answer DNS.' },
      ),
    ),
    secondaries: Type.Optional(
      Type.Array(
        Type.Object({
          address: Type.String(),
          state: Type.Enum(['waiting', 'ok', 'refused', 'silent']),
          serial: Type.Union([Type.Integer(), Type.Null()], {
            description: 'The serial of the last NOTIFY to it.',
          }),
          toldAt: NullableTimestamp,
          answeredAt: NullableTimestamp,
          answeredSerial: Type.Union([Type.Integer(), Type.Null()]),
        }),
        { description: 'Whom dns.transfer tells of each change, and what they answered.' },
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
    imports: Type.Array(
      Type.Object({
        list: Type.String(),
        phase: Type.Enum([...importPhases]),
        done: Type.Integer({ description: 'Lines or, when publishing, prefixes.' }),
        total: Type.Union([Type.Integer(), Type.Null()], { description: 'null while reading.' }),
      }),
      { description: 'The imports that run now, and how far each is.' },
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
  },
  {
    examples: [
      {
        version: '0.1.0',
        serial: 1_782_900_000,
        generatedAt: '2026-07-01T10:00:00Z',
        validUntil: '2026-07-02T10:00:00Z',
        entries: { ipv4: 12, ipv6: 1, domains: 0 },
        workers: 2,
        uptimeSeconds: 86400,
        configReadAt: '2026-06-30T10:00:00Z',
        needRestart: [],
        tree: { usedBytes: 4096, capacityBytes: 1_073_741_824 },
        queuedRemovals: 0,
        imports: [],
        forgers: [],
        mailboxes: [mailboxExample],
      },
    ],
  },
)
export type ServerStatus = Static<typeof ServerStatus>
/** The part that costs little to find out. */
export type ServerState = Omit<ServerStatus, 'forgers'>

const KeyScope = Type.Enum(['read', 'write', 'collect', 'admin'])

const keyExample = {
  id: 1,
  name: 'mx1',
  scope: 'read',
  createdAt: '2026-07-01T10:00:00Z',
  expiresAt: '2026-09-29T10:00:00Z',
  revokedAt: null,
  lastUsedAt: null,
}

const key = {
  id: Type.Integer(),
  name: Type.String(),
  scope: KeyScope,
  createdAt: Timestamp,
  expiresAt: NullableTimestamp,
  revokedAt: NullableTimestamp,
  lastUsedAt: NullableTimestamp,
}
export const Key = Type.Object(key, { examples: [keyExample] })
export type Key = Static<typeof Key>

export const CreatedKey = Type.Object(
  {
    ...key,
    key: Type.String({ description: 'The secret: bsd_… It cannot be shown again.' }),
  },
  { examples: [{ ...keyExample, key: 'bsd_…' }] },
)
export type CreatedKey = Static<typeof CreatedKey>

export const keyNamePattern = '^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$'

export const NewKey = Type.Object(
  {
    name: Type.String({
      pattern: keyNamePattern,
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
  { ...strict, examples: [{ name: 'mx1', scope: 'read', duration: '90d' }] },
)

export const Change = Type.Object(
  {
    id: Type.Integer(),
    at: Timestamp,
    actor: Type.String({ description: 'A key’s name, cli, trap, config or policy.' }),
    action: Type.String(),
    target: Type.String(),
    before: Type.Unknown({ description: 'The state before the change; null: there was none.' }),
    after: Type.Unknown({ description: 'The state after the change; null: there is none.' }),
  },
  {
    examples: [
      {
        id: 1,
        at: '2026-07-01T10:00:00Z',
        actor: 'cli',
        action: 'exempt',
        target: '198.51.100.32/28',
        before: null,
        after: { prefix: '198.51.100.32/28', note: 'our own relays' },
      },
    ],
  },
)
export type Change = Static<typeof Change>

/** What a reload did. */
export const Reloaded = Type.Object(
  {
    file: Type.String({ description: 'The configuration that was read.' }),
    warnings: Type.Array(Type.Object({ key: Type.String(), why: Type.String() })),
    restart: Type.Array(Type.String(), {
      description: 'Keys that were changed since the start and need a restart.',
    }),
  },
  {
    examples: [{ file: '/etc/backscatterd/backscatterd.toml', warnings: [], restart: ['dns'] }],
  },
)
export type Reloaded = Static<typeof Reloaded>

const exactly = (description: string) => Type.Optional(Type.String({ maxLength: 512, description }))

export const AuditQuery = Type.Object(
  {
    ...PageQuery.properties,
    actor: exactly('Changes by this key, or by cli, trap, config or policy.'),
    action: exactly('Changes of this kind, as the audit shows it.'),
    target: exactly('Changes of this prefix, trap or key, as the audit shows it.'),
  },
  strict,
)
export type AuditQuery = Static<typeof AuditQuery>
