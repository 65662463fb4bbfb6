// What an automatic reply says: the titles that programs give it, and the words of people who are away. The phrases are in
// data/phrases/auto-reply.
import { firstValue } from '../mail/header.ts'
import { phraseIn, phrasesOf } from './phrases.ts'
import type { Seen } from './seen.ts'

/** What a row of data/phrases/auto-reply or mdn can state. */
const load = (kind: string, statement: string) =>
  phrasesOf(kind, statement).map((phrase) => phrase.split(' … '))

const tables = {
  automatic: load('auto-reply', 'automatic'),
  title: [...load('auto-reply', 'title'), ...load('auto-reply', 'automatic')],
  absent: load('auto-reply', 'absent'),
  away: load('auto-reply', 'away'),
  closed: load('auto-reply', 'closed'),
  received: load('auto-reply', 'received'),
  later: load('auto-reply', 'later'),
  receipt: load('mdn', 'title'),
}

/** At most so many characters stand between two pieces of a phrase. */
const maxGap = 60

/** Whether the folded words have a phrase of the statement. */
export function says(words: string, statement: keyof typeof tables): boolean {
  return tables[statement].some(([first = '', second]) => {
    if (phraseIn(words, [first]) === undefined) return false
    if (second === undefined) return true
    const end = words.indexOf(first) + first.length
    return words.slice(end, end + maxGap + second.length).includes(second)
  })
}

/** Whether the message says that its writer is away. */
export function saysAway({ body }: Seen): boolean {
  return says(body.words, 'away')
}

/** Whether the subject begins with a program's title of the table, set off from the subject that it answers. */
export function hasTitle({ subject }: Seen, table: 'title' | 'receipt'): boolean {
  const title = subject.folded.replace(/^[[(*"【]{1,3}/, '')
  return tables[table].some(([phrase = '']) => {
    if (!title.startsWith(phrase)) return false
    return (
      phrase.endsWith(':') ||
      /^($|[^\p{L}\p{N} ]| [^\p{L}\p{N}]| re:)/u.test(title.slice(phrase.length))
    )
  })
}

/**
 * Whether Exchange put a title before the subject that it answers: that subject is also in Thread-Topic (MS-OXCMAIL §2.2.3.2.8).
 * Exchange does so in each language.
 */
export function hasTopicTitle({ message, subject }: Seen): boolean {
  const topic = firstValue(message.header, 'thread-topic') ?? ''
  if (topic === '' || subject.isAnswer) return false
  const at = message.subject.indexOf(topic)
  return at > 0 && /^\p{L}[\p{L}' -]{6,40}\s?[:：] $/u.test(message.subject.slice(0, at))
}

/** Whether it has the Precedence of vacation programs and formail. Bulk mail has another one, "bulk". */
export function hasReplyPrecedence({ message }: Seen): boolean {
  return /^(junk|auto)/i.test(firstValue(message.header, 'precedence') ?? '')
}
