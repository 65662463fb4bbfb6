// Octets of an mbox (RFC 4155), in pieces of any size → its messages and their offsets. Holds one message at a time. Pure.
// Written by hand: no package gives offsets, bounds memory and respects Content-Length.
//
// A message begins at a `From ` line with a date, at the start of the file or after an empty line. So a sentence that begins with
// "From " does not start a message. One `>` is removed from `>From `, `>>From ` and so on, as in mboxrd. Dovecot does not quote
// such lines; it writes a Content-Length (mboxcl2). If that length leads to the next message or to the end of the file,
// everything before belongs to one message. Otherwise a stranger could write a whole message into the body of another, with
// forged trace fields of our own server.

export interface MboxMessage {
  /** Offset of the message's From line in the mbox. `end` is the offset after the empty line that follows the message. */
  readonly start: number
  readonly end: number
  /** The date of the From line, read as local time, in epoch seconds; null if it cannot be read. */
  readonly date: number | null
  /** Octets of the content. If they exceed the limit, `content` is null. */
  readonly size: number
  readonly content: Uint8Array | null
}

interface Begun {
  readonly start: number
  readonly contentStart: number
  readonly date: number | null
  size: number
  /** Offset at which the message ends by its Content-Length, if a message can end there; else 0. null: not worked out yet. */
  statedEnd: number | null
}

const firstKept = 64 * 1024

const LF = 0x0a
const CR = 0x0d
const GT = 0x3e
const F = 0x46
const separator = Buffer.from('\nFrom ')
/** The date as asctime(3) writes it, `Tue Nov 24 11:24:44 2026`, or as in `Tue, 24 Nov 2026 11:24:44 +0100`. */
const fromDate =
  /\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} [A-Z][a-z]{2})\b.{0,40}?\d:\d\d.*/
const fromLine = new RegExp(`^From .*${fromDate.source}`)
/** A line longer than this is never a From line. */
export const longestFromLine = 4096

/** Whether the octets begin like an mbox. */
export function isMbox(octets: Uint8Array): boolean {
  const begin = Buffer.from(octets.subarray(0, longestFromLine)).toString('latin1')
  return fromLine.test(begin.split('\n', 1)[0] ?? '')
}

export class MboxSplitter {
  readonly #maxBytes: number
  readonly #isEnd: (offset: number) => boolean
  #begun: Begun | null = null
  /** Content of the current message, while it is below the limit. The buffer is used again for the next message. */
  #kept = Buffer.allocUnsafeSlow(firstKept)
  /** `#carried` and the next piece together. The buffer is used again for each piece. */
  #joined = Buffer.alloc(0)
  /** The beginning of a line whose end has not arrived yet. */
  #carried = Buffer.alloc(0)
  /** Offset of `#carried` in the mbox. */
  #offset: number
  #isAfterBlank = true

  /**
   * `offset` is where the first piece stands: at the start of a message or of the mbox. The content of a message over `maxBytes`
   * is not kept. `isEnd` tells whether a message can end at an offset that is not read yet; by default no Content-Length is
   * believed.
   */
  constructor(offset: number, maxBytes: number, isEnd: (offset: number) => boolean = () => false) {
    this.#offset = offset
    this.#maxBytes = maxBytes
    this.#isEnd = isEnd
  }

  /**
   * Returns the messages that this piece completes. They do not refer to `chunk`, which may be used again. Text before the first
   * From line is skipped.
   */
  push(chunk: Buffer): MboxMessage[] {
    const data = this.#carried.length > 0 ? this.#join(chunk) : chunk
    const lastLine = data.lastIndexOf(LF) + 1
    const usable = data.length - lastLine > longestFromLine ? data.length : lastLine
    const complete: MboxMessage[] = []
    let position = 0
    let at = data.subarray(0, 5).equals(separator.subarray(1)) ? 0 : nextLine(data, 0)
    for (; at >= 0 && at < usable; at = nextLine(data, at)) {
      const lineEnd = data.indexOf(LF, at)
      const line = data.subarray(at, Math.min(lineEnd, at + longestFromLine)).toString('latin1')
      if (lineEnd < 0 || !this.#followsBlank(data, at) || !fromLine.test(line)) continue
      this.#keep(data.subarray(position, at))
      position = at
      const start = this.#offset + at
      if (this.#isInside(start)) continue
      complete.push(...this.#finish(start))
      position = lineEnd + 1
      const contentStart = this.#offset + position
      this.#begun = { start, contentStart, date: dateOf(line), size: 0, statedEnd: null }
    }
    this.#keep(data.subarray(position, usable))
    if (usable > 0) this.#isAfterBlank = this.#followsBlank(data, usable)
    this.#offset += usable
    // Copy the few octets, so that they do not keep the whole piece in memory.
    this.#carried = Buffer.from(data.subarray(usable))
    return complete
  }

  /** To be called when there are no more pieces; returns the last message. */
  end(): MboxMessage[] {
    this.#keep(this.#carried)
    this.#offset += this.#carried.length
    this.#carried = Buffer.alloc(0)
    return this.#finish(this.#offset)
  }

  #join(chunk: Buffer): Buffer {
    const carried = this.#carried
    const size = carried.length + chunk.length
    if (size > this.#joined.length) this.#joined = Buffer.allocUnsafeSlow(size + longestFromLine)
    carried.copy(this.#joined)
    chunk.copy(this.#joined, carried.length)
    return this.#joined.subarray(0, size)
  }

  /** Whether the line before this position is empty. */
  #followsBlank(data: Buffer, at: number): boolean {
    if (at === 0) return this.#isAfterBlank
    if (data[at - 1] !== LF) return false
    const before = data[at - 2] === CR ? at - 3 : at - 2
    return before < 0 || data[before] === LF
  }

  /** Whether a From line at this offset belongs to the current message's content. */
  #isInside(at: number): boolean {
    const begun = this.#begun
    if (begun === null) return false
    begun.statedEnd ??= this.#statedEnd(begun)
    return at < begun.statedEnd
  }

  #statedEnd({ contentStart, size }: Begun): number {
    const stated = statedLength(this.#kept.subarray(0, Math.min(size, this.#maxBytes)))
    return stated !== null && this.#isEnd(contentStart + stated) ? contentStart + stated : 0
  }

  /** Adds octets to the current message. Beyond the limit, only the beginning is kept. */
  #keep(octets: Buffer): void {
    const begun = this.#begun
    if (begun === null || octets.length === 0) return
    const kept = octets.subarray(0, Math.max(0, this.#maxBytes - begun.size))
    if (kept.length > 0) {
      const size = begun.size + kept.length
      if (size > this.#kept.length) {
        const grown = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.#kept.length))
        this.#kept.copy(grown, 0, 0, begun.size)
        this.#kept = grown
      }
      this.#kept.set(kept, begun.size)
    }
    begun.size += octets.length
  }

  #finish(end: number): MboxMessage[] {
    const begun = this.#begun
    this.#begun = null
    if (begun === null) return []
    const { start, date, size } = begun
    const isKept = size <= this.#maxBytes
    const content = isKept
      ? unquoted(withoutSeparator(Buffer.from(this.#kept.subarray(0, size))))
      : null
    return [{ start, end, date, size, content }]
  }
}

/** The message's length by its last Content-Length, which counts only the body; null if it has none. */
function statedLength(content: Buffer): number | null {
  const headerEnds = ['\n\n', '\n\r\n'].flatMap((end) => {
    const at = content.indexOf(end)
    return at < 0 ? [] : [at + end.length]
  })
  if (headerEnds.length === 0) return null
  const bodyStart = Math.min(...headerEnds)
  const header = content.toString('latin1', 0, bodyStart)
  const stated = [...header.matchAll(/^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/gim)].at(-1)?.[1]
  return stated === undefined ? null : bodyStart + Number(stated)
}

/** Position of the next line after this one that begins with `From `; -1 if there is none. */
function nextLine(data: Buffer, after: number): number {
  const at = data.indexOf(separator, after)
  return at < 0 ? -1 : at + 1
}

/** Removes the empty line before the next From line, which is not part of the message. */
function withoutSeparator(content: Buffer): Buffer {
  const isLineEnd = content.at(-1) === LF
  const cut = content.at(-2) === CR ? 2 : 1
  const isEmptyLine = content.length === cut || content.at(-1 - cut) === LF
  return isLineEnd && isEmptyLine ? content.subarray(0, -cut) : content
}

/**
 * Removes the quoting `>`, in place. It goes octet by octet, without an object for each line: a sender may write a million lines
 * that begin with `>`.
 */
function unquoted(content: Buffer): Uint8Array {
  let length = 0
  let position = 0
  for (let at = 0; at < content.length; at++) {
    if (content[at] !== LF || content[at + 1] !== GT) continue
    let end = at + 2
    while (content[end] === GT) end++
    if (content[end] !== F || content.toString('latin1', end, end + 5) !== 'From ') continue
    content.copyWithin(length, position, at + 1)
    length += at + 1 - position
    position = at + 2
  }
  content.copyWithin(length, position)
  return content.subarray(0, length + content.length - position)
}

function dateOf(line: string): number | null {
  const [text = ''] = fromDate.exec(line) ?? []
  const milliseconds = Date.parse(text.replace(/\sremote from .*/, ''))
  return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1000)
}
