// What an automatic reply says: the titles that programs give it, and the words of people who are away. The phrases are in
// data/phrases/auto-reply.
import { firstValue } from '../mail/header.ts'
import { decodedValue } from '../mail/message.ts'
import { phraseIsIn, phrasesOf } from './phrases.ts'
import type { Seen } from './seen.ts'

const tables = {
  automatic: phrasesOf('auto-reply', 'automatic'),
  title: ['title', 'automatic'].flatMap((statement) => phrasesOf('auto-reply', statement)),
  away: phrasesOf('auto-reply', 'away'),
  closed: phrasesOf('auto-reply', 'closed'),
  received: phrasesOf('auto-reply', 'received'),
  later: phrasesOf('auto-reply', 'later'),
  receipt: phrasesOf('mdn', 'title'),
}

/** Whether the folded words have a phrase of the statement. */
export function says(words: string, statement: keyof typeof tables): boolean {
  return phraseIsIn(words, tables[statement])
}

/** Whether the message says that its writer is away. */
export function saysAway({ body }: Seen): boolean {
  return says(body.words, 'away')
}

/** Whether the subject begins with a program's title of the table, set off from the subject that it answers. */
export function hasTitle({ subject }: Seen, table: 'title' | 'receipt'): boolean {
  const title = subject.folded.replace(/^[[(*"【]{1,3}/, '')
  return tables[table].some((phrase) => {
    if (!title.startsWith(phrase)) return false
    return (
      phrase.endsWith(':') ||
      /^($|[^\p{L}\p{N} ]| [^\p{L}\p{N}]| re:)/u.test(title.slice(phrase.length))
    )
  })
}

/**
 * Whether Exchange put a title before the subject that it answers, which Thread-Topic repeats (MS-OXCMAIL, PidTagConversationTopic).
 * It does so in each language.
 */
export function hasTopicTitle({ message, subject }: Seen): boolean {
  const topic = decodedValue(message.header, 'thread-topic')
  if (topic === '' || subject.isAnswer || !message.subject.endsWith(topic)) return false
  return /^\p{L}[\p{L}' -]{6,40}\s?[:：] $/u.test(message.subject.slice(0, -topic.length))
}

/** Whether it has the Precedence of vacation programs and formail. Bulk mail has another one, "bulk". */
export function hasReplyPrecedence({ message }: Seen): boolean {
  return /^(junk|auto)/i.test(firstValue(message.header, 'precedence') ?? '')
}
