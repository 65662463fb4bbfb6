// Exemptions, exclusions and traps that people add and take back. Runs inside a transaction.
import { formatPrefix, type Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { ExceptionTable } from '../store/exceptions.ts'
import { audit, type Context } from './context.ts'
import { parseTrapPattern } from './traps.ts'
import {
  type Actor,
  type ExceptionKind,
  type ExceptionOutcome,
  exceptionOf,
  type TrapOutcome,
} from './types.ts'

const words = {
  exemption: { add: 'exempt', remove: 'unexempt', is: 'exempt' },
  exclusion: { add: 'exclude', remove: 'include', is: 'excluded' },
} as const

/** Adds an exception of any prefix length by hand. If the prefix has one by hand already, a given note replaces its note. */
export function addException(
  context: Context,
  kind: ExceptionKind,
  prefix: Prefix,
  givenNote: string | null,
  actor: Actor,
): ExceptionOutcome {
  const note = givenNote || null
  const table = tableOf(context.store, kind)
  const row = table.at(prefix).find(({ source }) => source === 'manual')
  if (row && (note === null || note === row.note)) {
    return { outcome: 'unchanged', exception: exceptionOf(row) }
  }
  if (row) table.setNote(row.id, note)
  const added = row
    ? { ...row, note }
    : table.insert({ prefix, source: 'manual', note, createdAt: context.now })
  const exception = exceptionOf(added)
  const before = row ? exceptionOf(row) : null
  audit(context, actor, words[kind].add, exception.prefix, before, exception)
  return { outcome: row ? 'unchanged' : 'added', exception }
}

/** Removes an exception of exactly this prefix. Refuses with 'conflict' if it comes from the configuration. */
export function removeException(
  context: Context,
  kind: ExceptionKind,
  prefix: Prefix,
  actor: Actor,
): ExceptionOutcome {
  const table = tableOf(context.store, kind)
  const { is } = words[kind]
  const rows = table.at(prefix)
  const row = rows.find(({ source }) => source === 'manual')
  if (rows.some(({ source }) => source === 'config')) {
    return { refused: 'conflict', why: `is ${is} in the configuration: change it there` }
  }
  if (!row) {
    const wider = table.covering(prefix)
    if (!wider) return { refused: 'not-listed', why: `is not ${is}` }
    const why = `is not ${is} by itself, but it lies within ${formatPrefix(wider.prefix)}`
    return { refused: 'covered', why }
  }
  table.delete(row)
  const exception = exceptionOf(row)
  audit(context, actor, words[kind].remove, exception.prefix, exception, null)
  return { outcome: 'removed', exception }
}

export function tableOf(store: Store, kind: ExceptionKind): ExceptionTable {
  return kind === 'exemption' ? store.exemptions : store.exclusions
}

/** Adds a spam-trap pattern by hand. Refuses with 'invalid' if the text is no pattern. */
export function addTrap(context: Context, text: string, actor: Actor): TrapOutcome {
  const parsed = parseTrapPattern(text)
  if ('why' in parsed) return { refused: 'invalid', why: parsed.why }
  const pattern = parsed.value.text
  const { traps } = context.store
  const [row] = traps.of(pattern)
  if (row) return { outcome: 'unchanged', trap: row }
  const trap = traps.insert({ pattern, source: 'manual', createdAt: context.now })
  audit(context, actor, 'trap-add', pattern, null, trap)
  return { outcome: 'added', trap }
}

/** Removes a pattern that was added by hand. Refuses with 'conflict' if it comes from the configuration. */
export function removeTrap(context: Context, text: string, actor: Actor): TrapOutcome {
  const parsed = parseTrapPattern(text)
  if ('why' in parsed) return { refused: 'invalid', why: parsed.why }
  const pattern = parsed.value.text
  const { traps } = context.store
  const [row] = traps.of(pattern)
  if (!row) return { refused: 'not-listed', why: 'is not a trap' }
  if (row.source === 'config') {
    return { refused: 'conflict', why: 'is a trap in the configuration: change it there' }
  }
  traps.delete(row.id)
  audit(context, actor, 'trap-remove', pattern, row, null)
  return { outcome: 'removed', trap: row }
}
