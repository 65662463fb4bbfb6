// POP3 (RFC 1939, 2595): one connection, one command at a time. Replies are read as they come, within bounds for each
// command, and what nobody asked for ends the connection.
//
// Ours, since no npm package would do: the one that is kept (node-pop3 0.11) finds the end of a message only where it
// lies within one packet, decodes content as UTF-8, leaves stuffed dots in and knows no STLS; the others are abandoned.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Deadlines, ExchangeMeter } from './exchange-meter.ts'
import { type MailboxErrorCode, MailboxFault } from './mailbox-error.ts'
import type { MailServer } from './mailbox-url.ts'
import { LineBody, MessageBody, Pop3Reply, type ReplyBody } from './pop3-reply.ts'

export interface Pop3Options extends Pick<MailServer, 'host' | 'port' | 'user' | 'tls'> {
  readonly password: string
  readonly ca?: string
  readonly deadlines: Deadlines
}

/** A listing of a million messages fits; no list is kept as a whole. */
const maxListOctets = 32 * 1024 ** 2
const maxListLines = 1_000_000
/** A status, and the capabilities. */
const maxShortOctets = 64 * 1024
const maxCapabilities = 1000
const refused = Buffer.from('-ERR')

/** Connects, secures the connection as `tls` says, and logs in. Throws MailboxFault with what the server said, or the socket's error. */
export async function openPop3(options: Pop3Options): Promise<Pop3Client> {
  const { host, port, tls, user, password, ca, deadlines } = options
  const trust = { host, ...(/[a-z]/i.test(host) && { servername: host }), ...(ca && { ca }) }
  const socket = tls === 'implicit' ? connectTls({ ...trust, port }) : connect({ host, port })
  let client = new Pop3Client(socket, deadlines)
  try {
    await client.greeting()
    if (tls !== 'implicit') {
      if (await client.offersStls()) {
        await client.command('STLS', 'tls-failed')
        client = new Pop3Client(connectTls({ ...trust, socket: client.release() }), deadlines)
      } else if (tls === 'required') {
        throw new MailboxFault(
          'tls-failed',
          'the server offers no STLS, and the password is not sent in the clear',
        )
      }
    }
    await client.command(`USER ${user}`, 'authentication-failed')
    await client.command(`PASS ${password}`, 'authentication-failed')
    return client
  } catch (error) {
    client.destroy()
    throw error
  }
}

/** A reply that is awaited. */
interface Awaited extends PromiseWithResolvers<string> {
  readonly reply: Pop3Reply
}

export class Pop3Client {
  readonly #socket: Socket
  readonly #meter: ExchangeMeter
  #awaited: Awaited | null = null
  #failure: Error | null = null
  #last: Promise<unknown> = Promise.resolve()

  constructor(socket: Socket, deadlines: Deadlines) {
    this.#socket = socket
    this.#meter = new ExchangeMeter(deadlines, (fault) => this.#fail(fault))
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () =>
      this.#fail(new MailboxFault('connection-lost', 'the server closed the connection')),
    )
  }

  /** The server's first words. */
  async greeting(): Promise<void> {
    await this.#reply(null, maxShortOctets, 'refused')
  }

  /** RFC 2595 §4. A server without CAPA offers nothing. */
  async offersStls(): Promise<boolean> {
    let isOffered = false
    const body = new LineBody(maxCapabilities, (line) => {
      if (line.toUpperCase() === 'STLS') isOffered = true
    })
    await this.#exchange('CAPA', body, maxShortOctets).catch(() => {
      if (this.#failure !== null) throw this.#failure
    })
    return isOffered
  }

  /** The number and the value of each message in the mailbox; what is no such line is left out. */
  async list(command: 'LIST' | 'UIDL', each: (number: number, value: string) => void) {
    const body = new LineBody(maxListLines, (line) => {
      const [, number, value] = /^([1-9]\d{0,8}) ([!-~]{1,255})(?: |$)/.exec(line) ?? []
      if (number !== undefined && value !== undefined) each(Number(number), value)
    })
    await this.#exchange(command, body, maxListOctets)
  }

  /** The message's octets, dots unstuffed. Throws when there are more than that many, and the connection is over. */
  async retrieve(number: number, maxBytes: number): Promise<Uint8Array> {
    const body = new MessageBody(maxBytes)
    // A stuffed dot for each line at most.
    await this.#exchange(`RETR ${number}`, body, 2 * maxBytes + maxShortOctets)
    return body.content
  }

  /** A command with a reply of one line. Throws MailboxFault, of that code, with what the server said when that is -ERR. */
  async command(line: string, fault: MailboxErrorCode = 'refused'): Promise<void> {
    await this.#exchange(line, null, maxShortOctets, fault)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Hands the socket on, for TLS. */
  release(): Socket {
    this.#meter.end()
    this.#socket.removeAllListeners()
    return this.#socket
  }

  /** One exchange after the other, in the order of the calls. */
  #exchange(
    line: string,
    body: ReplyBody | null,
    maxOctets: number,
    fault: MailboxErrorCode = 'refused',
  ): Promise<void> {
    const exchange = this.#last.then(async () => {
      if (/[\r\n]/.test(line)) {
        throw new MailboxFault('authentication-failed', 'a line end within a command')
      }
      if (this.#failure !== null) throw this.#failure
      this.#socket.write(`${line}\r\n`)
      await this.#reply(body, maxOctets, fault)
    })
    this.#last = exchange.catch(() => undefined)
    return exchange
  }

  async #reply(body: ReplyBody | null, maxOctets: number, fault: MailboxErrorCode): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const awaited = { reply: new Pop3Reply(body), ...Promise.withResolvers<string>() }
    this.#awaited = awaited
    this.#meter.begin({ octets: maxOctets })
    const status = await awaited.promise
    if (!status.startsWith('+OK')) throw refusal(status, fault)
  }

  #receive(chunk: Buffer): void {
    const awaited = this.#awaited
    try {
      this.#meter.count(chunk)
      if (this.#failure !== null) return
      // One command is asked at a time: what comes without one, or after its reply, is the answer to nothing.
      if (awaited === null && chunk.subarray(0, 4).equals(refused)) {
        throw new MailboxFault('connection-lost', 'the server ended the session')
      }
      const after = awaited === null ? chunk : awaited.reply.push(chunk)
      if (after === null) return
      if (after.length > 0) throw new MailboxFault('protocol-broken', 'a reply to no command')
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.#awaited = null
    this.#meter.end()
    awaited?.resolve(awaited.reply.status ?? '')
  }

  #fail(error: Error): void {
    if (this.#failure === null) {
      this.#failure = error
      this.#meter.end()
      this.#socket.destroy()
    }
    this.#awaited?.reject(this.#failure)
    this.#awaited = null
  }
}

/** RFC 2449 §8, RFC 3206: a response code tells more than the command it answers. */
function refusal(status: string, fault: MailboxErrorCode): MailboxFault {
  if (!status.startsWith('-ERR')) return new MailboxFault('protocol-broken', status || 'no reply')
  const [, code = ''] = /^-ERR \[([A-Z/-]+)\]/i.exec(status) ?? []
  const words = status.replace(/^-ERR ?/, '') || 'no reply'
  return new MailboxFault(responseCodes[code.toUpperCase()] ?? fault, words)
}

const responseCodes: Readonly<Record<string, MailboxErrorCode>> = {
  AUTH: 'authentication-failed',
  'IN-USE': 'locked',
  'SYS/TEMP': 'refused',
  'SYS/PERM': 'refused',
  'LOGIN-DELAY': 'refused',
}
