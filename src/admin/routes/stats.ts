// /v1/stats: the state of the running server.
import { formatPrefix } from '../../ip/address.ts'
import { formatTimestamp } from '../../quantity.ts'
import type { App, AppOptions } from '../options.ts'
import { problems, withTimes } from '../schemas/basics.ts'
import { type ServerState, ServerStatus } from '../schemas/server.ts'
import { mailboxBody } from '../schemas/traps.ts'
import type { Scope } from '../scopes.ts'

export function statsRoutes(app: App, options: AppOptions): void {
  app.get(
    '/v1/stats',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getStats',
        summary: 'Show the state of the server',
        description: 'What it serves and since when, what DNS answered, and what is wrong.',
        response: { 200: ServerStatus, ...problems() },
      },
    },
    async ({ caller }) => ({
      ...statusBody(options, caller.scope),
      forgers: options.blocklist.forgers().map((forger) => ({
        ...withTimes(forger),
        network: formatPrefix(forger.network),
      })),
    }),
  )
}

/** The state of the server as a caller of this scope may see it. It names no trap below scope admin, and reads few rows. */
export function statusBody({ status, store }: StatusSources, scope: Scope): ServerState {
  const { writeFailure, clockHeld, needRestart, publishedInMs, disk, ...rest } = status()
  const { threads, secondaries, ...state } = rest
  return {
    ...withTimes(state),
    validUntil: formatTimestamp(state.validUntil),
    ...(writeFailure && {
      writeFailure: { ...writeFailure, since: formatTimestamp(writeFailure.since) },
    }),
    ...(clockHeld && {
      clockHeld: {
        since: formatTimestamp(clockHeld.since),
        wallClock: formatTimestamp(clockHeld.wallClock),
      },
    }),
    ...(needRestart && { needRestart: [...needRestart] }),
    ...(publishedInMs !== undefined && { publishedInMs }),
    ...(disk && { disk }),
    ...(threads && { threads }),
    ...(secondaries && { secondaries: secondaries.map(withTimes) }),
    imports: [...state.imports],
    tree: state.tree ?? { usedBytes: 0, capacityBytes: 0 },
    queuedRemovals: store.removals.countQueued(),
    mailboxes: state.mailboxes.map((mailbox) => mailboxBody(mailbox, scope)),
  }
}

type StatusSources = Pick<AppOptions, 'status' | 'store'>
