// Whether the door says what the naive list says: DNS over the tree, the look-ups, and exports. While a list is on its way,
// or something is over that expire() has not come to, each prefix has its old state or its new one.
import assert from 'node:assert/strict'
import { noEntry } from '../../../src/blocklist/zone-entry.ts'
import { type Address, formatAddress, formatPrefix, type Prefix } from '../../../src/ip/address.ts'
import { entryKinds } from '../../../src/tree/layout.ts'
import { type Door, day } from '../../support/door.ts'
import { maskOf } from './naive-judge.ts'
import type { NaiveList } from './naive-list.ts'
import {
  answerAt,
  type Exported,
  entryAt,
  entryCount,
  exportedWhole,
  isLive,
  isOfTests,
  listedAt,
  never,
  type Shown,
} from './naive-zone.ts'

/** What to look at. */
export interface Places {
  readonly prefixes: readonly Prefix[]
  /** Asked over DNS. */
  readonly probes: readonly Address[]
  /** Looked up. */
  readonly lookups: readonly Address[]
  /** Exported, and all of it with them; none: no exports. */
  readonly lists: readonly string[]
}

/** Everything, where the naive list knows exactly what DNS has; else as `agreeMeanwhile`. */
export function agree(door: Door, naive: NaiveList, places: Places): void {
  if (!naive.isExact()) {
    agreeMeanwhile(door, naive, places)
    return
  }
  const world = naive.world()
  for (const at of places.prefixes) {
    assert.equal(entryInTree(door, at), entryAt(world, at), `in the tree at ${formatPrefix(at)}`)
  }
  for (const probe of places.probes) {
    assert.deepEqual(door.codes(probe), answerAt(world, probe).codes, formatAddress(probe))
  }
  for (const probe of places.lookups) agreeAt(door, naive, probe)
  const { ipv4, ipv6 } = door.blocklist.status().entries
  assert.deepEqual([ipv4, ipv6], [entryCount(world, 4), entryCount(world, 6)], 'entries counted')
  for (const list of places.lists) {
    const entries = naive.entriesOf(list)?.filter((entry) => isLive(entry, naive.now))
    const exported = door.blocklist.export(list)
    if (!exported) {
      assert.equal(entries, undefined, `there is no list ${list}`)
      continue
    }
    const pages = [...exported.pages].flat()
    assert.deepEqual(
      pages.map(({ prefix, attributes }) => [
        formatPrefix(prefix),
        attributes.kinds,
        attributes.reason,
        attributes.expiresAt ?? never,
      ]),
      (entries ?? []).map(({ prefix, kinds, reason, expiresAt }) => [
        formatPrefix(prefix),
        kinds,
        reason,
        expiresAt,
      ]),
      `list ${list} exported`,
    )
  }
  if (!naive.isRetired && places.lists.length > 0)
    assert.deepEqual(exported(door), sorted(exportedWhole(world)), 'exported')
}

/** Each prefix has one of the states that it may have by now, and look-ups say what DNS says. */
export function agreeMeanwhile(door: Door, naive: NaiveList, { lookups, prefixes }: Places): void {
  const worlds = naive.worlds()
  for (const at of prefixes) {
    const states = new Set(worlds.map((world) => entryAt(world, at)))
    const state = entryInTree(door, at)
    assert.ok(states.has(state), `${formatPrefix(at)}: ${state}, not of ${[...states].join(' | ')}`)
  }
  for (const probe of lookups) lookUpSaysWhatDnsSays(door, probe)
}

function lookUpSaysWhatDnsSays({ blocklist, codes: codesAt }: Door, probe: Address) {
  const at = formatAddress(probe)
  const codes = codesAt(probe).map((code) => `127.0.0.${code}`)
  const explained = blocklist.explain(probe)
  assert.deepEqual(explained.codes, codes, `explain's codes for ${at}`)
  assert.equal(explained.listed, codes.length > 0)
  const found = blocklist.find(probe)
  assert.deepEqual(found.codes, codes, `find's codes for ${at}`)
  assert.equal(found.listed, codes.length > 0)
  return { explained, found }
}

function agreeAt(door: Door, naive: NaiveList, probe: Address): void {
  const world = naive.world()
  const at = formatAddress(probe)
  const { codes, decidedBy, isTestEntry, isExempt } = answerAt(world, probe)
  const { explained, found } = lookUpSaysWhatDnsSays(door, probe)
  assert.deepEqual(
    explained.listings.map(shownListing).sort(),
    naive.standingAround(probe).map(shown).sort(),
    `what holds at ${at}`,
  )
  const ended = naive.endedAround(probe)
  if (ended.length <= 20) {
    assert.deepEqual(explained.history.map(shownListing).sort(), ended.map(shown).sort(), at)
  }
  if (naive.isRetired) return
  assert.equal(explained.isTestEntry, isTestEntry)
  assert.equal(explained.decidedBy, decidedBy && formatPrefix(decidedBy), `who decides at ${at}`)
  assert.equal(explained.state === 'exempt', isExempt, `${at} is ${explained.state}`)
  assert.equal(explained.state === 'listed', explained.listed, `${at} is ${explained.state}`)
  const isListed = decidedBy !== null && codes.length > 0 && !isTestEntry
  const answered = isListed ? listedAt(world, decidedBy) : []
  const since = isListed ? Math.min(...answered.map((each) => each.createdAt)) : null
  const until = Math.max(...answered.map((each) => each.expiresAt))
  assert.equal(explained.since, since, at)
  assert.equal(explained.until, isListed && until !== never ? until : null, at)
  if (isListed && answered.every(({ origin }) => origin !== 'trap')) {
    assert.equal(found.since, (since ?? 0) - ((since ?? 0) % day), at)
  }
}

function shown({ prefix, state, origin, list, kinds, reason, createdAt, expiresAt }: Shown) {
  const until = expiresAt === never ? null : expiresAt
  return [formatPrefix(prefix), state, origin, list, kinds, reason, createdAt, until].join(' ')
}

function shownListing(each: ReturnType<Door['blocklist']['explain']>['listings'][number]): string {
  const { prefix, state, origin, list, kinds, reason, createdAt, expiresAt } = each
  return [prefix, state, origin, list, maskOf(kinds), reason, createdAt, expiresAt].join(' ')
}

/** What is in the tree at exactly this prefix, in the naive list's words. */
export function entryInTree({ tree, reader }: Door, prefix: Prefix): string {
  const { family, w0, w1, w2, w3, length } = prefix
  const entry = tree.get(family, w0, w1, w2, w3, length)
  if (entry === undefined) return ''
  if (entry.kind === entryKinds.exemption) return 'exempt'
  if (entry.kind === entryKinds.exclusion) return 'excluded'
  reader.enter()
  const codes = reader.answerCodes(entry.answer)
  reader.leave()
  return `listed ${codes >>> 3}`
}

function exported({ blocklist }: Door): Exported[] {
  const found = blocklist.export(undefined)
  assert.ok(found)
  const all = [...found.pages].flat().filter(({ prefix }) => !isOfTests(prefix))
  return sorted(
    all.map(({ prefix, attributes: { kinds, expiresAt } }) => ({
      ...{ prefix: formatPrefix(prefix), kinds },
      expiresAt: expiresAt ?? never,
    })),
  )
}

function sorted(all: readonly Exported[]): Exported[] {
  return all.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1))
}

/** What each prefix holds at the end of the journal is what the tree has, and each difference begins where one ended. */
export function journalLeads(door: Door): void {
  const entries = new Map<string, { prefix: Prefix; entry: number }>()
  const { serial } = door.blocklist.status()
  for (const { prefix: at, before, after } of door.store.journal.changes(0, serial)) {
    const text = formatPrefix(at)
    const known = entries.get(text)
    if (known) assert.equal(before, known.entry, `in the journal before a change of ${text}`)
    entries.set(text, { prefix: at, entry: after })
  }
  for (const { prefix: at, entry } of entries.values()) {
    assert.equal(wordsOf(entry), entryInTree(door, at), `at the journal's end, ${formatPrefix(at)}`)
  }
}

function wordsOf(entry: number): string {
  if (entry === noEntry) return ''
  if ((entry & 3) === entryKinds.listing) return `listed ${entry >>> 2}`
  return (entry & 3) === entryKinds.exemption ? 'exempt' : 'excluded'
}
