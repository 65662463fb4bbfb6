// Updates the stored rows after a change of the configuration: exemptions, traps, published kinds, and the special-purpose
// ranges that may be listed. Runs inside a transaction.
import { formatPrefix, type Prefix } from '../ip/address.ts'
import { specialPurposeRange, specialRanges } from '../ip/special-purpose.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { placeHost } from './ask-hosts.ts'
import { audit, type Context } from './context.ts'
import { hideEntry, removeRow } from './listings.ts'
import { placeTrapListing } from './trap-listing.ts'
import { parseTrapPattern } from './traps.ts'
import { exceptionOf } from './types.ts'
import { listedIn } from './zone-entry.ts'

const actor = { name: 'config' }

/** Makes the rows of source 'config' match the policy, and ends or changes listings that the policy no longer allows. */
export function applyConfig(context: Context): void {
  applyExemptions(context)
  applyTraps(context)
  placeByKinds(context)
  placeByHosts(context)
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
    audit(context, actor, 'unexempt', text, exceptionOf(row), null)
  }
  for (const [text, { prefix, note }] of wanted) {
    const row = { prefix, source: 'config', note: note || null, createdAt: now } as const
    audit(context, actor, 'exempt', text, null, exceptionOf(store.exemptions.insert(row)))
  }
}

function applyTraps({ store, policy, now }: Context): void {
  const wanted = new Set(policy.traps.map(canonicalPattern))
  for (const row of store.traps.all()) {
    if (row.source === 'config' && !wanted.delete(row.pattern)) store.traps.delete(row.id)
  }
  for (const pattern of wanted) store.traps.insert({ pattern, source: 'config', createdAt: now })
}

function placeByKinds(context: Context): void {
  const { store, publisher } = context
  if (publisher.last?.publishedKinds === publisher.publishedKinds) return
  for (const row of store.listings.misplaced(publisher.publishedKinds)) {
    placeTrapListing(context, actor, row)
  }
}

/** The kept answers of DNS count by the present policy: other pools and whitelists may hide a listing, or none any more. */
function placeByHosts(context: Context): void {
  const { store, policy } = context
  for (const row of store.listings.shadowByHost()) placeTrapListing(context, actor, row)
  for (const host of store.hosts.members(policy)) placeHost(context, actor, host)
}

/** Ends listings that overlap a special-purpose range which `allowSpecial` no longer names. */
function endSpecial(context: Context): void {
  const { store, policy, now } = context
  const { listings, lists } = store
  const isSpecial = (prefix: Prefix): boolean =>
    specialPurposeRange(prefix, policy.allowSpecial) !== undefined
  for (const { prefix: range } of specialRanges) {
    const inside = store.listingWalks.page({ prefix: range }, Number.MAX_SAFE_INTEGER)
    for (const row of [...listings.around(range), ...[...inside].flat()]) {
      if (!isSpecial(row.prefix) || listings.byId(row.id)?.endedAt !== null) continue
      removeRow(context, actor, row)
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
    for (const entry of ending.values()) hideEntry(context, { list, entry })
    // Many entries may end at once, so all of them share one line of the audit. Each still has its row in the history.
    if (ending.size > 0) audit(context, actor, 'delist', name, { entries: ending.size }, null)
  }
}

/** The canonical form of a pattern. The pattern must have passed the checks of the configuration. */
function canonicalPattern(text: string): string {
  const parsed = parseTrapPattern(text)
  if ('why' in parsed) throw new Error(`${text}: ${parsed.why}`)
  return parsed.value.text
}
