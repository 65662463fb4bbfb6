// What anyone may see of the messages of one kind. Pure. Nothing in it depends on one trap alone.
import { generators } from '../classify/classify.ts'
import type { BackscatterKind } from '../classify/kinds.ts'
import type { DetailedHit } from '../store/evidence.ts'
import type { CountClass, PublicEvidence } from './types.ts'

const maxHours = 5
const hourSeconds = 3600

/** Undefined if the hits came from fewer than `minTraps` traps. */
export function evidenceOf(
  kind: BackscatterKind,
  hits: readonly DetailedHit[],
  minTraps: number,
  holdsTrapPart: (text: string) => boolean,
): PublicEvidence | undefined {
  const traps = trapsOf(hits).size
  if (traps < minTraps) return undefined
  const certain = hits.filter(({ certainty }) => certainty === 'certain')
  const shown = shownFields.flatMap(({ name, isForm }) => {
    const value = sharedValue(hits, name)
    return value !== undefined && isForm(value) && !holdsTrapPart(value) ? [[name, value]] : []
  })
  return {
    kind,
    certainty: trapsOf(certain).size >= minTraps ? 'certain' : 'likely',
    messages: classOf(messagesOf(hits, minTraps)),
    traps: classOf(traps),
    hours: hoursOf(hits, minTraps),
    ...Object.fromEntries(shown),
  }
}

/** A trap counts for no more messages than the busiest traps have in common. Otherwise the class could tell of one trap. */
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

/** The newest hours in which enough traps were hit. A sender could try one address in each hour. */
function hoursOf(hits: readonly DetailedHit[], minTraps: number): number[] {
  const byHour = Map.groupBy(hits, ({ seenAt }) => roundDown(seenAt, hourSeconds))
  return [...byHour]
    .filter(([, each]) => trapsOf(each).size >= minTraps)
    .map(([hour]) => hour)
    .sort((a, b) => b - a)
    .slice(0, maxHours)
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

/** The value that all hits have. Of several values, one that shows would tell for which addresses the sender used it. */
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
