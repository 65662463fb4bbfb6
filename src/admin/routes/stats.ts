// /v1/stats: what the server says of itself; `status` prints it.
import type { BlocklistStatus } from '../../blocklist/types.ts'
import { formatPrefix } from '../../ip/address.ts'
import type { App, AppOptions } from '../app.ts'
import { mailboxBody, problems, ServerStatus, timestamp } from '../schemas.ts'

/** One trap mailbox; times in epoch seconds. */
export interface MailboxState {
  readonly name: string
  readonly type: string
  readonly state: string
  readonly readingSince: number | null
  readonly lastReadAt: number | null
  readonly lastError: string | null
  readonly lastErrorDetail: string | null
  readonly retryAt: number | null
  readonly recorded: number
  readonly passedOver: number
  readonly refused: number
}

/** The zone as published, and the process around it. */
export interface ServerState extends Omit<BlocklistStatus, 'tree'> {
  readonly version: string
  /** DNS threads. */
  readonly workers: number
  readonly uptimeSeconds: number
  /** How datagrams are moved; absent without a name server. */
  readonly udp?: {
    readonly transport: string
    readonly receiveBufferBytes: number
    readonly sendBufferBytes: number
    readonly dropped: number
  }
  /** None in a program that serves no DNS. */
  readonly tree?: ServerStatus['tree']
  readonly dns?: Readonly<NonNullable<ServerStatus['dns']>>
  /** Set while the wall clock is not followed. Times in epoch seconds. */
  readonly clockHeld?: { readonly since: number; readonly wallClock: number }
  readonly mailboxes: readonly MailboxState[]
}

export function statsRoutes(app: App, { status, blocklist }: AppOptions): void {
  app.get(
    '/v1/stats',
    {
      config: { scope: 'read' },
      schema: { response: { 200: ServerStatus, ...problems(401, 403) } },
    },
    async (request) => {
      const { generatedAt, validUntil, tree, mailboxes, writeFailure, clockHeld, ...rest } =
        status()
      return {
        ...rest,
        generatedAt: timestamp(generatedAt),
        validUntil: timestamp(validUntil),
        ...(writeFailure && {
          writeFailure: { ...writeFailure, since: timestamp(writeFailure.since) },
        }),
        ...(clockHeld && {
          clockHeld: {
            since: timestamp(clockHeld.since),
            wallClock: timestamp(clockHeld.wallClock),
          },
        }),
        tree: tree ?? { usedBytes: 0, capacityBytes: 0 },
        forgers: blocklist.forgers().map(({ network, lastSeenAt, ...counts }) => ({
          ...counts,
          network: formatPrefix(network),
          lastSeenAt: timestamp(lastSeenAt),
        })),
        mailboxes: mailboxes.map((mailbox) => mailboxBody(mailbox, request.caller.scope)),
      }
    },
  )
}
