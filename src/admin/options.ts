// The options of the HTTP application, and the type of its routes.
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
import type { PolicyOptions } from '../blocklist/policy.ts'
import type { BlocklistStatus } from '../blocklist/types.ts'
import type { Logger } from '../errors.ts'
import type { ZoneText } from '../feeds/entry.ts'
import type { Address, Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { MailDomain } from '../traps/mail-domain.ts'
import type { MailboxStatus, Traps } from '../traps/traps.ts'
import type { RefusalLog } from './client-limits.ts'
import type { Reloaded, ServerStatus } from './schemas/server.ts'
import type { Caller } from './scopes.ts'

/** The app that routes are added to. Its type gives handlers the types of their schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface AppOptions {
  readonly blocklist: Blocklist
  /** For keys, the audit and repeated requests. The list itself is changed only through `blocklist`. */
  readonly store: Store
  readonly version: string
  /** The zone's name, in the head of every page. */
  readonly origin: string
  /** The operator's mail address. */
  readonly contact: string
  /** How long other servers may keep an answer about a listed address. */
  readonly ttlSeconds: number
  /** Whether the list is retired: DNS then lists nobody. */
  readonly isRetired: boolean
  /** What the domain of a host publishes against forged senders. */
  mailDomain?(host: Address): Promise<MailDomain | undefined>
  /** What the configuration adds to an export as a zone file. */
  readonly zone: ZoneText
  /** The URL that clients use; '' if there is none. */
  readonly publicUrl?: string
  /** Whether to offer the pages, /openapi.json and /docs. A single command does without them to start faster. @default true */
  readonly isDescribed?: boolean
  /** The state of the process around the app, for /v1/stats. */
  status(): Answered<ServerState, ServerStatus>
  /** How many queries had each outcome since the start, for the dashboard. Absent if the process serves no DNS. */
  outcomes?(): Readonly<Record<string, number>>
  /** Whether the list is loaded and every listener bound, for /readyz. */
  isReady(): boolean
  /** The caller, if the connection alone tells who it is; undefined: the request's key decides. */
  callerOf(request: IncomingMessage): Caller | undefined
  /** What /policy shows. Called for each request, since the configuration may be read again. Absent: there is no such page. */
  policy?(): ShownPolicy
  /** Called for each request, since the configuration may be read again. @default no limits, no proxies */
  limits?(): AdminLimits
  /** Returns undefined while no traps are running. */
  mail?(): Pick<Traps, 'mailboxes' | 'poll' | 'submit' | 'classify'> | undefined
  /** Reads the configuration again. Undefined if no server runs in this process, or not yet. */
  reload?(): Promise<Reloaded> | undefined
  /** The blocklist's clock, in whole epoch seconds. */
  now(): number
  /** Throws OperationalError 'clock-held' while the clock cannot be trusted. @default never throws */
  requireClock?(): void
  /** Aborted when the server begins to close: answers without an end then end. @default never */
  readonly closing?: AbortSignal
  readonly log: Logger
  /** The listener's log of refusals, so that both together log one line a minute for a client. @default a new one */
  readonly refusals?: RefusalLog
}

/** What the pages tell of the configuration. */
export interface ShownPolicy
  extends Pick<
    PolicyOptions,
    | 'publish'
    | 'threshold'
    | 'likely'
    | 'whitelists'
    | 'pools'
    | 'ipv6Prefix'
    | 'firstListingSeconds'
    | 'longestListingSeconds'
    | 'holdForSeconds'
    | 'removal'
  > {
  /** Whether DNS is asked about hosts. Without it no host is known to be on a whitelist or in a pool. */
  readonly asksHosts: boolean
}

export interface AdminLimits {
  /** Proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly Prefix[]
  /** Requests a minute that one client may send without a key. */
  readonly requestsPerMinute: number
  /** Whether anyone may request the removal of a listing. */
  readonly takesRemovals: boolean
}

/** `Told` if `Schema` has all members of `Told`, else never: an answer leaves out members that its schema lacks. */
export type Answered<Told, Schema> = keyof Told extends keyof Schema ? Told : never

interface SecondaryState
  extends Omit<NonNullable<ServerStatus['secondaries']>[number], 'toldAt' | 'answeredAt'> {
  readonly toldAt: number | null
  readonly answeredAt: number | null
}

/** The state of the published zone and of the process. */
interface ServerState extends Omit<BlocklistStatus, 'tree'> {
  readonly version: string
  /** The number of DNS threads. */
  readonly workers: number
  readonly uptimeSeconds: number
  /** When the configuration in force was read; absent if no server runs in this process. */
  readonly configReadAt?: number
  /** Keys of the configuration whose change has no effect before a restart. */
  readonly needRestart?: readonly string[]
  /** The UDP transport; absent if the process serves no DNS. */
  readonly udp?: Readonly<NonNullable<ServerStatus['udp']>>
  /** How full the tree is; absent if the process serves no DNS. */
  readonly tree?: ServerStatus['tree']
  readonly dns?: Readonly<NonNullable<ServerStatus['dns']>>
  readonly threads?: NonNullable<ServerStatus['threads']>
  /** Times in epoch seconds. */
  readonly secondaries?: readonly SecondaryState[]
  /** Set while the wall clock is not trusted. Times in epoch seconds. */
  readonly clockHeld?: { readonly since: number; readonly wallClock: number }
  readonly mailboxes: readonly MailboxStatus[]
}
