// Octets of a feed → its lines, in batches: UTF-8, LF or CRLF, a byte order mark or none, whatever the octets are.
// Called by feed.ts.

/** Characters of the longest line that is read. */
export const maxLineCharacters = 65_536

export interface Line {
  /** 1 upwards. */
  readonly number: number
  /** Without its line end. Of a line that is too long, the beginning. */
  readonly text: string
  readonly isTooLong: boolean
}

/** Lines that are handed on at once: some milliseconds of work. */
const batchLines = 2000

/** The lines in order, the last one too if no line end follows it. Throws what `octets` throws. */
export async function* linesOf(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder()
  let rest = ''
  let isTooLong = false
  let number = 0
  let batch: Line[] = []
  const take = (text: string): void => {
    number += 1
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    const isLong = isTooLong || line.length > maxLineCharacters
    batch.push({ number, text: isLong ? line.slice(0, 1000) : line, isTooLong: isLong })
    isTooLong = false
  }
  for await (const chunk of octets) {
    const text = rest + decoder.decode(chunk, { stream: true })
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      take(text.slice(from, end))
      from = end + 1
      if (batch.length < batchLines) continue
      yield batch
      batch = []
    }
    rest = text.slice(from)
    if (rest.length <= maxLineCharacters) continue
    isTooLong = true
    rest = rest.slice(0, 1000)
  }
  rest += decoder.decode()
  if (rest !== '' || isTooLong) take(rest)
  if (batch.length > 0) yield batch
}
