// What anyone may see of the messages of one kind. Pure. A trap of which something else is known than of every other trap leaves no
// mark in it: a sender may do something different for each address, and what is missing would tell as much as what is there.
import { generators } from '../classify/classify.ts'
import type { BackscatterKind } from '../classify/kinds.ts'
import type { DetailedHit } from '../store/evidence.ts'
import type { CountClass, PublicEvidence } from './types.ts'

const maxHours = 5
const hourSeconds = 3600

/**
 * The hits that look like those of other traps: of at least `minTraps` traps, with the same fields and certainty, in the same hour.
 * The others do not count.
 */
export function alikeHits(hits: readonly DetailedHit[], minTraps: number): DetailedHit[] {
  const cells = Map.groupBy(hits, (hit) =>
    JSON.stringify([
      roundDown(hit.seenAt, hourSeconds),
      hit.certainty,
      ...shownFields.map(({ name }) => hit.details[name] ?? null),
    ]),
  )
  return [...cells.values()].filter((cell) => trapsOf(cell).size >= minTraps).flat()
}

/** What may be seen of hits that `alikeHits` chose. Undefined if there are none. */
export function evidenceOf(
  kind: BackscatterKind,
  hits: readonly DetailedHit[],
  minTraps: number,
  holdsTrapPart: (text: string) => boolean,
): PublicEvidence | undefined {
  if (hits.length === 0) return undefined
  const shown = shownFields.flatMap(({ name, isForm }) => {
    const value = sharedValue(hits, name)
    return value !== undefined && isForm(value) && !holdsTrapPart(value) ? [[name, value]] : []
  })
  const hours = new Set(hits.map(({ seenAt }) => roundDown(seenAt, hourSeconds)))
  return {
    kind,
    certainty: hits.some(({ certainty }) => certainty === 'certain') ? 'certain' : 'likely',
    messages: classOf(messagesOf(hits, minTraps)),
    traps: classOf(trapsOf(hits).size),
    hours: [...hours].sort((a, b) => b - a).slice(0, maxHours),
    ...Object.fromEntries(shown),
  }
}

/** A trap counts for no more messages than the `minTraps` busiest ones have each. Else one trap alone could decide the class. */
function messagesOf(hits: readonly DetailedHit[], minTraps: number): number {
  const counts = [...Map.groupBy(hits, ({ recipient }) => recipient).values()]
    .map(({ length }) => length)
    .sort((a, b) => b - a)
  const most = counts[minTraps - 1] ?? 0
  return counts.reduce((sum, count) => sum + Math.min(count, most), 0)
}

function classOf(count: number): CountClass {
  if (count >= 10) return '10 and more'
  return count >= 3 ? '3–9' : '1–2'
}

/** The details that may be shown, and the only form in which they are: never a free text. */
const shownFields = [
  { name: 'helo', isForm: isHostName },
  { name: 'reportingMta', isForm: isHostName },
  { name: 'generator', isForm: (text: string) => generators.has(text) },
  { name: 'status', isForm: (text: string) => /^[245]\.\d{1,3}\.\d{1,3}$/.test(text) },
] as const

function isHostName(text: string): boolean {
  return /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){1,10}\.?$/i.test(text)
}

/** The value that all hits have. */
function sharedValue(
  hits: readonly DetailedHit[],
  name: (typeof shownFields)[number]['name'],
): string | undefined {
  const [value, ...others] = new Set(hits.map(({ details }) => details[name]))
  return others.length === 0 ? value : undefined
}

export function trapsOf(hits: readonly DetailedHit[]): Set<string> {
  return new Set(hits.map(({ recipient }) => recipient))
}

export function roundDown(time: number, span: number): number {
  return time - (time % span)
}
