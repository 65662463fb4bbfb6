// A POP3 client (RFC 1939, 2595): one connection, one command at a time. Each reply has a size limit. Octets that do not answer a
// command end the connection.
//
// No npm package is fit for this. The only one that is maintained (node-pop3 0.11) misses the end of a message that is split over
// two packets, decodes content as UTF-8, does not unstuff dots and has no STLS.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Deadlines, ExchangeMeter, type MailServer, tooMuch } from './mail-server.ts'
import { type MailboxErrorCode, MailboxFault } from './mailbox.ts'

interface Pop3Options extends Pick<MailServer, 'host' | 'port' | 'user' | 'tls'> {
  readonly password: string
  readonly ca?: string
  readonly deadlines: Deadlines
}

/** Enough for a list of a million messages. No list is kept in memory as a whole. */
const maxListOctets = 32 * 1024 ** 2
const maxListLines = 1_000_000
/** Limit for a status line or a list of capabilities. */
const maxShortOctets = 64 * 1024
const maxCapabilities = 1000
const refused = Buffer.from('-ERR')

/** Connects, starts TLS as the option `tls` says, and logs in. Throws MailboxFault with the server's text, or a socket error. */
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

/** A reply that we wait for. */
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

  /** Waits for the server's greeting. */
  async greeting(): Promise<void> {
    await this.#reply(null, maxShortOctets, 'refused')
  }

  /** Whether the server offers STLS (RFC 2595 §4). A server without CAPA offers nothing. */
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

  /** Calls `each` with the number and value of each message; ignores other lines. */
  async list(command: 'LIST' | 'UIDL', each: (number: number, value: string) => void) {
    const body = new LineBody(maxListLines, (line) => {
      const [, number, value] = /^([1-9]\d{0,8}) ([!-~]{1,255})(?: |$)/.exec(line) ?? []
      if (number !== undefined && value !== undefined) each(Number(number), value)
    })
    await this.#exchange(command, body, maxListOctets)
  }

  /**
   * Returns the message's octets with dots unstuffed. If there are more than `maxBytes`, ends the connection and throws
   * MailboxFault.
   */
  async retrieve(number: number, maxBytes: number): Promise<Uint8Array> {
    const body = new MessageBody(maxBytes)
    // Each line may begin with a stuffed dot, so a message becomes at most twice as long.
    await this.#exchange(`RETR ${number}`, body, 2 * maxBytes + maxShortOctets)
    return body.content
  }

  /**
   * Sends a command that has a one-line reply. If the reply is -ERR, throws MailboxFault with the code `fault` and the server's
   * text.
   */
  async command(line: string, fault: MailboxErrorCode = 'refused'): Promise<void> {
    await this.#exchange(line, null, maxShortOctets, fault)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Stops using the socket and returns it, so that TLS can start on it. */
  release(): Socket {
    this.#meter.end()
    this.#socket.removeAllListeners()
    return this.#socket
  }

  /** Runs one exchange after the other, in the order of the calls. */
  #exchange(
    line: string,
    body: ReplyBody | null,
    maxOctets: number,
    fault: MailboxErrorCode = 'refused',
  ): Promise<void> {
    const exchange = this.#last.then(async () => {
      if (/[\r\n]/.test(line)) {
        throw new MailboxFault(
          'authentication-failed',
          'the user name or password contains a line end',
        )
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
      // Commands are sent one at a time, so octets without a command, or after its reply, do not answer anything.
      if (awaited === null && chunk.subarray(0, 4).equals(refused)) {
        throw new MailboxFault('connection-lost', 'the server ended the session')
      }
      const after = awaited === null ? chunk : awaited.reply.push(chunk)
      if (after === null) return
      if (after.length > 0)
        throw new MailboxFault('protocol-broken', 'the server sent a reply without a command')
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

/** The fault for a -ERR reply: its response code (RFC 2449 §8, RFC 3206) tells more than the command that failed. */
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

/** Reads the lines that follow the status line. */
interface ReplyBody {
  /**
   * Takes the lines up to the final dot, with dots still stuffed. Returns the octets after that dot's line, or null if that line
   * has not come yet.
   */
  push(chunk: Buffer): Buffer | null
}

const LF = 0x0a
const CR = 0x0d
/** Most octets of a status line; RFC 2449 §4 allows 512. */
const maxStatusLine = 1024

class Pop3Reply {
  readonly #body: ReplyBody | null
  #begun = Buffer.alloc(0)
  /** The status line without its line end; null if it has not come yet. */
  status: string | null = null

  /** `body` gets the lines after a +OK; null if the reply is one line. */
  constructor(body: ReplyBody | null) {
    this.#body = body
  }

  /** Returns the octets after the end of the reply, or null before the end. Throws MailboxFault. */
  push(chunk: Buffer): Buffer | null {
    if (this.status !== null) return this.#pushBody(chunk)
    const lineEnd = chunk.indexOf(LF)
    const line = chunk.subarray(0, lineEnd < 0 ? undefined : lineEnd)
    if (this.#begun.length + line.length > maxStatusLine) throw tooMuch()
    this.#begun = Buffer.concat([this.#begun, line])
    if (lineEnd < 0) return null
    this.status = this.#begun.toString('latin1').replace(/\r$/, '')
    return this.#pushBody(chunk.subarray(lineEnd + 1))
  }

  #pushBody(chunk: Buffer): Buffer | null {
    const isOver = this.#body === null || !this.status?.startsWith('+OK')
    return isOver ? chunk : (this.#body?.push(chunk) ?? null)
  }
}

/** Calls a function for each line. */
class LineBody implements ReplyBody {
  readonly #each: (line: string) => void
  readonly #maxLines: number
  #begun = Buffer.alloc(0)
  #lines = 0

  constructor(maxLines: number, each: (line: string) => void) {
    this.#maxLines = maxLines
    this.#each = each
  }

  push(chunk: Buffer): Buffer | null {
    let from = 0
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
      const rest = chunk.subarray(from, at)
      const line = this.#begun.length === 0 ? rest : Buffer.concat([this.#begun, rest])
      from = at + 1
      this.#begun = Buffer.alloc(0)
      const text = line.toString('latin1').replace(/\r$/, '')
      if (text === '.') return chunk.subarray(from)
      if (++this.#lines > this.#maxLines) throw tooMuch()
      this.#each(text.startsWith('.') ? text.slice(1) : text)
    }
    this.#begun = Buffer.concat([this.#begun, chunk.subarray(from)])
    if (this.#begun.length > maxStatusLine) throw tooMuch()
    return null
  }
}

const lineDot = Buffer.from('\r\n.')
const firstKept = 64 * 1024

/** Collects a message and unstuffs its dots. */
class MessageBody implements ReplyBody {
  readonly #maxBytes: number
  /** Octets at the end that may belong to the final dot's line. At first, the line end of the status line. */
  #carried = Buffer.from('\r\n')
  #kept = Buffer.alloc(0)
  #length = 0
  /** How many octets of `#carried` do not belong to the message. */
  #skipped = 2

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The message; call it after its end has come. */
  get content(): Uint8Array {
    return this.#kept.subarray(0, this.#length)
  }

  push(chunk: Buffer): Buffer | null {
    const data = Buffer.concat([this.#carried, chunk])
    let from = 0
    for (let at = data.indexOf(lineDot); at >= 0; at = data.indexOf(lineDot, from)) {
      this.#keep(data.subarray(from, at))
      from = at
      // The next two octets tell whether this dot ends the message.
      if (data.length < at + 5) return this.#carry(data.subarray(at))
      this.#keep(data.subarray(at, at + 2))
      from = at + 3
      if (data[at + 3] === CR && data[at + 4] === LF) return data.subarray(at + 5)
    }
    const tail = data.at(-1) === CR ? 1 : data.at(-2) === CR && data.at(-1) === LF ? 2 : 0
    const end = Math.max(from, data.length - tail)
    this.#keep(data.subarray(from, end))
    return this.#carry(data.subarray(end))
  }

  #carry(octets: Buffer): null {
    this.#carried = Buffer.from(octets)
    return null
  }

  #keep(octets: Buffer): void {
    const skipped = Math.min(this.#skipped, octets.length)
    this.#skipped -= skipped
    const length = this.#length + octets.length - skipped
    if (length > this.#maxBytes) throw tooMuch()
    if (length > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(Math.max(length, 2 * this.#kept.length, firstKept), this.#maxBytes),
      )
      this.#kept.copy(grown, 0, 0, this.#length)
      this.#kept = grown
    }
    this.#kept.set(octets.subarray(skipped), this.#length)
    this.#length = length
  }
}
