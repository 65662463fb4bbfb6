// The shape of a fact.
import type { Seen } from './seen.ts'

/**
 * Facts by name. A fact states one thing about a message: true or false, or which one of several (a system's name), else null.
 * Facts are pure. They never throw, and they answer for every message.
 */
export type FactTable = Readonly<Record<string, (seen: Seen) => boolean | string | null>>
