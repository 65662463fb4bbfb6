// What the HTTP application is built from, and the types that its routes are written in.
import type { IncomingMessage } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Blocklist } from '../blocklist/blocklist.ts'
import type { BlocklistStatus } from '../blocklist/types.ts'
import type { Logger } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { MailboxStatus, Traps } from '../traps/traps.ts'
import type { RefusalLog } from './client-limits.ts'
import type { ServerStatus } from './schemas/server.ts'
import type { Caller } from './scopes.ts'

/** What routes are added to: its type carries the schemas' types into the handlers. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface AppOptions {
  readonly blocklist: Blocklist
  /** For keys, the audit and repeated requests; the list is changed through `blocklist` alone. */
  readonly store: Store
  readonly version: string
  /** The URL that clients use; '' if there is none. */
  readonly publicUrl?: string
  /** Whether to offer /openapi.json and /docs. @default true; a single command need not wait for them */
  readonly isDescribed?: boolean
  /** The state of the process around the app, for /v1/stats. */
  status(): ServerState
  /** Whether the list is loaded and every listener bound, for /readyz. */
  isReady(): boolean
  /** Who sent a request, if the transport says it; undefined: its key says it. */
  callerOf(request: IncomingMessage): Caller | undefined
  /** Asked for each request, since the configuration may be read again. @default no limits, no proxies */
  limits?(): AdminLimits
  /** Undefined where no traps are running, or not yet. */
  mail?(): Pick<Traps, 'mailboxes' | 'poll' | 'submit' | 'classify'> | undefined
  /** Whole epoch seconds: the blocklist's clock. */
  now(): number
  /** Throws OperationalError 'clock-held' while the clock is not to be trusted. @default it always is */
  requireClock?(): void
  readonly log: Logger
  /** Shared with the listener, so that a client has one line a minute. @default one of its own */
  readonly refusals?: RefusalLog
}

export interface AdminLimits {
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly Prefix[]
  /** Requests a minute that one client may send without a key. */
  readonly requestsPerMinute: number
}

/** The zone as published, and the process around it. */
interface ServerState extends Omit<BlocklistStatus, 'tree'> {
  readonly version: string
  /** DNS threads. */
  readonly workers: number
  readonly uptimeSeconds: number
  /** How datagrams are moved; absent without a name server. */
  readonly udp?: Readonly<NonNullable<ServerStatus['udp']>>
  /** Absent in a program that serves no DNS. */
  readonly tree?: ServerStatus['tree']
  readonly dns?: Readonly<NonNullable<ServerStatus['dns']>>
  /** Set while the wall clock is not followed. Times in epoch seconds. */
  readonly clockHeld?: { readonly since: number; readonly wallClock: number }
  readonly mailboxes: readonly MailboxStatus[]
}
