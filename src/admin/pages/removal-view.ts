// What became of a request to be removed → what the page says: what happened, and what happens next and when.
import { isRefusal, type Refusal, type RemovalAnswer } from '../../blocklist/types.ts'
import { type LookupOptions, shownTime, wholeMinutes } from './lookup-view.ts'
import { removalConditions } from './policy-page.ts'
import { type Language, type TextKey, translator } from './texts.ts'

interface RemovalView {
  readonly title: string
  /** How it ended for the one who asked. */
  readonly mood: 'good' | 'warn' | 'bad'
  readonly texts: readonly string[]
  readonly asksOperator: boolean
}

export function removalView(
  address: string,
  answer: RemovalAnswer | Refusal,
  { ttlSeconds, policy }: Pick<LookupOptions, 'ttlSeconds' | 'policy'>,
  language: Language,
): RemovalView {
  const t = translator(language)
  /** The text with the time from which on the rules allow the removal, or nothing if they never do. */
  const later = (key: TextKey, at: number | null | undefined): string[] =>
    at == null ? [] : [t(key, { date: shownTime(at, language, 'hour').text })]
  if (isRefusal(answer)) {
    if (answer.refused === 'not-listed') {
      const title = t('lookup.unlisted', { address })
      return { title, mood: 'good', texts: [t('removal.unlisted')], asksOperator: false }
    }
    const texts =
      answer.refused === 'conflict'
        ? [t('removal.refused.text'), ...later('removal.refused.at', answer.askAgainAt)]
        : [t('why.operator')]
    return { title: t('removal.refused', { address }), mood: 'bad', texts, asksOperator: true }
  }
  if (answer.state === 'queued') {
    const { unmet, askAgainAt } = answer
    const texts =
      policy === undefined || unmet.length === 0
        ? [t('removal.queued.operator')]
        : [
            t('removal.queued.rules', {
              conditions: removalConditions(policy.removal, unmet, language),
            }),
            t('removal.queued.text'),
            ...later('removal.queued.at', askAgainAt),
          ]
    return { title: t('removal.queued', { address }), mood: 'warn', texts, asksOperator: false }
  }
  const next = answer.listed
    ? t('removal.done.still', { address })
    : t('removal.done.next', { minutes: wholeMinutes(ttlSeconds, language) })
  return {
    title: answer.listed ? t('removal.refused', { address }) : t('removal.done', { address }),
    mood: answer.listed ? 'warn' : 'good',
    texts: [next, t('removal.done.again')],
    asksOperator: answer.listed,
  }
}
