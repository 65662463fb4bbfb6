// What the main thread and the thread that reads mailboxes say to one another. Each call is answered once, by its id;
// messages are asked for one at a time, so that no more are read than can be recorded.
import type { MailboxMessage, MessageName } from './mailbox.ts'
import type { MailboxErrorCode } from './mailbox-error.ts'
import type { MailboxOptions } from './mailbox-source.ts'

/** What a thread is started with. */
export interface MailboxThreadData {
  readonly mailboxes: readonly MailboxOptions[]
}

/** The calls of one mailbox, and what each is answered with. */
export interface MailboxCalls {
  /** A reading begins, at the position that is committed. */
  begin: { readonly argument: { readonly position: string | undefined }; readonly answer: null }
  /** The next message; null: there are no more. `now` is in epoch seconds, by the clock that serves all. */
  next: { readonly argument: { readonly now: number }; readonly answer: MailboxMessage | null }
  /** No more messages are wanted. */
  end: { readonly argument: null; readonly answer: null }
  accept: { readonly argument: MessageName; readonly answer: null }
  passOver: {
    readonly argument: { readonly message: MessageName; readonly recipients: readonly string[] }
    readonly answer: null
  }
  /** Answers with the position to commit; null: it stays. */
  finish: { readonly argument: null; readonly answer: string | null }
  close: { readonly argument: null; readonly answer: null }
}

export type MailboxCall = {
  [Name in keyof MailboxCalls]: {
    readonly call: Name
    readonly mailbox: string
    readonly id: number
    readonly argument: MailboxCalls[Name]['argument']
  }
}[keyof MailboxCalls]

export type ToThread =
  | MailboxCall
  /** Which of the addresses asked about are traps. */
  | { readonly traps: readonly string[]; readonly id: number }
  /** Answered with the same: the thread lives. */
  | { readonly beat: true }
  /** Ends the thread at a moment when nothing is half done. */
  | { readonly quit: true }

export type FromThread =
  | { readonly answer: MailboxCalls[keyof MailboxCalls]['answer']; readonly id: number }
  | { readonly fault: MailboxErrorCode; readonly detail: string; readonly id: number }
  | { readonly addresses: readonly string[]; readonly id: number }
  | { readonly wake: string }
  | { readonly beat: true }
  | {
      readonly log: 'error' | 'warn' | 'info' | 'debug'
      readonly fields: object
      readonly message: string
    }
