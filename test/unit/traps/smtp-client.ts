// A small SMTP client for the listener's tests: it says exactly the octets it is given, when it is told to.
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export class SmtpClient {
  readonly socket: Socket
  /** Everything that the server said, as Latin-1. */
  said = ''
  /** Resolves when the server has ended its side, or the connection is gone. */
  readonly ended: Promise<void>
  #wake = Promise.withResolvers<void>()

  constructor(t: TestContext, address: string) {
    const [, v6, v4, port] = /^(?:\[(.*)\]|(.*)):(\d+)$/.exec(address) ?? []
    this.socket = connect({ host: v6 ?? v4, port: Number(port), allowHalfOpen: true })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text) => {
      this.said += text
      this.#wake.resolve()
    })
    this.socket.on('end', () => this.socket.end())
    for (const event of ['end', 'close', 'error']) {
      this.socket.on(event, () => {
        resolve()
        this.#wake.resolve()
      })
    }
    t.after(() => this.socket.destroy())
  }

  /** Sends the lines with CRLF and resolves with the replies to them, one for each line and one for the greeting. */
  async say(...lines: string[]): Promise<string[]> {
    const before = this.replies().length
    this.send(lines.map((line) => `${line}\r\n`).join(''))
    return (await this.hear(before + lines.length)).slice(before)
  }

  send(octets: string | Uint8Array): void {
    this.socket.write(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets)
  }

  /** Resolves once so many complete replies have come, or the server has ended. */
  async hear(count: number): Promise<string[]> {
    while (this.replies().length < count && !this.socket.readableEnded && !this.socket.destroyed) {
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
    return this.replies()
  }

  /** Last lines of the replies so far. */
  replies(): string[] {
    return this.said.match(/^\d{3} .*(?=\r\n)/gm) ?? []
  }

  /** Greeting, EHLO, MAIL, RCPT and DATA; the content is the caller's to send. */
  async begin(recipient = 'a@trap.example', sender = ''): Promise<void> {
    await this.hear(1)
    await this.say('EHLO h.example')
    const [mail, rcpt, data] = await this.say(
      `MAIL FROM:<${sender}>`,
      `RCPT TO:<${recipient}>`,
      'DATA',
    )
    if (!data?.startsWith('354')) throw new Error([mail, rcpt, data].join(', '))
  }

  /** The next reply after what is sent now. */
  async finish(octets: string | Uint8Array): Promise<string> {
    const before = this.replies().length
    this.send(octets)
    return (await this.hear(before + 1))[before] ?? ''
  }
}
