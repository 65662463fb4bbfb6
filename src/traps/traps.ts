// Options → the running trap sources: the SMTP listener, and a poller for each mailbox. A source that fails does not stop the
// others.

import type { Recorded } from '../bounce/evidence.ts'
import { parseTrustedRelays } from '../bounce/received.ts'
import { OperationalError } from '../errors.ts'
import { type Prefix, parsePrefix } from '../ip/address.ts'
import { isSchedule, type Schedule, startSchedule } from '../schedule.ts'
import { type CertificateFiles, readCertificate } from './certificate.ts'
import { Collector, type CollectorOptions, type SubmittedMessage } from './collect.ts'
import type { MailboxOptions } from './mailbox.ts'
import { MemoryBudget } from './memory-budget.ts'
import {
  type AuthenticitySources,
  MessageReader,
  type MessageReaderOptions,
} from './message-reader.ts'
import { type MailboxStatus, Poller } from './poller.ts'
import { ReadingMark } from './reading-mark.ts'
import { RemoteMailboxes, type RemoteMailboxesOptions } from './remote-mailboxes.ts'
import type { SmtpListener, SmtpListenerOptions } from './smtp.ts'

export type { MailboxOptions } from './mailbox.ts'
export type { MailboxStatus } from './poller.ts'

/** The live listener; limits have the defaults of SmtpListenerOptions. */
export interface TrapSmtpOptions
  extends Omit<
      SmtpListenerOptions,
      | 'proxies'
      | 'proxyProtocol'
      | 'certificate'
      | 'list'
      | 'collector'
      | 'memory'
      | 'log'
      | 'onFatal'
    >,
    CertificateFiles {
  /** Addresses or prefixes that may name the client by XCLIENT or XFORWARD. */
  readonly proxies: readonly string[]
  /** Addresses or prefixes whose connections must begin with a PROXY header. @default none */
  readonly proxyProtocol?: readonly string[]
}

export interface TrapsOptions extends Pick<CollectorOptions, 'list' | 'now' | 'log'> {
  readonly authenticity?: AuthenticitySources
  /** The limits of the thread that reads messages, and its file. */
  readonly reader?: Omit<MessageReaderOptions, 'authenticity' | 'mark' | 'log'>
  /** Where a stored message that takes long is named, so that one which ends the process is read twice at most. */
  readonly markFile?: string
  /** @default 256 MiB: messages being received, read and recorded, together */
  readonly maxHeldBytes?: number
  readonly smtp?: TrapSmtpOptions
  readonly mailboxes: readonly MailboxOptions[]
  /** How far each mailbox has been read; set() is called only after the commit. */
  readonly positions: {
    get(mailbox: string): string | undefined
    set(mailbox: string, position: string): void
  }
  readonly trace: { readonly trustedRelays: readonly string[] }
  /** The thread that reads mailboxes. */
  readonly mailboxThread?: Pick<RemoteMailboxesOptions, 'entry' | 'resourceLimits'>
  /** Called when a listener has broken for good. */
  onFatal(error: Error): void
}

export interface Traps {
  /** Bound SMTP addresses; empty without a listener. */
  readonly addresses: readonly string[]
  mailboxes(): MailboxStatus[]
  /** Reads that mailbox now, outside its schedule. Resolves when done; false when there is none of that name. */
  poll(name: string): Promise<boolean>
  /** Records what a remote collector heard: see Collector. */
  submit(message: SubmittedMessage): Promise<readonly Recorded[]>
  /** The verdict on a message, with the trusted relays that the sources go by; nothing is recorded. */
  classify: Collector['classify']
  /** Reads the certificate again. Throws OperationalError `config-invalid` and keeps the old one when it is not sound. */
  renewCertificate(): Promise<void>
  /** Drains within a few seconds: what is being received or recorded finishes or is refused. */
  close(): Promise<void>
}

/**
 * Resolves once the listener is bound; mailboxes are read at their schedule, and once now. Throws OperationalError for
 * an address that cannot be bound, and `config-invalid` for a schedule or proxy that is none.
 */
export async function startTraps(options: TrapsOptions): Promise<Traps> {
  const { mailboxes, positions, log, now, list, trace, onFatal } = options
  const proxies = (options.smtp?.proxies ?? []).map((each) => prefixOf('proxies', each))
  const proxyProtocol = (options.smtp?.proxyProtocol ?? []).map((each) =>
    prefixOf('proxyProtocol', each),
  )
  const certificate = await readCertificate(options.smtp ?? {})
  for (const [index, { name, schedule }] of mailboxes.entries()) {
    if (isSchedule(schedule)) continue
    const why = `mailbox ${name}: not a cron expression: ${JSON.stringify(schedule)}`
    throw new OperationalError('config-invalid', why, { keys: [`mailbox[${index + 1}].schedule`] })
  }
  const relays = parseTrustedRelays(trace.trustedRelays)
  const { authenticity, markFile } = options
  const drainSeconds = options.smtp?.drainSeconds ?? 2
  await using starting = new AsyncDisposableStack()
  const remote = starting.adopt(
    new RemoteMailboxes({
      mailboxes,
      positions,
      list,
      now,
      log,
      ...options.mailboxThread,
    }),
    (each) => each.close(),
  )
  const reader = starting.adopt(
    new MessageReader({
      ...options.reader,
      log,
      ...(authenticity && { authenticity }),
      ...(markFile !== undefined && { mark: new ReadingMark(markFile, log) }),
    }),
    (each) => each.close(),
  )
  const memory = new MemoryBudget(options.maxHeldBytes)
  const collector = new Collector({ relays, list, now, log, reader, memory })
  const smtp: SmtpListener | undefined =
    options.smtp &&
    starting.adopt(
      await (await import('./smtp.ts')).startSmtpListener({
        ...options.smtp,
        proxies,
        proxyProtocol,
        list,
        collector,
        memory,
        log,
        onFatal,
        ...(certificate && { certificate }),
        drainSeconds: drainSeconds + goodbyeSeconds,
      }),
      (each) => each.close(),
    )
  const pollers = new Map(
    mailboxes.map(({ name, type, allTraps }) => {
      const mailbox = remote.mailbox(name)
      return [name, new Poller({ name, type, allTraps, mailbox, collector, now, log })]
    }),
  )
  const schedules: Schedule[] = mailboxes.map(({ name, schedule }) =>
    startSchedule({
      expression: schedule,
      run: async () => await pollers.get(name)?.poll(),
    }),
  )
  for (const poller of pollers.values()) void poller.poll()
  starting.move()
  return {
    addresses: smtp?.addresses ?? [],
    mailboxes: () => [...pollers.values()].map((poller) => poller.status()),
    async poll(name) {
      await pollers.get(name)?.pollNow()
      return pollers.has(name)
    },
    submit: (message) => collector.submit(message),
    classify: (raw) => collector.classify(raw),
    async renewCertificate() {
      const renewed = await readCertificate(options.smtp ?? {})
      if (renewed !== undefined) smtp?.renew(renewed)
    },
    async close() {
      for (const schedule of schedules) schedule.stop()
      reader.drain(drainSeconds * 1000)
      await Promise.all([smtp?.close(), ...[...pollers.values()].map((poller) => poller.stop())])
      await Promise.all([reader.close(), remote.close()])
    },
  }
}

/** Messages that are unread when the drain ends are answered 451, so connections stay open a little longer. */
const goodbyeSeconds = 0.5

function prefixOf(key: string, text: string): Prefix {
  const parsed = parsePrefix(text)
  if ('value' in parsed) return parsed.value
  throw new OperationalError('config-invalid', `trapSmtp.${key}: ${text}: ${parsed.why}`)
}
