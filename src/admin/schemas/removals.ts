// Schemas of requests to be removed from the list.
import Type, { type Static } from 'typebox'
import { removalStates } from '../../store/removals.ts'
import {
  maxReasonLength,
  NullableTimestamp,
  nullable,
  PageQuery,
  strict,
  Timestamp,
} from './basics.ts'

export const RemovalRequest = Type.Object(
  {
    address: Type.String({
      maxLength: 64,
      description: 'The listed address, or the IPv6 network that is listed: 2001:db8::/64.',
    }),
  },
  { ...strict, examples: [{ address: '198.51.100.20' }] },
)

/** The answer to anyone who requests a removal. */
export const RemovalAnswer = Type.Object(
  {
    prefix: Type.String({ description: 'What was listed for the address.' }),
    state: Type.Enum(['removed', 'queued'], {
      description: 'queued: the request waits for the operator.',
    }),
    why: Type.String(),
    askAgainAt: nullable(
      Timestamp,
      'From then on the rules allow a queued request, if it is sent again. null: they never do, or it is removed.',
    ),
    listed: Type.Boolean({
      description:
        'Whether DNS still answers the address. After a removal: because of other listings.',
    }),
  },
  {
    examples: [
      {
        prefix: '198.51.100.20/32',
        state: 'queued',
        why: 'it has to be quiet for 1d first',
        askAgainAt: '2026-07-02T10:00:00Z',
        listed: true,
      },
    ],
  },
)
export type RemovalAnswer = Static<typeof RemovalAnswer>

const RemovalState = Type.Enum([...removalStates], {
  description: 'obsolete: the listing ended before anyone decided.',
})

/** A request as the operator sees it. It does not say who sent it. */
export const Removal = Type.Object(
  {
    id: Type.Integer(),
    prefix: Type.String(),
    state: RemovalState,
    why: Type.String(),
    requestedAt: Timestamp,
    decidedAt: NullableTimestamp,
    decidedBy: nullable(Type.String(), 'policy, or who decided. null if nobody did.'),
  },
  {
    examples: [
      {
        id: 1,
        prefix: '198.51.100.20/32',
        state: 'removed',
        why: 'they repaired their server',
        requestedAt: '2026-07-01T10:00:00Z',
        decidedAt: '2026-07-01T12:00:00Z',
        decidedBy: 'anna',
      },
    ],
  },
)
export type Removal = Static<typeof Removal>

export const RemovalQuery = Type.Object(
  { ...PageQuery.properties, state: Type.Optional(RemovalState) },
  strict,
)

export type RemovalQuery = Static<typeof RemovalQuery>

export const RemovalDecision = Type.Object(
  { why: Type.Optional(Type.String({ maxLength: maxReasonLength })) },
  { ...strict, examples: [{ why: 'they repaired their server' }] },
)
