// A live listener for tests, on a free port, whose evidence lands in an array.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Evidence, Recorded } from '../../../src/classify/evidence.ts'
import { checkedPrefix } from '../../../src/commands/options.ts'
import {
  startTraps,
  type TrapSmtpOptions,
  type Traps,
  type TrapsOptions,
} from '../../../src/traps/traps.ts'
import { SmtpClient } from './smtp-client.ts'

export interface SmtpSite {
  readonly traps: Traps
  readonly address: string
  readonly recorded: Evidence[]
  readonly log: string[]
  connect(): SmtpClient
}

export interface SmtpSiteOptions
  extends Partial<Omit<TrapSmtpOptions, 'proxies' | 'proxyProtocol' | 'perMinute'>>,
    Pick<TrapsOptions, 'authenticity' | 'reader' | 'maxHeldBytes'> {
  readonly proxies?: readonly string[]
  readonly proxyProtocol?: readonly string[]
  readonly perMinute?: Partial<TrapSmtpOptions['perMinute']>
  readonly record?: (evidence: readonly Evidence[]) => Promise<readonly Recorded[]>
  readonly trustedRelays?: readonly string[]
}

export async function smtpSite(t: TestContext, options: SmtpSiteOptions = {}): Promise<SmtpSite> {
  const { record, trustedRelays = [], authenticity, reader, maxHeldBytes, ...given } = options
  const { proxies = [], proxyProtocol = [], perMinute, ...smtp } = given
  const recorded: Evidence[] = []
  const log: string[] = []
  const write = (fields: object, message: string): void => {
    log.push(`${message} ${JSON.stringify(fields)}`)
  }
  const traps = await startTraps({
    smtp: {
      listen: ['127.0.0.1:0'],
      hostname: 'mx.trap.example',
      proxies: proxies.map(checkedPrefix),
      proxyProtocol: proxyProtocol.map(checkedPrefix),
      lmtp: false,
      greetingDelaySeconds: 0,
      maxBytes: 10 * 1024 ** 2,
      maxConnections: 200,
      maxClientConnections: 50,
      perMinute: { connections: 0, messages: 0, recipients: 0, errors: 20, ...perMinute },
      drainSeconds: 0.3,
      ...smtp,
    },
    mailboxes: [],
    positions: { get: () => undefined, set: () => undefined },
    trace: { trustedRelays },
    ...(authenticity && { authenticity }),
    ...(reader && { reader }),
    ...(maxHeldBytes !== undefined && { maxHeldBytes }),
    list: {
      isTrap: (address) => address.endsWith('@trap.example'),
      record: async (evidence) => {
        const decisions = await (record?.(evidence) ?? evidence.map(() => ({ decision: 'listed' })))
        recorded.push(...evidence)
        return decisions
      },
    },
    now: () => 1_800_000_000,
    log: { error: write, warn: write, info: write, debug: () => undefined },
    onFatal: (error) => assert.fail(error),
  })
  t.after(() => traps.close())
  const address = traps.addresses[0] ?? ''
  return { traps, address, recorded, log, connect: () => new SmtpClient(t, address) }
}
