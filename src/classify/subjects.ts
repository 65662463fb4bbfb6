// A Subject → what kind of title it is: a bounce's, an automatic reply's and so on. A subject alone decides nothing: spam and
// people use these words too.
import { fold, hasPhrase } from './phrases.ts'

/** The prefix of a person's answer or forward: `Re:`, `Fwd:`, `AW:`, `WG:`, `Rif:`, `Odp:`, `Vs:`, `答复:` … */
const answerPrefix =
  /^\s*(\[[^\]]{0,60}\]\s*)?(re|r|fwd?|fw|aw|wg|antw|tr|rv|res|enc|rif|odp|pd|vs|vb|sv|ynt|ilt|отв|на|отправлено|答复|回复|回覆|转发|轉寄)(\[\d+\])?\s?[:：]/i

export interface SubjectFamilies {
  readonly folded: string
  /** The folded title without text in quotation marks. */
  readonly own: string
  /** The title is a bounce's or a delay notice's, perhaps in words that others use too. */
  readonly isBounce: boolean
  /** The title has words that are seldom used for anything but mail. */
  readonly isClearBounce: boolean
  /** The title is that of an answer or a forward. */
  readonly isAnswer: boolean
}

/** Removes text in quotation marks: that is another title, such as the topic that a forum names. */
function withoutQuotations(folded: string): string {
  return folded.replace(/"[^"]{0,500}"|“[^“”]{0,500}”|«[^«»]{0,500}»|„[^„“”]{0,500}[“”]/g, ' ')
}

export function subjectFamilies(subject: string): SubjectFamilies {
  const text = subject.slice(0, 500)
  const folded = fold(text)
  const own = withoutQuotations(folded)
  const isClearBounce = hasPhrase(own, 'dsn', 'title')
  return {
    folded,
    own,
    isBounce: isClearBounce || hasPhrase(own, 'dsn', 'vague-title'),
    isClearBounce,
    isAnswer: answerPrefix.test(text),
  }
}
