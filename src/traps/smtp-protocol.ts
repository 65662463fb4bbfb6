// SMTP as smtp-server speaks it, with these changes: limits for each client; notice of RSET and QUIT; XCLIENT, XFORWARD and
// quoted local parts as Postfix reads them; replies to clients that half-close; clients that talk before the greeting are not cut
// off.
//
// smtp-server has no option for any of these. So this file, and no other, replaces private methods of its connections and relies
// on how it uses a socket. smtp-protocol.test.ts fails when a new version changes what this file relies on.
import type { Socket } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { type Address, contains, type Prefix, parseAddress, unmapped } from '../ip/address.ts'
import type { ClientLimits } from './client-limits.ts'
import type { AcceptedConnection } from './smtp-listener.ts'

type SMTPConnection = SMTPServer['connections'] extends Set<infer C> ? C : never

interface ProtocolOptions {
  readonly limits: ClientLimits
  /** Hosts that may name the client by XCLIENT or XFORWARD. */
  readonly proxies: readonly Prefix[]
}

export class TrapServer extends SMTPServer {
  readonly #options: ProtocolOptions

  constructor(settings: SMTPServerOptions, options: ProtocolOptions) {
    super(settings)
    this.#options = options
  }

  /**
   * Serves a connection. Calls `onGivenUp` at RSET and QUIT, before the reply. Reads nothing from the client until the returned
   * function is called; that function returns whether the client has sent something already.
   */
  serve(accepted: AcceptedConnection, onGivenUp: () => void): () => boolean {
    stayOpenWhileWritable(accepted.socket)
    const startReading = heldInput(accepted.socket)
    this.connect(accepted.socket, { id: accepted.id })
    const connection = [...this.connections].at(-1)
    if (connection === undefined) return startReading
    limitCommands(connection, accepted, this.#options)
    watchGivenUp(connection, onGivenUp)
    takeQuotedLocalParts(connection)
    if (accepted.isProxy) acceptProxyCommands(connection, accepted, this.#options)
    return startReading
  }
}

/**
 * Makes smtp-server reply on a half-closed connection. smtp-server writes only while readyState is 'open', and a half-closed
 * socket has another state. Exim sends the final dot and QUIT together and shuts down its sending side before the reply. If it
 * got no reply, it would send the same bounce again for days. The TLS socket needs this call too.
 */
export function stayOpenWhileWritable(socket: Socket): void {
  Object.defineProperty(socket, 'readyState', {
    get: () => (socket.writable ? 'open' : 'closed'),
  })
}

/**
 * Keeps arriving octets in the socket's buffer until the returned function is called; that function returns whether any have
 * arrived. Without this, smtp-server hangs up on a client that talks before the greeting. Here such a client is served: what it
 * sends is evidence like any other.
 */
function heldInput(socket: Socket): () => boolean {
  let start = (): void => undefined
  Object.defineProperty(socket, 'pipe', {
    configurable: true,
    value: (target: NodeJS.WritableStream) => {
      start = () => {
        Reflect.deleteProperty(socket, 'pipe')
        socket.pipe(target)
      }
      return target
    },
  })
  return () => {
    const hasTalked = socket.readableLength > 0
    start()
    return hasTalked
  }
}

function limitCommands(
  connection: SMTPConnection,
  accepted: AcceptedConnection,
  { limits }: ProtocolOptions,
): void {
  const { send, _onCommand: run } = connection
  let waitMs = 0
  connection.send = (code, text, context) => {
    if (code === 421) accepted.wasCut = true
    if (code >= 500) {
      limits.error(accepted.counted)
      waitMs = limits.pauseMs(accepted.counted)
      const refusal = limits.refusal(accepted.counted)
      if (refusal !== null) return refuse(connection, refusal)
    } else if (context === 'TOO_MANY_RECIPIENTS') {
      limits.waste(accepted.counted)
    }
    send.call(connection, code, text, context)
  }
  const take = (command: Buffer, done?: () => void): void => {
    if (connection._closing || connection._closed || accepted.wasCut) return
    const [name = ''] = command.toString('latin1').split(' ', 1)
    limits.command(accepted.counted, name.toUpperCase())
    const refusal = limits.refusal(accepted.counted)
    if (refusal === null) run.call(connection, command, done)
    else refuse(connection, refusal)
  }
  connection._onCommand = (command, done) => {
    if (waitMs === 0) return take(command, done)
    const pause = setTimeout(() => {
      accepted.phase = 'command'
      take(command, done)
    }, waitMs)
    pause.unref()
    waitMs = 0
    accepted.phase = 'pause'
  }
}

/** Ends the session with 421. smtp-server would add the enhanced code (RFC 3463) of a timeout, so the code is written here. */
function refuse(connection: SMTPConnection, why: string): void {
  const [code, ...words] = why.split(' ')
  connection.send(421, `${code} ${connection.name} ${words.join(' ')}`, false)
}

function watchGivenUp(connection: SMTPConnection, onGivenUp: () => void): void {
  for (const name of ['handler_RSET', 'handler_QUIT'] as const) {
    const handle = connection[name]
    connection[name] = (...command) => {
      onGivenUp()
      handle.apply(connection, command)
    }
  }
}

/** A path up to the end of a quoted local part (RFC 5321 §4.1.2, RFC 6531 §3.3), without the octets that smtp-server refuses. */
const quotedPath =
  /^([^:]*:\s*<(?:@[^:<>"]*:)?)("(?:[ !#-[\]-~\u00a0-\u200a\u200c-\u205f\u2061-\ufefe\uff00-\u{10ffff}]|\\[ -~])*")(?=@)/u

/**
 * Makes smtp-server accept a quoted local part. It may contain `>`, which smtp-server takes for the end of the path. So
 * smtp-server gets `x` in its place.
 */
function takeQuotedLocalParts(connection: SMTPConnection): void {
  const parse = connection._parseAddressCommand
  connection._parseAddressCommand = (name, command) => {
    const text = command.toString()
    const [whole = '', before, localPart] = quotedPath.exec(text) ?? []
    if (localPart === undefined) return parse.call(connection, name, command)
    const parsed = parse.call(connection, name, `${before}x${text.slice(whole.length)}`)
    return parsed && { ...parsed, address: localPart + parsed.address.slice(1) }
  }
}

/** These commands reset the session, and with it the client that XFORWARD named. */
const resetting = [
  'handler_EHLO',
  'handler_HELO',
  'handler_RSET',
  'handler_STARTTLS',
  'handler_XCLIENT',
] as const

function acceptProxyCommands(
  connection: SMTPConnection,
  accepted: AcceptedConnection,
  { proxies }: ProtocolOptions,
): void {
  // XFORWARD holds for one message (Postfix, XFORWARD_README), but smtp-server keeps it. So it is removed at MAIL, and here when
  // the session is reset before MAIL.
  for (const name of resetting) {
    const handle = connection[name]
    connection[name] = (...command) => {
      connection._xForward.clear()
      handle.apply(connection, command)
    }
  }
  // XFORWARD must not set the HELO name of the connection itself: smtp-server would then take mail without HELO.
  const forward = connection.handler_XFORWARD
  connection.handler_XFORWARD = (...command) => {
    const { hostNameAppearsAs } = connection
    forward.apply(connection, command)
    connection.hostNameAppearsAs = hostNameAppearsAs
  }
  // XCLIENT starts the session again as the client that it names. As in Postfix, that client may send XCLIENT only if it is a
  // proxy too; otherwise anybody could name any client.
  const greet = connection._sendGreeting
  connection._sendGreeting = () => {
    const named = connection._xClient.get('ADDR')
    if (named === undefined) return greet.call(connection)
    const client = addressOf(named)
    const isProxy = client !== null && proxies.some((prefix) => contains(prefix, client))
    if (isProxy) connection._xClient.clear()
    const refusal = accepted.name(isProxy ? null : client)
    if (refusal === null) greet.call(connection)
    else refuse(connection, refusal)
  }
}

/** The address that XCLIENT or XFORWARD gives; null if the proxy does not know it. */
export function addressOf(named: string | number | false | undefined): Address | null {
  const parsed = parseAddress(`${named || ''}`)
  return 'value' in parsed ? unmapped(parsed.value) : null
}
