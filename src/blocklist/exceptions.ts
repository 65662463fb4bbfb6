// Exempting and excluding prefixes by hand. Called by the door, inside a transaction.
import { formatPrefix, type Prefix, sameAddress } from '../ip/address.ts'
import type { ExceptionTable } from '../store/exceptions.ts'
import { audit, type Context } from './context.ts'
import { type Actor, type ExceptionKind, type ExceptionOutcome, exceptionOf } from './types.ts'

const words = {
  exemption: { add: 'exempt', remove: 'unexempt', is: 'exempt' },
  exclusion: { add: 'exclude', remove: 'include', is: 'excluded' },
} as const

/** Adds a row by hand, at any length. One that is there already is left, but for a new note. */
export function addException(
  context: Context,
  kind: ExceptionKind,
  prefix: Prefix,
  note: string | null,
  actor: Actor,
): ExceptionOutcome {
  const table = tableOf(context, kind)
  const row = table.at(prefix).find(({ source }) => source === 'manual')
  if (row && (note === null || note === row.note)) {
    return { outcome: 'unchanged', exception: exceptionOf(row) }
  }
  const added = row ? { ...row, note } : insert(table, prefix, note, context.now)
  if (row) table.setNote(row.id, note)
  const exception = exceptionOf(added)
  audit(context, actor.name, words[kind].add, exception.prefix, {
    before: row ? exceptionOf(row) : null,
    after: exception,
  })
  return { outcome: row ? 'unchanged' : 'added', exception }
}

/** Takes back what was added by hand at exactly this prefix; what the configuration says stays. */
export function removeException(
  context: Context,
  kind: ExceptionKind,
  prefix: Prefix,
  actor: Actor,
): ExceptionOutcome {
  const table = tableOf(context, kind)
  const { is } = words[kind]
  const rows = table.at(prefix)
  const row = rows.find(({ source }) => source === 'manual')
  if (rows.some(({ source }) => source === 'config')) {
    return { refused: 'conflict', why: `is ${is} by the configuration: change it there` }
  }
  if (!row) {
    const wider = table.covering(prefix)
    if (!wider || (wider.prefix.length === prefix.length && sameAddress(wider.prefix, prefix))) {
      return { refused: 'not-listed', why: `is not ${is}` }
    }
    const why = `is not ${is} by itself but within ${formatPrefix(wider.prefix)}`
    return { refused: 'covered', why }
  }
  table.delete(row)
  const exception = exceptionOf(row)
  audit(context, actor.name, words[kind].remove, exception.prefix, {
    before: exception,
    after: null,
  })
  return { outcome: 'removed', exception }
}

export function tableOf({ store }: Pick<Context, 'store'>, kind: ExceptionKind): ExceptionTable {
  return kind === 'exemption' ? store.exemptions : store.exclusions
}

function insert(table: ExceptionTable, prefix: Prefix, note: string | null, createdAt: number) {
  const row = { prefix, source: 'manual', note, createdAt } as const
  return { ...row, id: table.insert(row) }
}
