// One connection to an IMAP server, within bounds for each command: the server is a stranger, and imapflow alone would
// take gigabytes of it. Commands go out one after the other, so that what comes is the answer to the one under way.
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ImapFlow, type ImapTransport } from 'imapflow'
import {
  type Deadlines,
  type ExchangeLimits,
  ExchangeMeter,
  type MailServer,
  tooMuch,
} from './mail-server.ts'
import { MailboxFault } from './mailbox.ts'

export interface ImapConnectionOptions extends Omit<MailServer, 'folder'> {
  readonly password: string
  readonly ca?: string
  /** The largest message that is asked for. */
  readonly maxBytes: number
  readonly deadlines: Deadlines
  /** There are more messages than before. */
  readonly onNews: () => void
  /** The connection is over; why, when it was given up while nothing was asked. */
  readonly onEnd: (fault: MailboxFault | null) => void
}

/** An answer without a message in it. */
export const shortAnswer: ExchangeLimits = { octets: 256 * 1024, lines: 10_000 }
/** The longest line: what a SEARCH of a part of the folder finds. */
export const longestLine = 1024 ** 2
/** A flag, a number, a word: far more than any answer that we ask for has of them. */
const maxTokens = 20_000

const idleAfterMs = 50
/** A connection that died without a word is noticed after so long. */
const longestIdleMs = 4 * 60_000
const connectMs = 30_000
const logoutMs = 1000

export class ImapConnection {
  readonly #client: ImapFlow
  readonly #meter: ExchangeMeter
  #error: Error | null = null
  #isClosing = false
  #last: Promise<unknown> = Promise.resolve()
  /** Ends the command under way; null: there is none. */
  #abandon: ((fault: MailboxFault) => void) | null = null
  /** Given up while nothing was asked, so that nobody has been told yet. */
  #untold: MailboxFault | null = null

  /** Connects, secures the connection as `tls` says, and logs in. Throws MailboxFault and what imapflow says. */
  static async open(options: ImapConnectionOptions): Promise<ImapConnection> {
    const connection = new ImapConnection(options)
    try {
      await connection.exchange(shortAnswer, (client) => client.connect())
    } catch (error) {
      connection.#client.close()
      throw error
    }
    connection.#client.on('close', () => {
      if (!connection.#isClosing) options.onEnd(connection.#untold)
    })
    return connection
  }

  private constructor(options: ImapConnectionOptions) {
    const { host, port, user, tls, password, ca, maxBytes, deadlines, onNews } = options
    this.#meter = new ExchangeMeter(deadlines, (fault) => this.#end(fault))
    this.#client = new ImapFlow({
      host,
      port,
      secure: tls === 'implicit',
      auth: { user, pass: password },
      ...(ca !== undefined && { tls: { ca } }),
      ...(tls === 'required' && { doSTARTTLS: true }),
      logger: false,
      autoIdleDelay: idleAfterMs,
      maxIdleTime: longestIdleMs,
      connectionTimeout: connectMs,
      greetingTimeout: connectMs,
      disableCompression: true,
      maxLineLength: longestLine,
      maxLiteralSize: maxBytes + 1,
      maxResponseSize: maxBytes + longestLine,
      maxResponseTokens: maxTokens,
      transport: metered(this.#meter),
      expungeHandler: async ({ vanished }) => {
        // Only who enabled QRESYNC is told so (RFC 7162 §3.2.10), and a few octets stand for millions of messages.
        if (!vanished) return
        this.#end(tooMuch())
        await new Promise(() => undefined)
      },
    })
    // It tells more than what the command under way is rejected with.
    this.#client.on('error', (error) => {
      this.#error ??= error
    })
    this.#client.on('exists', ({ count, prevCount }) => {
      if (count > prevCount) onNews()
    })
  }

  get isUsable(): boolean {
    return this.#client.usable
  }

  /**
   * Runs one command after those before it. Throws MailboxFault, and gives the connection up, when the answer is more
   * than `limits`, too slow, or none to that command.
   */
  exchange<T>(limits: ExchangeLimits, command: (client: ImapFlow) => Promise<T>): Promise<T> {
    const exchange = this.#last.then(async () => {
      if (this.#meter.fault !== null) throw this.#meter.fault
      const abandoned = Promise.withResolvers<never>()
      this.#abandon = abandoned.reject
      this.#meter.begin(limits)
      try {
        return await Promise.race([command(this.#client), abandoned.promise])
      } catch (error) {
        if (error instanceof MailboxFault && error.fault === 'protocol-broken') this.#end(error)
        throw this.#meter.fault ?? this.#error ?? error
      } finally {
        this.#abandon = null
        this.#meter.end()
      }
    })
    this.#last = exchange.catch(() => undefined)
    return exchange
  }

  /** Says good-bye, and waits a second for the answer. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.race([
      this.#client.logout(),
      new Promise((over) => setTimeout(over, logoutMs).unref()),
    ]).catch(() => undefined)
    this.#client.close()
  }

  #end(fault: MailboxFault): void {
    if (this.#abandon === null) this.#untold = fault
    else this.#abandon(fault)
    // Not at once: imapflow may be about to tell of the same, and would find nobody to tell.
    this.#client.closeAfter()
  }
}

/** As imapflow connects by itself, with all that comes counted. */
function metered(meter: ExchangeMeter): ImapTransport {
  const count = (chunk: Uint8Array): void => meter.count(chunk)
  return {
    connect({ host, port, servername, tls, secure }, onConnect) {
      const name = servername !== undefined && { servername }
      const socket = secure ? connectTls({ host, port, ...name, ...tls }) : connect({ host, port })
      return socket.once(secure ? 'secureConnect' : 'connect', () => {
        onConnect()
        socket.prependListener('data', count)
      })
    },
    // What comes from here on until TLS is there must stay where imapflow looks for what was smuggled in.
    prepareUpgrade: (socket) => socket.off('data', count),
    upgrade(socket, { host, port, servername, tls }, onSecure) {
      const name = servername !== undefined && { servername }
      const secured = connectTls({ socket, host, port, ...name, ...tls })
      return secured.once('secureConnect', () => {
        onSecure()
        secured.prependListener('data', count)
      })
    },
  }
}
