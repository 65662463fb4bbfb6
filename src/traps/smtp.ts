// The SMTP and LMTP listener for traps. A message for a trap is acknowledged once its evidence is committed. A transaction that
// the client gives up before DATA may be a sender callout, and is recorded too.
import { domainToASCII } from 'node:url'
import type { SMTPServerDataStream, SMTPServerOptions, SMTPServerSession } from 'smtp-server'
import type { TrapList } from '../classify/evidence.ts'
import { canonicalRecipient } from '../classify/recipient.ts'
import { OperationalError } from '../errors.ts'
import { ClientLimits, type MinuteLimits } from './client-limits.ts'
import type { Collector, LiveMessage } from './collect.ts'
import type { LiveClient } from './delivery.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { type AcceptedConnection, type ListenerOptions, startListener } from './smtp-listener.ts'
import { addressOf, stayOpenWhileWritable, TrapServer } from './smtp-protocol.ts'

export interface SmtpListenerOptions
  extends Omit<ListenerOptions, 'commandSeconds' | 'dataSeconds' | 'limits' | 'onConnection'> {
  /** Speaks LMTP (RFC 2033) and not SMTP: our own mail server delivers the traps' mail. */
  readonly lmtp: boolean
  /** With a certificate, STARTTLS is offered. */
  readonly certificate: Certificate | undefined
  /** How long to wait before the greeting. */
  readonly greetingDelaySeconds: number
  /** A larger message is refused with 552. */
  readonly maxBytes: number
  /** Most connections at the same time from one IPv4 address or IPv6 /64. */
  readonly maxClientConnections: number
  /** Limits for each IPv4 address or IPv6 /64. */
  readonly perMinute: MinuteLimits
  /** A connection is closed after this long without a complete command, or without content. @default 60 */
  readonly commandSeconds?: number
  /** A connection is closed if the content of one message takes longer. @default 600 */
  readonly dataSeconds?: number
  readonly list: Pick<TrapList, 'isTrap'>
  readonly collector: Collector
  /** Memory for messages that are being received, read and recorded. A message that finds none gets 452. */
  readonly memory: MemoryBudget
}

/** The certificate chain and the private key, in PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface SmtpListener {
  /** Bound addresses, as `host:port` or `[v6]:port`. */
  readonly addresses: readonly string[]
  /** Gives the certificate to new TLS sessions. Only for a listener that was started with a certificate. */
  renew(certificate: Certificate): void
  /** Finishes or refuses current messages, then closes every connection. */
  close(): Promise<void>
}

/** The client and what its session tells, as they stand at MAIL. */
interface Sender extends Pick<LiveMessage, 'client'> {
  readonly session: Pick<LiveMessage, 'helo' | 'tls'>
}

/** A mail transaction: from MAIL to the end of the message, or to RSET. */
interface Transaction extends Sender {
  readonly reversePath: string
  readonly accepted: string[]
  readonly refused: string[]
  /** How many RCPT commands were accepted; a repeated recipient counts each time. */
  grants: number
}

interface Session {
  readonly connection: AcceptedConnection
  startReading(): boolean
  talkedEarly: boolean
  /** The current transaction before its DATA; null if there is none. */
  open: Transaction | null
}

/** A client whose message could not be read to its end is refused for this long. */
const blockMs = 3_600_000

/** A longer command line ends the connection. RFC 5321 §4.5.3.1.4 requires 512 octets, and extensions need some more. */
const maxCommandLength = 4096

/** Most recipients of one message; RFC 5321 §4.5.3.1.8 allows no smaller limit. */
const maxRecipients = 100

/** Parameters of the extensions in our EHLO reply (RFC 1870, RFC 6152, RFC 6531). None of them has one for RCPT. */
const offeredToMail: readonly string[] = ['SIZE', 'BODY', 'SMTPUTF8']
const offeredToRcpt: readonly string[] = []

/** Resolves once every address is bound; throws OperationalError `address-unavailable`. */
export async function startSmtpListener(options: SmtpListenerOptions): Promise<SmtpListener> {
  const { maxBytes, memory, log, commandSeconds = 60, dataSeconds = 600 } = options
  const { certificate, greetingDelaySeconds, lmtp: isLmtp } = options
  const limits = new ClientLimits({
    maxConnections: options.maxClientConnections,
    perMinute: options.perMinute,
    log,
    now: () => performance.now(),
  })
  const sessions = new Map<string, Session>()

  const settings = (): SMTPServerOptions => ({
    name: options.hostname,
    lmtp: isLmtp,
    size: maxBytes,
    rejectOversized: true,
    maxRecipients,
    maxCommandLength,
    socketTimeout: commandSeconds * 1000,
    ...certificate,
    disabledCommands: ['AUTH', 'WIZ', 'SHELL', 'KILL', ...(certificate ? [] : ['STARTTLS'])],
    authOptional: true,
    // Accept odd addresses here; the list decides whether one is a trap.
    lenientAddressParsing: true,
    hideENHANCEDSTATUSCODES: false,
    disableReverseLookup: true,
    logger: false,
    onConnect({ id }, reply) {
      setTimeout(() => greet(id, reply), greetingDelaySeconds * 1000).unref()
    },
    onSecure(socket, { id }, reply) {
      stayOpenWhileWritable(socket)
      sessions.get(id)?.connection.secure(socket)
      reply()
    },
    onMailFrom({ address, args }, session, reply) {
      const own = sessions.get(session.id)
      if (own !== undefined) reportGivenUp(own)
      const unknown = unofferedIn(args, offeredToMail)
      if (unknown !== undefined) return reply(refusal(555, `${unknown} is not offered here`))
      if (own !== undefined) {
        const sender = senderOf(own.connection, session, isLmtp)
        own.open = { ...sender, reversePath: address, accepted: [], refused: [], grants: 0 }
        session.xForward.clear()
      }
      // Wait one turn: otherwise smtp-server may, after one message, read on to the end of the next one and then stop.
      setImmediate(reply)
    },
    onRcptTo({ address, args }, session, reply) {
      const own = sessions.get(session.id)
      const unknown = unofferedIn(args, offeredToRcpt)
      if (unknown !== undefined) return reply(refusal(555, `${unknown} is not offered here`))
      const recipient = trapForm(address)
      const { accepted = [], refused = [] } = own?.open ?? {}
      if (!options.list.isTrap(recipient)) {
        if (refused.length < maxRecipients) refused.push(recipient)
        return reply(refusal(550, 'No such user here'))
      }
      const isRepeated = accepted.some((each) => each.toLowerCase() === recipient.toLowerCase())
      if (!isRepeated) accepted.push(recipient)
      else if (own !== undefined) limits.waste(own.connection.counted)
      if (own?.open) own.open.grants++
      reply()
    },
    onData(stream, session, reply) {
      const own = sessions.get(session.id)
      if (own?.open == null) return reply(refusal(451, 'Session is over'))
      const transaction = own.open
      own.open = null
      if (isLmtp) repeatRecipients(session, transaction.grants)
      receive(own, transaction, stream).then(
        (text) => reply(null, text),
        (error) => reply(error),
      )
    },
    onClose(session) {
      const own = sessions.get(session.id)
      if (own === undefined) return
      if (!own.connection.wasCut) reportGivenUp(own, true)
      sessions.delete(session.id)
      own.connection.release()
    },
  })

  function greet(id: string, reply: () => void): void {
    const own = sessions.get(id)
    if (own !== undefined) own.connection.phase = 'command'
    reply()
    if (own !== undefined) own.talkedEarly = own.startReading()
  }

  /**
   * Reports a transaction that the client gave up before DATA by RSET, QUIT or a new MAIL, or in which its connection was lost. A
   * connection that we ended is not reported: it proves nothing.
   */
  function reportGivenUp(own: Session, isLost = false): void {
    const { open: ended } = own
    own.open = null
    if (ended === null || ended.accepted.length === 0) return
    const { client, reversePath, accepted, refused } = ended
    const seen = { accepted, refused, reversePath, isLost, details: detailsOf(own, ended) }
    options.collector.recordCallout(client, seen).catch((error) => {
      if (lastingErrorCode(error) === undefined)
        log.warn({ err: error }, 'sender callout not recorded')
    })
  }

  /** Resolves with the text of the 250 reply, or rejects with the refusal. */
  async function receive(
    own: Session,
    transaction: Transaction,
    stream: SMTPServerDataStream,
  ): Promise<string> {
    const { connection } = own
    const details = detailsOf(own, transaction)
    connection.phase = 'data'
    using message = memory.open(maxBytes, connection.counted)
    try {
      await contentOf(stream, (chunk) => {
        connection.dataBytes += chunk.length
        message.append(chunk)
      })
      connection.phase = 'recording'
      if (stream.sizeExceeded) throw refusal(552, `Message is larger than ${maxBytes} octets`)
      const raw = message.content()
      if (raw === null) throw refusal(452, 'Too much mail at once, try again later')
      if (await record(raw, transaction, details)) limits.block(connection.counted, blockMs)
      return 'Recorded'
    } finally {
      connection.phase = 'command'
    }
  }

  /** Records the message. Resolves with true if the message could not be read to its end. */
  async function record(
    raw: Uint8Array,
    { client, reversePath, accepted }: Transaction,
    details: SessionDetails,
  ): Promise<boolean> {
    try {
      const { isStopped } = await options.collector.receive({
        raw,
        client,
        reversePath,
        recipients: accepted,
        ...details,
      })
      return isStopped
    } catch (error) {
      const code = lastingErrorCode(error)
      if (code === undefined)
        log.warn({ err: error }, 'message not recorded; the sender was told to try again')
      const isPutOff = code === 'disk-low' || code === 'clock-held'
      throw refusal(isPutOff ? 452 : 451, 'Cannot record now, try again later')
    }
  }

  // Two servers, since only proxies may use XCLIENT and XFORWARD. The client's address decides which server gets its connection.
  const protocol = { limits, proxies: options.proxies }
  const direct = new TrapServer(settings(), protocol)
  const proxied = new TrapServer({ ...settings(), useXClient: true, useXForward: true }, protocol)
  for (const server of [direct, proxied]) {
    server.on('error', (error: Error) => log.debug({ err: error }, 'SMTP connection'))
  }
  const listener = await startListener({
    ...options,
    limits,
    commandSeconds,
    dataSeconds,
    onConnection(connection) {
      connection.phase = 'pause'
      const server = connection.isProxy ? proxied : direct
      const own: Session = {
        connection,
        startReading: server.serve(connection, () => reportGivenUp(own)),
        talkedEarly: false,
        open: null,
      }
      sessions.set(connection.id, own)
    },
  })
  return {
    addresses: listener.addresses,
    renew(renewed) {
      for (const server of [direct, proxied]) server.updateSecureContext({ ...renewed })
    },
    close: () => listener.close(),
  }
}

/**
 * The first parameter that EHLO does not offer, or undefined. Such a command must be refused (RFC 5321 §4.1.1.11): accepting
 * REQUIRETLS (RFC 8689) or NOTIFY (RFC 3461) would promise to do what it asks. smtp-server accepts any parameter that it does not
 * know.
 */
function unofferedIn(args: object | false, offered: readonly string[]): string | undefined {
  const unoffered = Object.keys(args || {}).find((name) => !offered.includes(name))
  return unoffered && (/^[A-Z0-9][A-Z0-9-]{0,30}$/.test(unoffered) ? unoffered : 'That parameter')
}

/**
 * Adds a recipient for each repeated RCPT. LMTP needs one reply for each accepted RCPT (RFC 2033 §4.2), but smtp-server keeps a
 * repeated recipient once.
 */
function repeatRecipients({ envelope: { rcptTo } }: SMTPServerSession, grants: number): void {
  const [first] = rcptTo
  if (first) while (rcptTo.length < grants) rcptTo.push(first)
}

/** The error's code if it lasts for a while and is logged elsewhere, so it is not logged for each message; else undefined. */
function lastingErrorCode(error: unknown): string | undefined {
  if (!(error instanceof OperationalError)) return undefined
  return /^(disk-low|clock-held|database-failed|mail-deferred)$/.test(error.code)
    ? error.code
    : undefined
}

/** A reply code (RFC 5321 §4.2.1); smtp-server adds the matching enhanced code (RFC 3463). */
function refusal(responseCode: 421 | 451 | 452 | 550 | 552 | 555, text: string): Error {
  return Object.assign(new Error(text), { responseCode })
}

/** What the evidence tells about the session. */
type SessionDetails = Pick<LiveMessage, 'helo' | 'tls' | 'recipientsTried' | 'notes'>

function detailsOf(
  { talkedEarly }: Session,
  { session, accepted, refused }: Transaction,
): SessionDetails {
  const tried = [...accepted, ...refused.map((recipient) => `${recipient} (refused)`)]
  return {
    ...session,
    ...(tried.length > 1 && { recipientsTried: tried.join(', ') }),
    ...(talkedEarly && { notes: 'talked before the greeting' }),
  }
}

/** The client as the session knows it now. A proxy may name another client for each message. */
function senderOf(
  connection: AcceptedConnection,
  session: SMTPServerSession,
  isLmtp: boolean,
): Sender {
  const { tlsOptions } = session
  const helo = heloOf(connection, session)
  return {
    client: clientOf(connection, session, isLmtp),
    session: {
      ...(helo && { helo: `${helo}` }),
      ...(tlsOptions && { tls: `${tlsOptions.version} ${tlsOptions.standardName}` }),
    },
  }
}

function clientOf(
  { isProxy, peer }: AcceptedConnection,
  { xClient, xForward }: SMTPServerSession,
  isLmtp: boolean,
): LiveClient {
  for (const named of [xClient, xForward]) {
    // ADDR=[UNAVAILABLE] means that the proxy does not know the client; the proxy itself is not the client.
    if (named.has('ADDR')) return addressOf(named.get('ADDR'))
  }
  // A proxy that names no client is not the client itself. With LMTP it is our own server, and the trace fields tell.
  if (isProxy) return isLmtp ? 'own-server' : null
  return peer
}

/** The client's HELO name; the proxy's own name does not count. */
function heloOf(
  { isProxy }: AcceptedConnection,
  { xClient, xForward, hostNameAppearsAs }: SMTPServerSession,
): string | number | false | undefined {
  const isClients = !isProxy || xClient.has('ADDR')
  return xClient.get('HELO') || (isClients ? hostNameAppearsAs : xForward.get('HELO'))
}

/** Writes an address as traps and evidence have it, with a punycode domain; smtp-server makes it Unicode. */
function trapForm(address: string): string {
  const at = address.lastIndexOf('@')
  if (at < 0) return address
  const domain = address.slice(at + 1)
  const isAscii = /^[!-~]*$/.test(domain)
  const form = isAscii ? domain : domainToASCII(domain) || domain
  return canonicalRecipient(`${address.slice(0, at)}@${form}`)
}

/** Resolves when the content is complete; rejects if the connection ends before. */
function contentOf(stream: SMTPServerDataStream, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', onChunk)
    stream.once('end', resolve)
    stream.once('error', reject)
    stream.once('close', () => reject(refusal(451, 'Message is not complete')))
  })
}
