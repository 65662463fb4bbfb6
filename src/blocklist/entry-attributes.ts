// What several entries of one prefix come to. Called by import.ts and export.ts.
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
