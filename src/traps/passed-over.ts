// Messages that were for no trap, by their names in the mailbox: none is read again while none of its recipients becomes
// a trap. Bounded, since others write them: a folder of other people's mail is no trap box.

const maxMessages = 100_000
const maxOctets = 16 * 1024 ** 2
/** What a string takes besides its characters. */
const stringOctets = 32

export class PassedOver<Name extends string | number> {
  readonly #recipients = new Map<Name, readonly string[]>()
  #octets = 0

  /** Does nothing when there is no room: the message is read again at each poll. */
  add(name: Name, recipients: readonly string[]): void {
    const octets = [String(name), ...recipients].reduce(
      (sum, text) => sum + stringOctets + text.length,
      0,
    )
    const hasRoom = this.#recipients.size < maxMessages && this.#octets + octets <= maxOctets
    if (!hasRoom || this.#recipients.has(name)) return
    this.#recipients.set(name, recipients)
    this.#octets += octets
  }

  /** undefined: it was not passed over. */
  recipientsOf(name: Name): readonly string[] | undefined {
    return this.#recipients.get(name)
  }

  names(): Name[] {
    return [...this.#recipients.keys()]
  }

  allRecipients(): string[] {
    return [...this.#recipients.values()].flat()
  }
}
