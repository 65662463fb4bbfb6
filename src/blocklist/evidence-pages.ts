// Pages of evidence for the operator, the newest first. A page is read in steps, and other work runs between them.
import { setImmediate } from 'node:timers/promises'
import type { Store } from '../store/database.ts'
import type { EvidenceRow } from '../store/evidence.ts'
import type { EvidenceWalkFilter } from '../store/evidence-walk.ts'
import { readIdCursor, unknownCursor } from './pages.ts'
import { parseTrapSelection } from './traps.ts'
import type { Page, PageRequest, Refusal } from './types.ts'

/** Selects evidence by all members that are there. */
export interface EvidenceFilter extends EvidenceWalkFilter {
  /** A trap pattern or a trap address. */
  readonly trap?: string | undefined
}

/** At most this many steps are made for one page, so that it takes a fraction of a second. */
const maxSteps = 50

/**
 * A page of evidence in the order in which it was recorded, the newest first. Since few rows may match the filter, a page may
 * have fewer items than `limit`, or none, and still have a next page.
 */
export async function evidencePage(
  store: Store,
  { trap, ...filter }: EvidenceFilter,
  { cursor, limit }: PageRequest,
): Promise<Page<EvidenceRow> | Refusal> {
  const before = cursor === undefined ? undefined : readIdCursor(cursor)
  if (cursor !== undefined && before === undefined) return unknownCursor
  const selection = trap === undefined ? undefined : parseTrapSelection(trap)
  if (selection && 'why' in selection) return { refused: 'invalid', why: selection.why }
  const items: EvidenceRow[] = []
  let steps = 0
  for (const { found, last } of store.evidenceWalk.rows(filter, before)) {
    for (const { id, recipient } of found) {
      if (selection && !selection.value.includes(recipient)) continue
      if (items.length === limit) return { items, nextCursor: String(items.at(-1)?.id) }
      const row = store.evidence.byId(id)
      if (row) items.push(row)
    }
    steps += 1
    if (steps === maxSteps) return { items, nextCursor: String(last) }
    await setImmediate()
  }
  return { items, nextCursor: null }
}
