// Converts durations ("28d") and sizes ("1 GiB") between text and numbers. No package fits: the usual ones also accept
// "1.5 hours" or "1 GB", whose meaning is unclear.
import type { Parsed } from './ip/address.ts'

const secondsIn: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
const bytesIn: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** A hundred years: a longer duration is surely a typing error. */
const maxSeconds = 36_525 * 86_400

/** Converts "90s", "5m", "1h", "28d", "2w" or several in a row ("1h30m") to whole seconds. */
export function parseDuration(text: string): Parsed<number> {
  const expected = 'expected a duration such as "90s", "1h" or "28d"'
  if (!/^(\d+[smhdw])+$/.test(text)) return { why: expected }
  let seconds = 0
  for (const part of text.split(/(?<=[smhdw])/)) {
    seconds += Number(part.slice(0, -1)) * (secondsIn[part.slice(-1)] ?? 0)
  }
  return seconds <= maxSeconds ? { value: seconds } : { why: 'longer than a hundred years' }
}

/** Formats seconds in the largest unit (d, h, m, s) that needs no fraction: 2419200 → "28d", 90 → "90s". */
export function formatDuration(seconds: number): string {
  for (const unit of ['d', 'h', 'm']) {
    const size = secondsIn[unit] ?? 1
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`
  }
  return `${seconds}s`
}

/** Converts "64 MiB", "1 GiB", "512 KiB" or "1000 B" to octets. */
export function parseSize(text: string): Parsed<number> {
  const match = /^(\d+) ?(B|KiB|MiB|GiB)$/.exec(text)
  if (match === null) return { why: 'expected a size such as "64 MiB" or "1 GiB"' }
  const bytes = Number(match[1]) * (bytesIn[match[2] ?? ''] ?? 0)
  return Number.isSafeInteger(bytes) ? { value: bytes } : { why: 'too large' }
}

/** Formats octets in the largest unit that needs no fraction: 1073741824 → "1 GiB". */
export function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = bytesIn[unit] ?? 1
    if (bytes >= size && bytes % size === 0) return `${bytes / size} ${unit}`
  }
  return `${bytes} B`
}

/** Formats octets in the largest unit below them, with one decimal: 1610612736 → "1.5 GiB". */
export function roughSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = bytesIn[unit] ?? 1
    if (bytes >= size) return `${Math.round((bytes / size) * 10) / 10} ${unit}`
  }
  return `${bytes} B`
}

/** What the wall clock says, in whole epoch seconds. */
export function wallClockSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** Formats epoch seconds as RFC 3339 in UTC: "2026-07-01T10:00:00Z". */
export function formatTimestamp(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace('.000Z', 'Z')
}

/** RFC 3339 in UTC → "2026-07-01 10:00:00 UTC", for people. */
export function formatTime(rfc3339: string): string {
  return `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 19)} UTC`
}

/** Formats each time in a sentence. */
export function formatTimesIn(sentence: string): string {
  return sentence.replaceAll(/\d{4}-\d\d-\d\dT[\d:]{8}Z/g, formatTime)
}

/** A count and its noun: 1 → "1 trap", 2 → "2 traps". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
