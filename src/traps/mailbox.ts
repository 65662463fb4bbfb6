// The contract that every stored mailbox keeps, whatever it is made of. Implemented by maildir.ts, driven by poller.ts.

/** A message that waits in a mailbox, or one that is too big to be read. */
export type MailboxMessage = {
  /** Names it in the mailbox: a file name, a UID. Fit for a log. */
  readonly id: string
} & (
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
   * process, until accept() has resolved. Throws OperationalError `mailbox-failed` when the mailbox cannot be read; a
   * single message that cannot be read is left out and logged once.
   */
  messages(): AsyncIterable<MailboxMessage>
  /** Takes the message off, once its evidence is committed. Throws OperationalError `mailbox-failed`. */
  accept(message: MailboxMessage): Promise<void>
  /**
   * Leaves the message as it lies: none of these recipients is a trap. It is not read again while that stays so and
   * this process lives.
   */
  passOver(message: MailboxMessage, recipients: readonly string[]): void
}
