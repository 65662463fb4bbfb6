// The contract that every stored mailbox keeps, whatever it is made of. Implemented by maildir.ts, mbox.ts, imap.ts and
// pop3.ts in a thread of their own, and by remote-mailbox.ts for who drives them: poller.ts.

export interface MessageName {
  /** Names it in the mailbox: a file name, a UID. May hold anything, a trap's address too. */
  readonly id: string
  /** Where it lies, in numbers alone: fit for the default log. */
  readonly place: string
}

/** A message that waits in a mailbox, or one that is too big to be read. */
export type MailboxMessage = MessageName &
  (
    | {
        readonly raw: Uint8Array
        /** When the mailbox got it, epoch seconds. */
        readonly storedAt: number
      }
    | { readonly refused: string }
  )

export interface Mailbox {
  /**
   * What has not been accepted or passed over, oldest first. A message comes again at the next call, also of a later
   * process, until accept() has resolved. Throws MailboxError when the mailbox cannot be read; a
   * single message that cannot be read is left out and logged once.
   */
  messages(): AsyncIterable<MailboxMessage>
  /** Takes the message off, once its evidence is committed. Throws MailboxError. */
  accept(message: MessageName): Promise<void>
  /**
   * Leaves the message as it lies: none of these recipients is a trap. It is not read again while that stays so and
   * this process lives.
   */
  passOver(message: MessageName, recipients: readonly string[]): void
  /**
   * Called after each reading, when every message begun has been accepted or passed over, or failed. What has to be
   * kept of the reading is kept now. Throws MailboxError.
   */
  finish?(): Promise<void>
  /** Calls back when there may be something new before the schedule says so, or a connection was lost. */
  watch?(wake: () => void): void
  /** Ends what it holds open; no reading is under way. Never rejects. */
  close?(): Promise<void>
}

/** Which of these addresses are spam traps now: a message that was passed over may become one for a trap. */
export type TrapsAmong = (addresses: readonly string[]) => Promise<ReadonlySet<string>>

/** Where a mailbox keeps how far it has been read; in its own terms. */
export interface PositionKeeper {
  get(): string | undefined
  /** Called only for what is committed. */
  set(position: string): void
}
