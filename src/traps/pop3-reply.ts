// The octets of one POP3 reply (RFC 1939 §3), in pieces of any size → its status line, and the lines or the message after
// it. Holds no more than what is asked for. Pure; the client is pop3-client.ts.
import { tooMuch } from './exchange-meter.ts'

/** Where the lines after the status go. */
export interface ReplyBody {
  /** Takes what stands before the final dot, dots as they were sent. Returns the octets after the end, or null before it. */
  push(chunk: Buffer): Buffer | null
}

const LF = 0x0a
const CR = 0x0d
/** RFC 2449 §4 allows 512. */
const maxStatusLine = 1024

export class Pop3Reply {
  readonly #body: ReplyBody | null
  #begun = Buffer.alloc(0)
  /** Without its line end; null: not here yet. */
  status: string | null = null

  /** `body` is for the lines after a +OK; null: the reply is one line. */
  constructor(body: ReplyBody | null) {
    this.#body = body
  }

  /** Returns the octets after the end of the reply, or null before it. Throws MailboxFault. */
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

/** Lines, one after another, to whoever wants them. */
export class LineBody implements ReplyBody {
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

/** A message, its stuffed dots taken out. */
export class MessageBody implements ReplyBody {
  readonly #maxBytes: number
  /** What may begin the end of the message. The line before the first is the status. */
  #carried = Buffer.from('\r\n')
  #kept = Buffer.alloc(0)
  #length = 0
  /** Octets of `#carried` that are not the message's. */
  #skipped = 2

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The message, once its end has come. */
  get content(): Uint8Array {
    return this.#kept.subarray(0, this.#length)
  }

  push(chunk: Buffer): Buffer | null {
    const data = Buffer.concat([this.#carried, chunk])
    let from = 0
    for (let at = data.indexOf(lineDot); at >= 0; at = data.indexOf(lineDot, from)) {
      this.#keep(data.subarray(from, at))
      from = at
      // Whether that dot ends the message, the next two octets tell.
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
