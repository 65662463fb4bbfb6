// POP3 (RFC 1939, 2595): one connection, one command at a time, replies as octets. Called by pop3.ts.
//
// Ours, since no npm package would do: the one that is kept (node-pop3 0.11) finds the end of a message only where it
// lies within one packet, decodes content as UTF-8, leaves stuffed dots in and knows no STLS; the others are abandoned.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type MailboxErrorCode, MailboxFault } from './mailbox-error.ts'
import type { MailServer } from './mailbox-url.ts'

export interface Pop3Options extends Pick<MailServer, 'host' | 'port' | 'user' | 'tls'> {
  readonly password: string
  readonly ca?: string
  /** A server that says nothing for so long is given up. */
  readonly timeoutMs: number
}

export interface Pop3Entry {
  readonly number: number
  readonly uid: string
  /** As LIST tells; the server may count line ends otherwise. */
  readonly size: number
}

/** LIST and UIDL of a million messages fit. */
const maxListBytes = 128 * 1024 ** 2
const maxStatusLine = 1024

/** Connects, secures the connection as `tls` says, and logs in. Throws MailboxFault with what the server said, or the socket's error. */
export async function openPop3(options: Pop3Options): Promise<Pop3Client> {
  const { host, port, tls, user, password, ca } = options
  const trust = { host, ...(/[a-z]/i.test(host) && { servername: host }), ...(ca && { ca }) }
  const socket = tls === 'implicit' ? connectTls({ ...trust, port }) : connect({ host, port })
  let client = new Pop3Client(socket, options.timeoutMs)
  try {
    await client.status()
    if (tls !== 'implicit') {
      const offers = await client.list('CAPA').catch(() => [])
      if (offers.some((line) => line.toUpperCase() === 'STLS')) {
        await client.command('STLS', 'tls-failed')
        client = new Pop3Client(
          connectTls({ ...trust, socket: client.release() }),
          options.timeoutMs,
        )
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

export class Pop3Client {
  readonly #socket: Socket
  #received: Buffer[] = []
  #length = 0
  #failure: Error | null = null
  #wake = Promise.withResolvers<void>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket
    const fail = (error: Error): void => {
      this.#failure ??= error
      this.#wake.resolve()
    }
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#length += chunk.length
      this.#wake.resolve()
    })
    socket.on('error', fail)
    socket.on('close', () =>
      fail(new MailboxFault('connection-lost', 'the server closed the connection')),
    )
    socket.setTimeout(timeoutMs, () => {
      fail(new MailboxFault('timed-out', 'the server does not answer'))
      socket.destroy()
    })
  }

  /** Everything in the mailbox, in the order of the server. */
  async entries(): Promise<Pop3Entry[]> {
    const pairs = (lines: readonly string[]): (readonly [number, string])[] =>
      lines.map((line) => {
        const [number = '', value = ''] = line.split(' ')
        return [Number(number), value]
      })
    const sizes = new Map(pairs(await this.list('LIST')))
    return pairs(await this.list('UIDL'))
      .filter(([number, uid]) => Number.isInteger(number) && uid !== '')
      .map(([number, uid]) => ({ number, uid, size: Number(sizes.get(number) ?? 0) }))
  }

  /** The message's octets, dots unstuffed. Throws when there are more than that many, and the connection is over. */
  async retrieve(number: number, maxBytes: number): Promise<Uint8Array> {
    const { text } = await this.#exchange(`RETR ${number}`, maxBytes)
    return unstuffed(text)
  }

  /** A command with a reply of one line. Throws MailboxFault, of that code, with what the server said when that is -ERR. */
  async command(line: string, fault: MailboxErrorCode = 'refused'): Promise<string> {
    return (await this.#exchange(line, null, fault)).status
  }

  /** A command with a reply of many lines. */
  async list(line: string): Promise<string[]> {
    const { text } = await this.#exchange(line, maxListBytes)
    return text.toString('latin1').split('\r\n').filter(Boolean)
  }

  /** The greeting. */
  async status(): Promise<string> {
    return (await this.#reply(null, 'refused')).status
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Hands the socket on, for TLS. */
  release(): Socket {
    this.#socket.removeAllListeners()
    this.#socket.setTimeout(0)
    return this.#socket
  }

  /** One exchange after the other, in the order of the calls. */
  #exchange(line: string, maxBytes: number | null, fault: MailboxErrorCode = 'refused') {
    const exchange = this.#last.then(async () => {
      if (/[\r\n]/.test(line)) {
        throw new MailboxFault('authentication-failed', 'a line end within a command')
      }
      if (this.#failure === null) this.#socket.write(`${line}\r\n`)
      return await this.#reply(maxBytes, fault)
    })
    this.#last = exchange.catch(() => undefined)
    return exchange
  }

  /** Waits for a whole reply. Nothing is asked before it is here, so it ends where what was received ends. */
  async #reply(
    maxBytes: number | null,
    fault: MailboxErrorCode,
  ): Promise<{ status: string; text: Buffer }> {
    for (;;) {
      const received = this.#joined()
      const lineEnd = received.indexOf('\r\n')
      const status = received.subarray(0, lineEnd < 0 ? maxStatusLine : lineEnd).toString('latin1')
      const isMany = maxBytes !== null && status.startsWith('+OK')
      if (lineEnd >= 0 && (!isMany || received.subarray(-5).equals(end))) {
        this.#received = []
        this.#length = 0
        if (!status.startsWith('+OK')) throw refusal(status, fault)
        return { status, text: received.subarray(lineEnd + 2, isMany ? -3 : undefined) }
      }
      if (this.#failure !== null) throw this.#failure
      if (this.#length > (isMany ? maxBytes : 0) + maxStatusLine) {
        this.destroy()
        throw new MailboxFault('protocol-broken', 'the server says more than it may')
      }
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
  }

  /** What was received, joined only when its end may complete a reply. */
  #joined(): Buffer {
    const last = this.#received.at(-1)
    const mayBeWhole = this.#received.length < 3 || last?.at(-1) === LF
    if (mayBeWhole && this.#received.length > 1) this.#received = [Buffer.concat(this.#received)]
    return this.#received[0] ?? Buffer.alloc(0)
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

const LF = 0x0a
const end = Buffer.from('\r\n.\r\n')
const stuffedDot = Buffer.from('\r\n..')

/** RFC 1939 §3: a line that begins with a dot comes with one more. */
function unstuffed(text: Buffer): Uint8Array {
  const from = text[0] === 0x2e ? 1 : 0
  const parts: Buffer[] = []
  let position = from
  for (let at = text.indexOf(stuffedDot); at >= 0; at = text.indexOf(stuffedDot, at + 4)) {
    parts.push(text.subarray(position, at + 2))
    position = at + 3
  }
  if (parts.length === 0) return text.subarray(from)
  return Buffer.concat([...parts, text.subarray(position)])
}
