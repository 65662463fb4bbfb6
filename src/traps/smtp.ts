// The live trap listener: SMTP sessions → messages for trap addresses, acknowledged once their evidence is committed.
// The only file that knows smtp-server. Called by traps.ts.
import { domainToASCII } from 'node:url'
import {
  SMTPServer,
  type SMTPServerDataStream,
  type SMTPServerOptions,
  type SMTPServerSession,
} from 'smtp-server'
import { canonicalRecipient } from '../bounce/evidence.ts'
import type { Logger } from '../errors.ts'
import { type Address, type Prefix, parseAddress, unmapped } from '../ip/address.ts'
import type { Collector } from './collect.ts'
import { HeldBytes } from './held-bytes.ts'
import { type FrontConnection, startFront } from './smtp-front.ts'

export interface SmtpListenerOptions {
  readonly listen: readonly string[]
  /** The name it greets with. */
  readonly hostname: string
  /** Who may name the client by XCLIENT. */
  readonly proxies: readonly Prefix[]
  /** @default 10 MiB: a larger message is refused with 552 */
  readonly maxBytes?: number
  /** @default 256 MiB: messages being received or recorded, together; beyond it 452 */
  readonly maxHeldBytes?: number
  /** @default 200 */
  readonly maxConnections?: number
  /** @default 20, for each IPv4 address or IPv6 /64 */
  readonly maxClientConnections?: number
  /** @default 100 recipients of one message */
  readonly maxRecipients?: number
  /** @default 50 refused recipients in one connection */
  readonly maxRefusedRecipients?: number
  /** @default 60: seconds without a complete command */
  readonly commandSeconds?: number
  /** @default 600: seconds for a message's content */
  readonly dataSeconds?: number
  /** @default 2: seconds that close() lets messages under way finish */
  readonly drainSeconds?: number
  isTrap(address: string): boolean
  readonly collector: Collector
  readonly log: Logger
  /** Called when a listening socket has broken for good. */
  onFatal(error: Error): void
}

export interface SmtpListener {
  /** Bound addresses, as `host:port` or `[v6]:port`. */
  readonly addresses: readonly string[]
  /** Finishes or refuses what is under way, then closes every connection. */
  close(): Promise<void>
}

/** One MAIL … to its end: who is at the other side, and what was tried. */
interface Transaction {
  readonly client: Address | null
  readonly helo: string
  readonly reversePath: string
  readonly recipients: readonly string[]
}

interface Session {
  readonly connection: FrontConnection
  refusedRecipients: number
}

/** A longer command line ends the connection; RFC 5321 §4.5.3.1.4 asks for 512 octets, extensions for some more. */
const maxCommandLength = 4096

/** Resolves once every address is bound; throws OperationalError `address-unavailable`. */
export async function startSmtpListener(options: SmtpListenerOptions): Promise<SmtpListener> {
  const { maxBytes = 10 * 1024 ** 2, maxHeldBytes = 256 * 1024 ** 2, log } = options
  const { maxRecipients = 100, maxRefusedRecipients = 50, commandSeconds = 60 } = options
  const held = new HeldBytes(maxHeldBytes)
  const sessions = new Map<string, Session>()

  const settings = (): SMTPServerOptions => ({
    name: options.hostname,
    size: maxBytes,
    rejectOversized: true,
    maxRecipients,
    maxCommandLength,
    socketTimeout: commandSeconds * 1000,
    disabledCommands: ['AUTH', 'STARTTLS', 'WIZ', 'SHELL', 'KILL'],
    authOptional: true,
    // Whether an odd address is a trap, isTrap says.
    lenientAddressParsing: true,
    hideENHANCEDSTATUSCODES: false,
    disableReverseLookup: true,
    logger: false,
    onRcptTo({ address }, session, reply) {
      const own = sessions.get(session.id)
      if (options.isTrap(trapForm(address))) return reply()
      if (own !== undefined && ++own.refusedRecipients > maxRefusedRecipients) {
        return reply(refusal(421, 'Too many unknown recipients'))
      }
      reply(refusal(550, 'No such user here'))
    },
    onData(stream, session, reply) {
      const own = sessions.get(session.id)
      if (own === undefined) return reply(refusal(451, 'Session is over'))
      receive(own.connection, stream, session).then(
        (text) => reply(null, text),
        (error) => reply(error),
      )
    },
  })

  /** Resolves with the text of the 250, rejects with the refusal. */
  async function receive(
    connection: FrontConnection,
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
  ): Promise<string> {
    const transaction = transactionOf(connection, session)
    connection.phase = 'data'
    using message = held.open(maxBytes)
    try {
      await contentOf(stream, (chunk) => {
        connection.dataBytes += chunk.length
        message.append(chunk)
      })
      connection.phase = 'recording'
      if (stream.sizeExceeded) throw refusal(552, `Message is larger than ${maxBytes} octets`)
      const raw = message.content()
      if (raw === null) throw refusal(452, 'Too much mail at once, try again later')
      await record(raw, transaction)
      return 'Recorded'
    } finally {
      connection.phase = 'command'
    }
  }

  async function record(raw: Uint8Array, transaction: Transaction): Promise<void> {
    const { client: peer, ...envelope } = transaction
    try {
      await options.collector.receive({ raw, peer, ...envelope })
    } catch (error) {
      log.warn({ err: error }, 'message not recorded, the sender was told to try again')
      throw refusal(451, 'Cannot record now, try again later')
    }
  }

  // XCLIENT is offered and taken by the one server alone; which gets a connection, the front's address check decides.
  const direct = new SMTPServer(settings())
  const proxied = new SMTPServer({ ...settings(), useXClient: true })
  for (const server of [direct, proxied]) {
    server.on('error', (error: Error) => log.debug({ err: error }, 'SMTP connection'))
  }
  const front = await startFront({
    listen: options.listen,
    hostname: options.hostname,
    proxies: options.proxies,
    maxConnections: options.maxConnections ?? 200,
    maxClientConnections: options.maxClientConnections ?? 20,
    commandSeconds,
    dataSeconds: options.dataSeconds ?? 600,
    drainSeconds: options.drainSeconds ?? 2,
    log,
    onFatal: options.onFatal,
    onConnection(connection) {
      sessions.set(connection.id, { connection, refusedRecipients: 0 })
      connection.socket.once('close', () => sessions.delete(connection.id))
      const server = connection.isProxy ? proxied : direct
      server.connect(connection.socket, { id: connection.id })
    },
  })
  return front
}

/** RFC 5321 §4.2.1; smtp-server adds the enhanced code (RFC 3463) that belongs to it. */
function refusal(responseCode: 421 | 451 | 452 | 550 | 552, text: string): Error {
  return Object.assign(new Error(text), { responseCode })
}

/** As the session stands now: XCLIENT may have named another client since the connection came in. */
function transactionOf(connection: FrontConnection, session: SMTPServerSession): Transaction {
  const { envelope, xClient } = session
  const heloByProxy = xClient.get('HELO')
  return {
    client: clientOf(connection, session),
    helo: typeof heloByProxy === 'string' ? heloByProxy : session.hostNameAppearsAs || '',
    reversePath: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
    recipients: envelope.rcptTo.map(({ address }) => trapForm(address)),
  }
}

function clientOf(
  connection: FrontConnection,
  { xClient, remoteAddress }: SMTPServerSession,
): Address | null {
  if (!xClient.has('ADDR')) return connection.peer
  // ADDR=[UNAVAILABLE]: the proxy does not know, and it is not the client itself.
  if (!xClient.get('ADDR')) return null
  const parsed = parseAddress(remoteAddress)
  return 'value' in parsed ? unmapped(parsed.value) : null
}

/** smtp-server turns punycode domains into Unicode; traps and evidence have them as DNS does. */
function trapForm(address: string): string {
  const at = address.lastIndexOf('@')
  const domain = address.slice(at + 1)
  const isAscii = /^[!-~]*$/.test(domain)
  return canonicalRecipient(
    isAscii ? address : address.slice(0, at + 1) + (domainToASCII(domain) || domain),
  )
}

/** Resolves when the content is complete; rejects when the connection ends before. */
function contentOf(stream: SMTPServerDataStream, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', onChunk)
    stream.once('end', resolve)
    stream.once('error', reject)
    stream.once('close', () => reject(refusal(451, 'Message is not complete')))
  })
}
