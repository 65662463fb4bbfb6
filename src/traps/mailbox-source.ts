// The options of a configured mailbox → the source that reads it. Runs in the thread that reads mailboxes.
import type { Logger } from '../errors.ts'
import type { Mailbox, PositionKeeper, TrapsAmong } from './mailbox.ts'

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

/** What a mailbox needs of the server around it. */
export interface MailboxSurroundings {
  readonly trapsAmong: TrapsAmong
  readonly position: PositionKeeper
  /** Epoch seconds. */
  readonly now: () => number
  readonly log: Logger
}

/**
 * The source of that type; its package is loaded for it, since megabytes come with some. Throws OperationalError
 * `config-invalid` for a URL that is none.
 */
export async function mailboxOf(
  options: MailboxOptions,
  surroundings: MailboxSurroundings,
): Promise<Mailbox> {
  const { name, type, path = '', url = '', passwordFile = '', caFile = '', moveTo = '' } = options
  const { log, now, trapsAmong, position } = surroundings
  const common = { name, maxBytes: options.maxBytes ?? 10 * 1024 ** 2, trapsAmong, log }
  const account = { ...common, url, passwordFile, caFile }
  switch (type) {
    case 'maildir':
      return new (await import('./maildir.ts')).Maildir({ ...common, path })
    case 'mbox':
      return new (await import('./mbox.ts')).MboxMailbox({ ...common, path, position })
    case 'imap':
      return new (await import('./imap.ts')).ImapMailbox({ ...account, moveTo, position })
    case 'pop3':
      return new (await import('./pop3.ts')).Pop3Mailbox({ ...account, now })
  }
}
