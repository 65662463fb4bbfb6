// Says in words which messages would list a network.
import { formatDuration, formatTimestamp } from '../quantity.ts'
import type { KindCount, NextStep } from './explain-fold.ts'
import { type PolicyOptions, termOf } from './policy.ts'

/**
 * Says what would list the network: "one more certain dsn that returns another message, to any trap, before …, would list it
 * until … (episode 1, term 7d)". The end is that of messages that come now.
 */
export function formatNext(
  { kind, messages: have, traps, windowSeconds, next }: KindCount,
  policy: PolicyOptions,
): string {
  const { effect, messages, otherReturned, otherTraps, needsCertain, before, offender } = next
  const isOne = messages === 1
  const count = `${isOne ? 'one' : messages}${have > 0 || effect === 'extends' ? ' more' : ''}`
  const sent = `${count}${needsCertain && isOne ? ' certain' : ''} ${kind}`
  const certain = needsCertain && !isOne ? ', one of them certain' : ''
  const returned = formatReturned(have, otherReturned, isOne)
  const to = formatTraps(traps, otherTraps, isOne)
  const within = isOne ? '' : `, within ${formatDuration(windowSeconds)}`
  const time = before === null ? within : `, before ${formatTimestamp(before)}`
  const does = `${effectWords[effect]} until ${formatTimestamp(offender.endsAt)}`
  const term = formatDuration(termOf(offender.episode, policy))
  return `${sent}${certain}${returned}, ${to}${time}, ${does} (episode ${offender.episode}, term ${term})`
}

const effectWords: Readonly<Record<NextStep['effect'], string>> = {
  lists: 'would list it',
  joins: 'would join the listing and keep it',
  extends: 'would keep it listed',
}

/** Which messages they return, if `have` different ones count already. */
function formatReturned(have: number, others: number, isOne: boolean): string {
  if (others === 0 || (have === 0 && isOne)) return ''
  if (have === 0) return `, returning ${others} different messages`
  if (isOne) return ' that returns another message'
  return others === 1
    ? ', one of them returning another message'
    : `, returning ${others} other messages`
}

/** Which traps they go to, if messages to `have` traps count already. */
function formatTraps(have: number, others: number, isOne: boolean): string {
  if (others === 0 || (have === 0 && others === 1)) return 'to any trap'
  if (have === 0) return `to ${others} different traps`
  if (others > 1) return `to ${others} other traps`
  return isOne ? 'to another trap' : 'at least one to another trap'
}
