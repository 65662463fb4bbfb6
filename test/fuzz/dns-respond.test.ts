// respond() under random and mutated packets: it never throws, never answers longer than the limit, echoes the id,
// gives at most one response, and what it says of an address agrees with a naive reading of the list.
// FUZZ_RUNS sets the runs of each property (1000); FUZZ_SEED repeats a failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Packet } from 'dns2'
import { cookieSecretsBytes, replaceCookieSecrets } from '../../src/dns/cookies.ts'
import { Responder, type Transport } from '../../src/dns/responder.ts'
import { octetsOf } from '../../src/dns/wire.ts'
import { encodeZone } from '../../src/resolver/records.ts'
import { TreeReader } from '../../src/tree/reader.ts'
import { label, mutated, wellFormed, wellFormedAndLimit } from '../support/dns-arbitraries.ts'
import { expectedAnswer } from '../support/dns-oracle.ts'
import { buildQuery, rcodes, types } from '../support/dns-query.ts'
import { decode, subjectEntries, subjectTree, subjectZone } from '../support/dns-subject.ts'
import fc from '../support/properties.ts'

const { FUZZ_RUNS: runs = '1000', FUZZ_SEED: seed } = process.env
const parameters = {
  numRuns: Number(runs),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
}
const udpPayload = 1232
const untouched = 0xa5
const reader = new TreeReader(subjectTree().buffer, 63)
reader.enter()
const zone = encodeZone({ ...subjectZone, retired: false })
const secrets = new SharedArrayBuffer(cookieSecretsBytes)
replaceCookieSecrets(secrets, [Buffer.alloc(16, 1)])
const nsid = Buffer.from('fuzzed')
const options = { udpPayload, version: 'fuzzed', nsid, cookieSecrets: secrets }
const responder = new Responder(zone, reader, options)

const batched = new Responder(zone, reader, options)
const batchSize = 4
let asking = 0

/** Asks as a batch does: the query is read first, at an index that others used before, and answered where it lies. */
function askPrefetched(query: Buffer, transport: Transport): Buffer {
  const room = Buffer.alloc(transport === 'udp' ? 4096 : 65_535)
  query.copy(room)
  const octets = octetsOf(room)
  const index = asking++ % batchSize
  batched.preview(octets, query.length, index)
  batched.prefetch(batchSize)
  return room.subarray(0, batched.respond(octets, query.length, octets, transport, index))
}

/** Asks and checks what holds for every packet. Returns the response, if there is one. */
function askChecked(query: Buffer, transport: Transport): Buffer | undefined {
  const asked = Buffer.from(query)
  const room = Buffer.alloc(transport === 'udp' ? 4096 : 65_535, untouched)
  const length = responder.respond(octetsOf(query), query.length, octetsOf(room), transport)
  assert.deepEqual(query, asked, 'the query is left as it was')
  assert.ok(
    room.subarray(length).every((octet) => octet === untouched),
    'nothing past the end',
  )
  const prefetched = askPrefetched(query, transport)
  assert.deepEqual(prefetched, room.subarray(0, length), 'as when prefetched')
  if (length === 0) {
    assert.ok(asked.length < 12 || asked.readUInt8(2) >= 0x80, 'only what is no query is dropped')
    return undefined
  }
  if (transport === 'udp') {
    assert.ok(length <= udpPayload, `${length} octets over UDP`)
    assert.ok(length <= asked.length * 10, `${length} octets for ${asked.length}`)
  }
  const response = room.subarray(0, length)
  assert.equal(response.readUInt16BE(0), asked.readUInt16BE(0), 'id')
  const flags = response.readUInt16BE(2)
  assert.equal(flags & 0x8000, 0x8000, 'QR')
  assert.equal(flags & 0x7900, asked.readUInt16BE(2) & 0x7900, 'opcode and RD')
  assert.equal(flags & 0x00f0, 0, 'RA, Z, AD and CD')
  const { errors, questions, header } = Packet.parse(response)
  assert.deepEqual(errors, [], 'dns2 reads all of it')
  assert.equal(questions.length, header.qdcount)
  if (questions.length === 1) {
    const end = 12 + wireLength(response.subarray(12)) + 4
    assert.deepEqual(response.subarray(12, end), asked.subarray(12, end), 'question')
  }
  // The same with the response written over the query, as a batched transport does.
  const shared = Buffer.alloc(65_535, untouched)
  shared.set(asked)
  const octets = octetsOf(shared)
  const again = responder.respond(octets, asked.length, octets, transport)
  assert.deepEqual(shared.subarray(0, again), response, 'in the query’s own buffer')
  return response
}

function wireLength(name: Buffer): number {
  let at = 0
  while (name.readUInt8(at) !== 0) at += name.readUInt8(at) + 1
  return at + 1
}

const anyTransport = fc.constantFrom<Transport>('udp', 'tcp')

test('random octets', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), anyTransport, (octets, transport) => {
      askChecked(Buffer.from(octets), transport)
    }),
    parameters,
  )
})

test('well-formed queries for anything', () => {
  fc.assert(
    fc.property(wellFormed, anyTransport, (query, transport) => {
      const response = askChecked(query, transport)
      assert.ok(response)
      assert.notEqual(decode(response).rcode, rcodes.SERVFAIL)
      assert.notEqual(decode(response).rcode, rcodes.FORMERR)
    }),
    parameters,
  )
})

test('queries with octets changed, cut and added', () => {
  fc.assert(
    fc.property(mutated, anyTransport, (query, transport) => {
      askChecked(query, transport)
    }),
    parameters,
  )
})

test('every response is within what the requestor takes', () => {
  fc.assert(
    fc.property(wellFormedAndLimit, ({ query, limit }) => {
      assert.ok((askChecked(query, 'udp')?.length ?? 0) <= limit)
    }),
    parameters,
  )
})

const nearEntry = fc.constantFrom(...subjectEntries).chain(({ prefix }) =>
  fc.record({
    labels: fc.constant(labelsOf(prefix.split('/')[0] ?? '')),
    keep: fc.nat(),
    change: fc.option(fc.record({ at: fc.nat(), to: label })),
  }),
)

const addressLike = fc.oneof(
  nearEntry.map(({ labels, keep, change }) => {
    const kept = labels.slice(keep % labels.length)
    if (change !== null) kept[change.at % kept.length] = change.to
    return kept
  }),
  fc.array(label, { minLength: 1, maxLength: 5 }),
  fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: 1, maxLength: 33 }),
)

test('A answers agree with a naive reading of the list', () => {
  fc.assert(
    fc.property(addressLike, (labels) => {
      const response = askChecked(
        buildQuery(`${labels.join('.')}.${subjectZone.origin}`, types.A, { edns: {} }),
        'udp',
      )
      const lower = labels.map((each) => each.toLowerCase())
      const expected = expectedAnswer(lower, subjectEntries)
      const { rcode, addresses, packet } = decode(response)
      assert.equal(rcode, rcodes[expected.rcode], labels.join('.'))
      const isAlias = packet.answers.some((record) => record.type === types.CNAME)
      if (expected.codes.length > 0 || (!isAlias && !lower.includes('ns1'))) {
        assert.deepEqual(
          addresses,
          expected.codes.map((code) => `127.0.0.${code}`),
        )
      }
    }),
    parameters,
  )
})

/** The labels of an address as written in subjectEntries. */
function labelsOf(address: string): string[] {
  if (!address.includes(':')) return address.split('.').toReversed()
  const [head = '', tail = ''] = address.split('::')
  const before = head.split(':').filter(Boolean)
  const after = tail.split(':').filter(Boolean)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const groups = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0'))
  return [...groups.join('')].toReversed()
}
