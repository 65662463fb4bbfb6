// What an entry of a list has beside its prefix, of one and of several. Called by the files that import, export and answer
// lists.
import type { EntryAttributes } from '../store/generations.ts'

/** Kinds of both, the first reason there is, the later end. */
export function joined(a: EntryAttributes, b: EntryAttributes): EntryAttributes {
  const isForEver = a.expiresAt === null || b.expiresAt === null
  return {
    kinds: a.kinds | b.kinds,
    reason: a.reason ?? b.reason,
    expiresAt: isForEver ? null : Math.max(a.expiresAt ?? 0, b.expiresAt ?? 0),
  }
}

export function sameAttributes(a: EntryAttributes, b: EntryAttributes): boolean {
  return a.kinds === b.kinds && a.reason === b.reason && a.expiresAt === b.expiresAt
}

/** Whether its time is over: it is as if the list did not have it. */
export function isOver({ expiresAt }: EntryAttributes, now: number): boolean {
  return expiresAt !== null && expiresAt <= now
}
