// The message that a bounce gives back, or as much of it as is there: what it said of itself, and what tells it from
// other returned messages. Called by classify and evidence.
import { allValues, firstValue, readHeaderSection } from './header-section.ts'
import type { Message } from './message.ts'

/** What the returned message said of itself; null where it had no such field. */
export interface Returned {
  readonly messageId: string | null
  readonly from: string | null
  readonly to: string | null
  readonly date: string | null
  readonly subject: string | null
  /** The header section alone came back. */
  readonly headersOnly: boolean
}

/** RFC 3462 §2 and RFC 6533 §6: the whole message, or its header section. */
const wholeTypes = ['message/rfc822', 'message/global']
const headerTypes = ['text/rfc822-headers', 'message/global-headers', 'message/headers']

/** The octets of the first returned message or header section among the parts, or null. */
export function returnedContent(
  message: Message,
): { readonly content: Uint8Array; readonly headersOnly: boolean } | null {
  for (const types of [wholeTypes, headerTypes]) {
    const part = message.parts.find(
      ({ type, content }) => types.includes(type) && content.length > 0,
    )
    if (part) return { content: part.content, headersOnly: types === headerTypes }
  }
  return null
}

/** Reads the returned message's own fields; null when nothing readable is returned. Never throws. */
export function readReturned(message: Message): Returned | null {
  const found = returnedContent(message)
  if (found === null) return null
  const header = readHeaderSection(found.content)
  if (header.fields.length === 0) return null
  const value = (name: string): string | null => firstValue(header, name) ?? null
  return {
    messageId: value('message-id'),
    from: value('from'),
    to: allValues(header, 'to').join(', ') || null,
    date: value('date'),
    subject: value('subject'),
    headersOnly: found.headersOnly,
  }
}
