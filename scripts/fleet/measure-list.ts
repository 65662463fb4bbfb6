// Measures what an entry takes: in the shared tree, in the database, at the start, in a transfer and in the journal.
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import { classes, get16, headerLength, put16, types } from '../../src/dns/wire.ts'
import type { ZoneData } from '../../src/dns/zone.ts'
import type { Prefix } from '../../src/ip/address.ts'
import { encodeZone } from '../../src/resolver/records.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { chunkEntries, comparePrefixes } from '../../src/store/packed-entries.ts'
import { MessagePacker, type TransferRecord } from '../../src/transfer/messages.ts'
import { transferMessages } from '../../src/transfer/transfer.ts'
import { keyName, signRequest, type TsigKey } from '../../src/transfer/tsig.ts'
import { openZone } from '../../src/transfer/zone-content.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { silentLog, testPolicy } from '../../test/support/door.ts'
import { fillRows, inStore, now } from './sample.ts'

export interface ListConstants {
  readonly treeOctets: number
  readonly rowOctets: number
  readonly packedOctets: number
  readonly rowLoadSeconds: number
  readonly packedLoadSeconds: number
  readonly recordsPerEntry: number
  readonly transferOctets: number
  readonly transferSeconds: number
  readonly journalOctets: number
  /** Octets of an incremental transfer without any entry, and of each change in one of many. */
  readonly incrementOctets: number
  readonly changeOctets: number
}

const treeBytes = 2 ** 31
const changesPerPublication = 30
/** One of so many at the beginning of a page is taken. */
const ownersOfPage = 20
const zone: ZoneData = encodeZone({
  origin: 'bl.backscatter.example',
  nameservers: ['ns1.backscatter.example', 'ns2.backscatter.example'],
  hostmaster: 'hostmaster.backscatter.example',
  ttlSeconds: 300,
  negativeTtlSeconds: 300,
  text: 'Backscatter source: {ip}',
  records: [],
  retired: false,
})

/** Leaves the entries as listings in `rows.db`. All constants are for one entry or one change. */
export function measureList(folder: string, prefixes: readonly Prefix[]): ListConstants {
  const rows = join(folder, 'rows.db')
  const empty = statSync(emptyDatabase(join(folder, 'empty.db'))).size
  const each = (total: number): number => total / prefixes.length
  const unused = load(join(folder, 'empty.db'))
  fillRows(rows, prefixes)
  const rowOctets = each(statSync(rows).size - empty)
  const loaded = load(rows)
  const transferred = transferWhole(rows)
  const packed = join(folder, 'packed.db')
  inStore(packed, (store) => packList(store, prefixes))
  const packedOctets = each(statSync(packed).size - empty)
  return {
    treeOctets: each(loaded.treeOctets - unused.treeOctets),
    rowOctets,
    packedOctets,
    rowLoadSeconds: each(loaded.seconds - unused.seconds),
    packedLoadSeconds: each(load(packed).seconds - unused.seconds),
    recordsPerEntry: each(transferred.records),
    transferOctets: each(transferred.octets),
    transferSeconds: each(transferred.seconds),
    journalOctets: measureJournal(join(folder, 'journal.db'), prefixes, empty),
    ...measureIncrements(rows),
  }
}

function emptyDatabase(path: string): string {
  openStore(path).close()
  return path
}

export function openBlocklist(store: Store): { blocklist: Blocklist; tree: TreeWriter } {
  const tree = new TreeWriter(treeBytes)
  const blocklist = new Blocklist({
    store,
    tree,
    policy: testPolicy(),
    now: () => now,
    log: silentLog,
    validForSeconds: 86_400,
    retired: false,
  })
  return { blocklist, tree }
}

/** What a start does before it answers, in seconds of the processor. */
function load(path: string): { readonly seconds: number; readonly treeOctets: number } {
  const store = openStore(path)
  const before = process.threadCpuUsage()
  const { blocklist, tree } = openBlocklist(store)
  const seconds = threadSeconds(before)
  const { usedBytes } = tree.stats()
  blocklist.close()
  store.close()
  return { seconds, treeOctets: usedBytes }
}

/** Processor time of this thread since then. */
export function threadSeconds(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1e6
}

function packList(store: Store, prefixes: readonly Prefix[]): void {
  const { lists } = store
  const attributes = { kinds: 1, reason: null, expiresAt: null }
  const { id } = lists.begin('fleet')
  const version = lists.addVersion(id, now)
  const sorted = prefixes.toSorted(comparePrefixes)
  for (const family of [4, 6]) {
    const ofFamily = sorted.filter((prefix) => prefix.family === family)
    for (let from = 0; from < ofFamily.length; from += chunkEntries) {
      const chunk = ofFamily.slice(from, from + chunkEntries)
      lists.putChunk(
        version,
        chunk.map((prefix) => ({ prefix, attributes, listedAt: now })),
      )
    }
  }
  lists.setVersion(id, version, version)
}

/** A signed AXFR, without the network. */
function transferWhole(path: string) {
  const key: TsigKey = {
    name: keyName('fleet'),
    algorithm: 'hmac-sha256',
    secret: randomBytes(32),
  }
  const query = new Uint8Array(headerLength + zone.origin.length + 4)
  put16(query, 4, 1)
  query.set(zone.origin, headerLength)
  put16(query, headerLength + zone.origin.length, types.AXFR)
  put16(query, headerLength + zone.origin.length + 2, classes.IN)
  const anyone = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 } as const
  const rules = [{ clients: anyone, key: key.name }]
  const messages = transferMessages(
    signRequest(query, key, now).message,
    anyone,
    { path, zone, keys: [key], rules },
    () => now,
  )
  const before = process.threadCpuUsage()
  let octets = 0
  let records = 0
  for (const message of messages) {
    if ('pauseMs' in message) continue
    octets += message.length + 2
    records += get16(message, 6)
  }
  return { octets, records, seconds: threadSeconds(before) }
}

function measureJournal(path: string, prefixes: readonly Prefix[], empty: number): number {
  const changed = prefixes.slice(0, 90_000)
  inStore(path, ({ journal }) => {
    for (let from = 0; from < changed.length; from += changesPerPublication) {
      const differences = changed
        .slice(from, from + changesPerPublication)
        .map((prefix) => ({ prefix, before: 0, after: 5 }))
      journal.append(
        {
          serial: now + from,
          generatedAt: now,
          validUntil: now + 86_400,
          ipv4Entries: changed.length,
          ipv6Entries: 0,
          publishedKinds: 15,
          isRetired: false,
          ownRecords: '',
        },
        differences,
        false,
      )
    }
  })
  return (statSync(path).size - empty) / changed.length
}

/** Packs records as RFC 1995 §4 puts them: only the SOA records and `_status`, and then with new entries far apart. */
function measureIncrements(path: string) {
  const content = openZone(path, zone)
  if (content === undefined) throw new Error('the zone was never published')
  const { soa, pages } = content
  const [own = [], ...entries] = pages
  const status = own.find(({ owner }) => owner[0] === '_status') ?? soa
  const byOwner = Map.groupBy(
    entries.flatMap((page) => page.slice(0, ownersOfPage * 3)),
    ({ owner }) => owner.join('.'),
  )
  const records = [...byOwner.values()].filter((_, index) => index % ownersOfPage === 0)
  const frame = [soa, soa, status, soa, status]
  const incrementOctets = packedLength([...frame, soa])
  const withChanges = packedLength([...frame, ...records.flat(), soa])
  return { incrementOctets, changeOctets: (withChanges - incrementOctets) / records.length }
}

function packedLength(records: readonly TransferRecord[]): number {
  const question = Uint8Array.of(...zone.origin, 0, types.IXFR, 0, classes.IN)
  const packer = new MessagePacker({ id: 0, question })
  let length = 0
  for (const record of records) {
    if (packer.add(record)) continue
    length += packer.take().length + 2
    packer.add(record)
  }
  return length + packer.take().length + 2
}
