// Brings the stored rows into line with the configuration: its exemptions, its traps, the kinds it publishes, the
// special-purpose ranges it allows. Called by the door at the start and when the configuration is read again, inside
// a transaction.
import { formatPrefix, type Prefix } from '../ip/address.ts'
import { specialPurposeRange, specialRanges } from '../ip/special-purpose.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { audit, type Context, remove, removeEntry, shown } from './context.ts'
import { listedIn } from './list-replacement.ts'
import { heldUntil, initialState } from './policy.ts'
import { parseTrapPattern } from './trap-patterns.ts'
import { exceptionOf, listingOf } from './types.ts'

const actor = 'config'

/** Takes the rows of source 'config' to what the policy says, and what is listed to what it allows and publishes. */
export function applyConfig(context: Context): void {
  applyExemptions(context)
  applyTraps(context)
  placeByKinds(context)
  endSpecial(context)
}

function applyExemptions(context: Context): void {
  const { store, policy, now } = context
  const wanted = new Map(policy.exempt.map((each) => [formatPrefix(each.prefix), each]))
  for (const row of store.exemptions.bySource('config')) {
    const text = formatPrefix(row.prefix)
    const same = wanted.get(text)
    wanted.delete(text)
    if (same) {
      if ((same.note || null) !== row.note) store.exemptions.setNote(row.id, same.note || null)
      continue
    }
    store.exemptions.delete(row)
    audit(context, actor, 'unexempt', text, { before: exceptionOf(row), after: null })
  }
  for (const [text, { prefix, note }] of wanted) {
    const row = { prefix, source: actor, note: note || null, createdAt: now } as const
    const id = store.exemptions.insert(row)
    audit(context, actor, 'exempt', text, { before: null, after: exceptionOf({ ...row, id }) })
  }
}

function applyTraps({ store, policy, now }: Context): void {
  const wanted = new Set(policy.traps.map(canonicalPattern))
  for (const row of store.traps.all()) {
    if (row.source === actor && !wanted.delete(row.pattern)) store.traps.delete(row.id)
  }
  for (const pattern of wanted) store.traps.insert({ pattern, source: actor, createdAt: now })
}

function placeByKinds(context: Context): void {
  const { store, publisher, policy, now } = context
  if (publisher.last?.publishedKinds === publisher.publishedKinds) return
  for (const row of store.listings.misplaced(publisher.publishedKinds)) {
    const state = initialState(row.kinds, publisher.publishedKinds, policy)
    const until = state === 'held' ? heldUntil(now, policy) : null
    store.listings.change(row, { ...row, state, heldUntil: until })
    const change = { before: listingOf(row), after: shown(context, row.id) }
    audit(context, actor, 'publish', formatPrefix(row.prefix), change)
  }
}

/** Special-purpose ranges are never listed, so what was listed while `allowSpecial` named one ends when it does not. */
function endSpecial(context: Context): void {
  const { store, policy, now } = context
  const { listings, lists } = store
  const isSpecial = (prefix: Prefix): boolean =>
    specialPurposeRange(prefix, policy.allowSpecial) !== undefined
  for (const { prefix: range } of specialRanges) {
    const around = [...listings.covering(range)].flatMap((prefix) => listings.currentAt(prefix))
    for (const row of [...around, ...listings.currentInside(range)]) {
      if (!isSpecial(row.prefix) || listings.byId(row.id)?.endedAt !== null) continue
      remove(context, row)
      const change = { before: listingOf(row), after: shown(context, row.id) }
      audit(context, actor, 'delist', formatPrefix(row.prefix), change)
    }
  }
  for (const list of lists.all()) {
    const { version, name } = list
    const isListed = listedIn(store, version, now)
    const ending = new Map<string, ListEntry>()
    for (const { prefix: range } of specialRanges) {
      for (const entry of [...lists.covering(version, range), ...lists.inside(version, range)]) {
        if (!isSpecial(entry.prefix) || !isListed(entry)) continue
        ending.set(formatPrefix(entry.prefix), entry)
      }
    }
    for (const entry of ending.values()) removeEntry(context, { list, entry })
    if (ending.size === 0) continue
    // They may be many, and each has a row of its own in the history.
    const change = { before: { entries: ending.size }, after: null }
    audit(context, actor, 'delist', name, change)
  }
}

/** A pattern that the configuration's own validation has already read once. */
function canonicalPattern(text: string): string {
  const parsed = parseTrapPattern(text)
  if ('why' in parsed) throw new Error(`${text}: ${parsed.why}`)
  return parsed.value.text
}
