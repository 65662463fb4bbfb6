// A list of several transactions' worth of entries, another one to come in its place, and what is listed beside both: what
// the tests of deaths in the middle of an import have in common.
import assert from 'node:assert/strict'
import { listingAt } from '../../../src/blocklist/pages.ts'
import type { ImportItem } from '../../../src/blocklist/types.ts'
import { type Address, formatAddress, formatPrefix, hostPrefix } from '../../../src/ip/address.ts'
import type { TreeReader } from '../../../src/tree/reader.ts'
import { address, cli, type Door, day, prefix, request, start } from '../../support/door.ts'

type Item = Exclude<ImportItem, { why: string }>

/** When the old list was imported, and when the new one is. */
export const oldAt = start - 30 * day
export const newAt = start

/** So many that they are written in several transactions; with DEATH_HOSTS=55000 they are deleted in several as well. */
const hosts4 = Number(process.env['DEATH_HOSTS'] ?? 21_000)
const networks6 = 300
const first4 = address('20.0.0.0')
const first6 = address('2a00::')

/** Hosts of the lists by their numbers: IPv4 ones, then IPv6 networks. */
function hostAt(index: number): Address {
  if (index < hosts4) return { ...first4, w0: first4.w0 + index }
  return { ...first6, w1: index - hosts4 }
}

export const hosts: readonly Address[] = Array.from({ length: hosts4 + networks6 }, (_, index) =>
  hostAt(index),
)

/** What each host is listed for, by its number; undefined: it is not in the list. */
export type Kinds = (index: number) => number | undefined

/** Takes away, adds and changes, at the beginning, in the middle and at the end. */
export const oldKinds: Kinds = (index) => {
  if (index < 400 || (index > hosts4 && index % 4 === 1)) return undefined
  return index % 7 === 0 ? 1 : 0
}
export const newKinds: Kinds = (index) => {
  if (isExempt(index)) return undefined
  if (index > hosts4 - 300 && index < hosts4) return undefined
  if (index >= hosts4 && index % 4 === 2) return undefined
  if (index > 10_000 && index < 10_500) return 3
  return index % 7 === 0 ? 1 : 0
}

function itemAt(index: number, kinds: number): Item {
  const host = hostAt(index)
  return {
    ...{ line: index + 1, text: '' },
    prefix: host.family === 4 ? hostPrefix(host) : { ...host, length: 64 },
    attributes: { kinds, reason: null, expiresAt: null },
  }
}

async function* items(kinds: Kinds): AsyncGenerator<Item[]> {
  for (let from = 0; from < hosts.length; from += 5000) {
    const batch: Item[] = []
    for (let index = from; index < Math.min(from + 5000, hosts.length); index++) {
      const mask = kinds(index)
      if (mask !== undefined) batch.push(itemAt(index, mask))
    }
    yield batch
  }
}

export async function importList(
  blocklist: Door['blocklist'],
  list: string,
  kinds: Kinds,
): Promise<void> {
  const outcome = await blocklist.import({
    ...{ list, items: items(kinds), isStrict: true, isForced: true, actor: cli },
  })
  assert.ok('added' in outcome, JSON.stringify(outcome))
}

/** The old list, one beside it, a listing by hand, an entry that was removed by hand, and an exemption. */
export async function fill(door: Door): Promise<void> {
  door.now = oldAt
  await importList(door.blocklist, 'a', oldKinds)
  await importList(door.blocklist, 'b', besideKinds)
  await door.blocklist.list([request('20.0.0.5', { kinds: ['callout'], expiresAt: null })], cli)
  await door.blocklist.delist([prefix('20.0.3.0')], cli)
  await door.blocklist.addException('exemption', prefix('20.0.4.0/24'), null, cli)
  door.now = newAt
}

function isExempt(index: number): boolean {
  return index >= 1024 && index < 1280
}

function besideKinds(index: number): number | undefined {
  return index < 3000 && index % 5 === 0 ? 2 : undefined
}

/** The A set that each host is answered with while list a is that one, as the tree has it; 0: it is not listed. */
function expectedCodes(index: number, kinds: Kinds): number {
  if (isExempt(index)) return 0
  // Removed by hand: of every list, until it is imported again.
  const isRemoved = index === 768
  const masks = [
    isRemoved && kinds === oldKinds ? undefined : kinds(index),
    isRemoved ? undefined : besideKinds(index),
    index === 5 ? 16 : undefined,
  ].filter((mask) => mask !== undefined)
  // Callouts are not answered.
  return masks.length === 0 ? 0 : 4 | ((masks.reduce((all, each) => all | each, 0) & 15) << 3)
}

/** Which of the two DNS has, of all hosts; fails where it is neither one. */
export function answered({ reader }: Door): 'old' | 'new' {
  reader.enter()
  const codes = hosts.map(({ family, w0, w1, w2, w3 }) => {
    const answer = reader.find(family, w0, w1, w2, w3)
    return answer < 0 ? 0 : reader.answerCodes(answer)
  })
  reader.leave()
  // Only the new one has it.
  const which = codes[101] ? 'new' : 'old'
  const kinds = which === 'new' ? newKinds : oldKinds
  const wrong = codes.findIndex((each, index) => each !== expectedCodes(index, kinds))
  assert.equal(wrong, -1, `${formatAddress(hostAt(wrong))} is not as in the ${which} list`)
  return which
}

/** Which of the two an export of the list is, with all that its entries have; fails where it is neither one. */
export function exported(door: Door): 'old' | 'new' {
  const found = [...(door.blocklist.export('a')?.pages ?? [])].flat()
  const which = found[0]?.prefix.w0 === first4.w0 ? 'new' : 'old'
  const kinds = which === 'new' ? newKinds : oldKinds
  let at = 0
  for (const index of hosts.keys()) {
    const mask = kinds(index)
    if (mask === undefined || (which === 'old' && index === 768)) continue
    const { prefix: wanted } = itemAt(index, mask)
    const { prefix: is, attributes } = found[at++] ?? {}
    const isSame = is?.w0 === wanted.w0 && is.w1 === wanted.w1 && is.length === wanted.length
    const isRight = isSame && attributes?.kinds === mask && attributes.expiresAt === null
    if (!isRight) assert.fail(`${formatPrefix(wanted)} is not in its place in the ${which} list`)
  }
  assert.equal(at, found.length)
  return which
}

/** When entries that were in both lists, only in the new one, and removed by hand were listed. */
export function listedSince(door: Door): (number | undefined)[] {
  return ['a:20.0.2.0-32', 'a:20.0.0.101-32', 'a:20.0.3.0-32'].map(
    (id) => listingAt(door.store, id, door.now)?.createdAt,
  )
}

/** All that a reader of the tree finds for the hosts, in one number. */
export function digest(reader: TreeReader): number {
  let sum = 0
  reader.enter()
  for (const { family, w0, w1, w2, w3 } of hosts) {
    const answer = reader.find(family, w0, w1, w2, w3)
    sum = (Math.imul(sum, 31) + (answer < 0 ? 1 : reader.answerCodes(answer))) | 0
  }
  reader.leave()
  return sum
}
