// A database in a temporary folder, the blocklist over it and the HTTP application, for tests of admin: everything is real
// except the clock and the caller.
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { buildApp } from '../../src/admin/app.ts'
import { RefusalLog } from '../../src/admin/client-limits.ts'
import type { TcpOptions } from '../../src/admin/listeners.ts'
import type { App, AppOptions, ShownPolicy } from '../../src/admin/options.ts'
import type { Scope } from '../../src/admin/scopes.ts'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import type { PolicyOptions } from '../../src/blocklist/policy.ts'
import { classify } from '../../src/classify/classify.ts'
import type { Evidence } from '../../src/classify/evidence.ts'
import type { BackscatterKind } from '../../src/classify/kinds.ts'
import { type Logger, wrongKey, wrongKeys } from '../../src/errors.ts'
import type { Prefix } from '../../src/ip/address.ts'
import { addressesNamed } from '../../src/mail/addresses.ts'
import { readHeaderSection } from '../../src/mail/header.ts'
import { parseMessage } from '../../src/mail/message.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import type { MailboxStatus } from '../../src/traps/traps.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { address, day, prefix, temporaryDirectory, testPolicy } from './door.ts'

/** 2026-07-01T10:00:00Z */
export const start = 1_782_900_000

const once = { messages: 1, traps: 1, windowSeconds: 7 * day }

export const policy: PolicyOptions = testPolicy({
  allowSpecial: [prefix('203.0.113.0/24'), prefix('2001:db8::/32')],
  threshold: {
    dsn: once,
    'auto-reply': once,
    'challenge-response': once,
    'content-notice': once,
    callout: once,
  },
  exempt: [{ prefix: prefix('203.0.113.240/28'), note: 'our relays' }],
  traps: ['@trap.example.org'],
})

export interface Admin {
  readonly folder: string
  readonly app: App
  readonly blocklist: Blocklist
  readonly store: Store
  readonly refusals: RefusalLog
  /** What the application logged. */
  readonly logged: { fields: object; message: string }[]
  now: number
  /** What the status says in place of the truth. */
  validUntil: number | undefined
  /** Who calls, unless a key is to say it. */
  scope: Scope
  byKey: boolean
  isReady: boolean
  isConfigRight: boolean
  hasMail: boolean
  requestsPerMinute: number
  takesRemovals: boolean
  trustedProxies: Prefix[]
  shownPolicy: ShownPolicy
  /** What the status says of the mailbox in place of the truth. */
  mailbox: Partial<MailboxStatus>
}

/** Opens everything; closed and removed when the test ends. */
export function openAdmin(t: TestContext, { minFreeBytes = 0, isRetired = false } = {}): Admin {
  const folder = temporaryDirectory(t)
  const logged: Admin['logged'] = []
  const keep = (fields: object, message: string): void => {
    logged.push({ fields, message })
  }
  const log: Logger = { error: keep, warn: keep, info: () => undefined, debug: () => undefined }
  const refusals = new RefusalLog(log)
  const store = openStore(join(folder, 'list.db'))
  const state = {
    now: start,
    validUntil: undefined as number | undefined,
    scope: 'admin' as Scope,
    byKey: false,
    isReady: true,
    isConfigRight: true,
    hasMail: true,
    requestsPerMinute: 1000,
    takesRemovals: true,
    shownPolicy: { ...policy, asksHosts: false },
    trustedProxies: [] as Prefix[],
    mailbox: {} as Partial<MailboxStatus>,
  }
  const blocklist = new Blocklist({
    store,
    tree: new TreeWriter(1 << 22),
    policy,
    log,
    now: () => state.now,
    validForSeconds: day,
    retired: isRetired,
    minFreeBytes,
  })
  const app = buildApp({
    origin: 'bl.test.example',
    contact: 'hostmaster@test.example',
    ttlSeconds: 300,
    isRetired,
    zone: { head: (serial) => `; ${serial}\n`, text: 'listed: {ip}' },
    blocklist,
    store,
    refusals,
    version: '0.0.0',
    status: () => ({
      ...blocklist.status(),
      ...(state.validUntil !== undefined && { validUntil: state.validUntil }),
      version: '0.0.0',
      workers: 2,
      uptimeSeconds: 5,
      mailboxes: [{ ...mailbox, ...state.mailbox }],
    }),
    isReady: () => state.isReady,
    limits: () => state,
    policy: () => state.shownPolicy,
    mail: () => (state.hasMail ? mailOf(blocklist) : undefined),
    callerOf: () => (state.byKey ? undefined : { name: 'test', id: 'test', scope: state.scope }),
    now: () => state.now,
    log,
    reload: () => (state.isReady ? reloaded(state.isConfigRight) : undefined),
  })
  t.after(async () => {
    await app.close()
    blocklist.close()
    store.close()
  })
  return Object.assign(state, { folder, app, blocklist, store, refusals, logged })
}

/** For `serveOnTcp`: a free port, and what `admin` says meanwhile. */
export function listenerOptions(admin: Admin): TcpOptions {
  const { refusals } = admin
  return { listen: '127.0.0.1:0', refusals, trustedProxies: () => admin.trustedProxies }
}

/** One mailbox, and messages that are all of one kind. */
function mailOf(blocklist: Blocklist): ReturnType<NonNullable<AppOptions['mail']>> {
  return {
    mailboxes: () => [mailbox],
    poll: async (name) => name === mailbox.name,
    submit: async ({ raw, client, recipients, source, reversePath }) => {
      const to = addressesNamed(readHeaderSection(raw), 'to')
      const addressed = { to, returnedAuthors: [] }
      const decisions = await blocklist.record(
        recipients.map((recipient) =>
          evidence('203.0.113.50', 'dsn', {
            ...{ client, recipient, source, addressed },
            ...(reversePath !== undefined && { details: { reversePath } }),
          }),
        ),
      )
      return { certainty: 'certain', decisions }
    },
    classify: async (raw) => ({ ...classify(parseMessage(raw)), client: null }),
  }
}

const mailbox: MailboxStatus = {
  name: 'box',
  type: 'maildir',
  state: 'ok',
  readingSince: null,
  lastReadAt: start,
  lastError: null,
  lastErrorDetail: null,
  retryAt: null,
  recorded: 3,
  passedOver: 0,
  refused: 0,
  unreadable: 0,
}

let messages = 0

/** Evidence of one more message from a client to a trap. */
export function evidence(
  client: string,
  kind: BackscatterKind,
  more: Partial<Evidence> = {},
): Evidence {
  const content = (messages++).toString(16).padStart(64, '0')
  return {
    client: address(client),
    recipient: 'secret-trap@trap.example.org',
    kind,
    certainty: 'certain',
    rule: 'rfc3464',
    content,
    returned: content,
    seenAt: start,
    source: 'smtp',
    details: {
      messageId: '<1@mx.example.net>',
      reportingMta: 'mx.example.net',
      subject: 'failure',
    },
    ...more,
  }
}

async function reloaded(isConfigRight: boolean) {
  if (isConfigRight) return { file: 'list.toml', warnings: [], restart: ['zone'] }
  throw wrongKeys([wrongKey('zone.ttl', 'expected a duration')], 'list.toml')
}

/** The clock that no setting of the time moves: it stands still from now on. */
export function stopClock(t: TestContext): { nowMs: number } {
  // Whole milliseconds: differences of others are rounded.
  const clock = { nowMs: Math.ceil(performance.now()) }
  t.mock.method(performance, 'now', () => clock.nowMs)
  return clock
}
