// Starts and stops everything that receives mail for traps: the SMTP listener, and a poller for each mailbox. If one fails, the
// others go on.
import type { HostList } from '../classify/evidence.ts'
import { wrongKey } from '../errors.ts'
import { parseTrustedRelays } from '../mail/trace.ts'
import { Resolver } from '../resolver/resolver.ts'
import { isSchedule, type Schedule, startSchedule } from '../schedule.ts'
import { type CertificateFiles, readCertificate } from './certificate.ts'
import { Collector, type CollectorOptions } from './collect.ts'
import { HostAsker } from './host-asker.ts'
import type { MailboxOptions } from './mailbox.ts'
import { MemoryBudget } from './memory-budget.ts'
import {
  type AuthenticitySources,
  MessageReader,
  type MessageReaderOptions,
} from './message-reader.ts'
import { type MailboxPositions, type MailboxStatus, Poller } from './poller.ts'
import { ReadingMark } from './reading-mark.ts'
import { RemoteMailboxes, type RemoteMailboxesOptions } from './remote-mailboxes.ts'
import type { SmtpListener, SmtpListenerOptions } from './smtp.ts'

export type { MailboxOptions } from './mailbox.ts'
export type { MailboxStatus } from './poller.ts'

/** The options of the SMTP listener. */
export interface TrapSmtpOptions
  extends Omit<
      SmtpListenerOptions,
      'certificate' | 'drainSeconds' | 'list' | 'collector' | 'memory' | 'log' | 'onFatal'
    >,
    CertificateFiles {
  /** @default 2 */
  readonly drainSeconds?: number
}

export interface TrapsOptions extends Pick<CollectorOptions, 'list' | 'now' | 'log'> {
  readonly authenticity?: AuthenticitySources
  /** Who wants to know what DNS says of hosts; used only if `authenticity` names DNS servers. Absent: nobody. */
  readonly hosts?: HostList
  /** Limits of the thread that reads messages, and the file that it runs. */
  readonly reader?: Omit<MessageReaderOptions, 'authenticity' | 'mark' | 'log'>
  /** File that names a stored message which takes long to read. If the process dies of it twice, it is not read again. */
  readonly markFile?: string
  /** Memory for all messages that are being received, read and recorded. @default 256 MiB */
  readonly maxHeldBytes?: number
  readonly smtp?: TrapSmtpOptions
  readonly mailboxes: readonly MailboxOptions[]
  readonly positions: MailboxPositions
  readonly trace: { readonly trustedRelays: readonly string[] }
  /** Options of the thread that reads mailboxes. */
  readonly mailboxThread?: Pick<RemoteMailboxesOptions, 'entry' | 'resourceLimits'>
  /** Called when a listening socket has failed for good. */
  onFatal(error: Error): void
}

export interface Traps {
  /** Bound SMTP addresses; empty if there is no listener. */
  readonly addresses: readonly string[]
  mailboxes(): MailboxStatus[]
  /**
   * Reads that mailbox now, outside its schedule. Resolves with true when done, or with false if there is no mailbox of that
   * name.
   */
  poll(name: string): Promise<boolean>
  /** Records a message from a remote collector: see Collector.submit. */
  submit: Collector['submit']
  /** Returns the verdict on a message, using the same trusted relays; records nothing. */
  classify: Collector['classify']
  /**
   * Reads the certificate files again. If they are not valid, keeps the old certificate and throws OperationalError
   * `config-invalid`.
   */
  renewCertificate(): Promise<void>
  /** Stops within a few seconds: messages being received or recorded are finished or refused. */
  close(): Promise<void>
}

/**
 * Resolves once the listener is bound. Each mailbox is read once now, then at its schedule. Throws OperationalError for an
 * address that cannot be bound, and `config-invalid` for an invalid schedule.
 */
export async function startTraps(options: TrapsOptions): Promise<Traps> {
  const { mailboxes, positions, log, now, list, trace, onFatal } = options
  const certificate = await readCertificate(options.smtp ?? {})
  for (const [index, { schedule }] of mailboxes.entries()) {
    if (isSchedule(schedule)) continue
    const why = `not a cron expression: ${JSON.stringify(schedule)}`
    throw wrongKey(`mailbox[${index + 1}].schedule`, why)
  }
  const relays = parseTrustedRelays(trace.trustedRelays)
  const { authenticity, markFile } = options
  const drainSeconds = options.smtp?.drainSeconds ?? 2
  await using starting = new AsyncDisposableStack()
  const remote = starting.adopt(
    new RemoteMailboxes({
      mailboxes,
      list,
      wake: (name) => pollers.get(name)?.pollSoon(),
      log,
      ...options.mailboxThread,
    }),
    (each) => each.close(),
  )
  const reader = starting.adopt(
    new MessageReader({
      ...options.reader,
      log,
      authenticity,
      mark: markFile === undefined ? undefined : new ReadingMark(markFile, log),
    }),
    (each) => each.close(),
  )
  const memory = new MemoryBudget(options.maxHeldBytes)
  const servers = authenticity?.servers ?? []
  const hosts =
    options.hosts && servers.length > 0
      ? starting.adopt(
          new HostAsker({ list: options.hosts, resolver: new Resolver({ servers }), log }),
          (each) => each.close(),
        )
      : undefined
  const collector = new Collector({ relays, list, hosts, now, log, reader, memory })
  const smtp: SmtpListener | undefined =
    options.smtp &&
    starting.adopt(
      await (await import('./smtp.ts')).startSmtpListener({
        ...options.smtp,
        list,
        collector,
        memory,
        log,
        onFatal,
        certificate,
        drainSeconds: drainSeconds + goodbyeSeconds,
      }),
      (each) => each.close(),
    )
  const pollers = new Map(
    mailboxes.map(({ name, type, allTraps }) => {
      const mailbox = remote.mailbox(name)
      return [name, new Poller({ name, type, allTraps, mailbox, positions, collector, now, log })]
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
      hosts?.close()
      await Promise.all([reader.close(), remote.close()])
    },
  }
}

/** The listener gets this much longer than the reader, to answer 451 for messages that are still unread. */
const goodbyeSeconds = 0.5
