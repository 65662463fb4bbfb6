// Starts every trap source of a configuration and keeps them apart from one another. Called by commands/serve, which
// loads this room and the mail packages after DNS answers.
import { parseTrustedRelays } from '../bounce/received.ts'
import { OperationalError } from '../errors.ts'
import { type Prefix, parsePrefix } from '../ip/address.ts'
import { isSchedule, type Schedule, startSchedule } from '../schedule.ts'
import { type CertificateFiles, readCertificate } from './certificate.ts'
import {
  Collector,
  type CollectorOptions,
  type Recorded,
  type SubmittedMessage,
} from './collect.ts'
import type { Mailbox } from './mailbox.ts'
import { Maildir } from './maildir.ts'
import { MboxMailbox } from './mbox.ts'
import { type MailboxStatus, Poller } from './poller.ts'
import type { SmtpListener, SmtpListenerOptions } from './smtp.ts'

export type { MailboxStatus } from './poller.ts'

/** The live listener; limits have the defaults of SmtpListenerOptions. */
export interface TrapSmtpOptions
  extends Omit<
      SmtpListenerOptions,
      'proxies' | 'proxyProtocol' | 'certificate' | 'isTrap' | 'collector' | 'log' | 'onFatal'
    >,
    CertificateFiles {
  /** Addresses or prefixes that may name the client by XCLIENT or XFORWARD. */
  readonly proxies: readonly string[]
  /** Addresses or prefixes whose connections must begin with a PROXY header. @default none */
  readonly proxyProtocol?: readonly string[]
}

export interface MailboxOptions {
  readonly name: string
  readonly type: 'imap' | 'pop3' | 'maildir' | 'mbox'
  /** Maildir and mbox: the folder, the file. @default '' */
  readonly path?: string
  /** IMAP and POP3: as mailbox-url.ts reads it, and the files it needs. @default '' each */
  readonly url?: string
  readonly passwordFile?: string
  readonly caFile?: string
  /** IMAP: where accepted messages go; '' leaves them, flagged \Seen. @default '' */
  readonly moveTo?: string
  /** A cron expression, with or without seconds. */
  readonly schedule: string
  readonly allTraps: boolean
  /** @default 10 MiB */
  readonly maxBytes?: number
}

export interface TrapsOptions
  extends Pick<CollectorOptions, 'isTrap' | 'record' | 'now' | 'log' | 'authenticity'> {
  readonly smtp?: TrapSmtpOptions
  readonly mailboxes: readonly MailboxOptions[]
  /** How far each mailbox has been read; set() is called only for what is committed. */
  readonly positions: {
    get(mailbox: string): string | undefined
    set(mailbox: string, position: string): void
  }
  readonly trace: { readonly trustedRelays: readonly string[] }
  /** Called when a listener has broken for good. */
  onFatal(error: Error): void
}

/** What a mailbox needs of the server around it. */
export type MailboxSurroundings = Pick<TrapsOptions, 'isTrap' | 'positions' | 'now' | 'log'>

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
  const { mailboxes, log, now, isTrap, record, trace, onFatal } = options
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
  const { authenticity } = options
  const collector = new Collector({
    ...{ relays, isTrap, record, now, log },
    ...(authenticity && { authenticity }),
  })
  const smtp: SmtpListener | undefined =
    options.smtp &&
    (await (
      await import('./smtp.ts')
    ).startSmtpListener({
      ...{ ...options.smtp, proxies, proxyProtocol, isTrap, collector, log, onFatal },
      ...(certificate && { certificate }),
    }))
  const pollers = new Map(
    await Promise.all(
      mailboxes.map(async (each) => [each.name, await pollerOf(each, collector, options)] as const),
    ),
  )
  const schedules: Schedule[] = mailboxes.map(({ name, schedule }) =>
    startSchedule({
      name: `mailbox ${name}`,
      expression: schedule,
      run: async () => await pollers.get(name)?.poll(),
      log,
    }),
  )
  for (const poller of pollers.values()) void poller.poll()
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
      await Promise.all([smtp?.close(), ...[...pollers.values()].map((poller) => poller.stop())])
    },
  }
}

async function pollerOf(
  options: MailboxOptions,
  collector: Collector,
  traps: TrapsOptions,
): Promise<Poller> {
  const { name, type, allTraps } = options
  const { log, now } = traps
  const mailbox = await mailboxOf(options, traps)
  return new Poller({ name, type, allTraps, mailbox, collector, now, log })
}

/**
 * The source of that type; its package is loaded for it, since megabytes come with some. Throws OperationalError
 * `config-invalid` for a URL that is none.
 */
export async function mailboxOf(
  options: MailboxOptions,
  traps: MailboxSurroundings,
): Promise<Mailbox> {
  const { name, type, path = '', url = '', passwordFile = '', caFile = '', moveTo = '' } = options
  const { log, now, isTrap, positions } = traps
  const common = { name, maxBytes: options.maxBytes ?? 10 * 1024 ** 2, isTrap, log }
  const account = { ...common, url, passwordFile, caFile }
  const position = {
    get: () => positions.get(name),
    set: (value: string) => positions.set(name, value),
  }
  switch (type) {
    case 'maildir':
      return new Maildir({ ...common, path })
    case 'mbox':
      return new MboxMailbox({ ...common, path, position })
    case 'imap':
      return new (await import('./imap.ts')).ImapMailbox({ ...account, moveTo, position })
    case 'pop3':
      return new (await import('./pop3.ts')).Pop3Mailbox({ ...account, now })
  }
}

function prefixOf(key: string, text: string): Prefix {
  const parsed = parsePrefix(text)
  if ('value' in parsed) return parsed.value
  throw new OperationalError('config-invalid', `trapSmtp.${key}: ${text}: ${parsed.why}`)
}
