// One connection to an IMAP server, with limits on each answer. We do not trust the server, and imapflow alone would read
// gigabytes from it. Commands are sent one at a time, so everything that comes in belongs to the current one.
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

interface ImapConnectionOptions extends Omit<MailServer, 'folder'> {
  readonly password: string
  readonly ca?: string
  /** The largest message to ask for. */
  readonly maxBytes: number
  readonly deadlines: Deadlines
  /** Called when the folder has more messages than before. */
  readonly onNews: () => void
  /** Called when the connection has ended. `fault` tells why if we ended it while no command was waiting. */
  readonly onEnd: (fault: MailboxFault | null) => void
}

/** Limits for an answer that holds no message. */
export const shortAnswer: ExchangeLimits = { octets: 256 * 1024, lines: 10_000 }
/** The longest line in octets. A SEARCH result is the longest line that we ask for. */
export const longestLine = 1024 ** 2
/** The most flags, numbers and words in one answer; real answers have far fewer. */
const maxTokens = 20_000

const idleAfterMs = 50
/** IDLE is sent again this often, to notice a connection that died silently. */
const longestIdleMs = 4 * 60_000
const connectMs = 30_000
const logoutMs = 1000

export class ImapConnection {
  readonly #client: ImapFlow
  readonly #meter: ExchangeMeter
  #error: Error | null = null
  #isClosing = false
  #last: Promise<unknown> = Promise.resolve()
  /** Rejects the current command; null if none is running. */
  #abandon: ((fault: MailboxFault) => void) | null = null
  /** Why we ended the connection while no command was waiting. onEnd gets it. */
  #untold: MailboxFault | null = null

  /** Connects, starts TLS as the server's `tls` says, and logs in. Throws MailboxFault and imapflow's errors. */
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
        // A server may send this only after the client enabled QRESYNC (RFC 7162 §3.2.10), and we do not. A few octets can stand
        // for millions of messages.
        if (!vanished) return
        this.#end(tooMuch())
        await new Promise(() => undefined)
      },
    })
    // This error is more precise than the one that rejects the command.
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
   * Runs one command after the earlier ones. If the answer exceeds `limits`, is too slow or does not belong to the command, ends
   * the connection and throws MailboxFault.
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

  /** Sends LOGOUT and waits up to a second for the answer. Never rejects. */
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
    // `closeAfter` closes a little later: imapflow may be about to report the same fault to its listeners.
    this.#client.closeAfter()
  }
}

/** Connects as imapflow would, and counts everything that comes in. */
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
    // Until TLS is up, incoming octets must stay in the socket: imapflow looks there for octets that somebody injected before
    // TLS.
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
