// What respond() does beyond what sockets can show: versions, retirement, limits to the octet, no allocation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cookieSecretsBytes } from '../../../src/dns/cookies.ts'
import { Responder, type Transport } from '../../../src/dns/responder.ts'
import { Octets, octetsOf } from '../../../src/dns/wire.ts'
import { encodeZone } from '../../../src/resolver/records.ts'
import { TreeReader } from '../../../src/tree/reader.ts'
import {
  buildQuery,
  padding,
  type QueryOptions,
  rcodes,
  reversed,
  types,
} from '../../support/dns-query.ts'
import { decode, type Response, subjectTree, subjectZone } from '../../support/dns-subject.ts'

const { origin } = subjectZone
const tree = subjectTree()
const reader = new TreeReader(tree.buffer, 63)
reader.enter()
const zone = encodeZone({ ...subjectZone, retired: false })
const cookieSecrets = new SharedArrayBuffer(cookieSecretsBytes)
const standard = { udpPayload: 1232, cookieSecrets }
const smallest = { udpPayload: 512, cookieSecrets }
const ours = new Responder(zone, reader, { ...standard, identity: 'here' })

function ask(
  name: string,
  type: number,
  options?: QueryOptions,
  transport: Transport = 'udp',
  responder = ours,
): Response {
  const query = buildQuery(name.endsWith('.') ? name : `${name}.${origin}`, type, options)
  const room = Buffer.alloc(65_535)
  return decode(
    room.subarray(0, responder.respond(octetsOf(query), query.length, octetsOf(room), transport)),
  )
}

test('what is no query is dropped', () => {
  const room = new Octets(512)
  const response = octetsOf(buildQuery('a', types.A, { flags: 0x8000 }))
  assert.equal(ours.respond(response, response.length, room, 'udp'), 0)
  const query = octetsOf(buildQuery('a', types.A))
  for (let length = 0; length < 12; length++)
    assert.equal(ours.respond(query, length, room, 'udp'), 0)
})

test('a response fills the limit to the octet, and one octet less cuts it', () => {
  const options = [padding]
  const full = ask('long', types.TXT, { edns: { payload: 4096, options } })
  const size = full.octets.length
  assert.equal(full.isTruncated, false)
  assert.equal(ask('long', types.TXT, { edns: { payload: size, options } }).isTruncated, false)
  const cut = ask('long', types.TXT, { edns: { payload: size - 1, options } })
  assert.equal(cut.isTruncated, true)
  assert.equal(cut.packet.answers.length, 0)
  assert.equal(cut.opts.length, 1)
})

test('over UDP no response is more than ten times its query; over TCP it may be', () => {
  const query = buildQuery(`long.${origin}`, types.TXT, { edns: { payload: 4096 } })
  const response = ask('long', types.TXT, { edns: { payload: 4096 } })
  assert.equal(response.isTruncated, true)
  assert.ok(response.octets.length <= 10 * query.length)
  const whole = ask('long', types.TXT, { edns: { payload: 4096 } }, 'tcp')
  assert.equal(whole.isTruncated, false)
  assert.ok(whole.octets.length > 10 * query.length)
})

test('a negative answer that does not fit loses its SOA and says so', () => {
  const wide = encodeZone({
    ...subjectZone,
    nameservers: [`${'n'.repeat(60)}.${'n'.repeat(60)}.${'n'.repeat(60)}.example`],
    hostmaster: `${'h'.repeat(60)}.${'h'.repeat(60)}.${'h'.repeat(60)}.example`,
    records: [],
    retired: false,
  })
  const responder = new Responder(wide, reader, smallest)
  const long = Array.from({ length: 3 }, () => 'x'.repeat(60)).join('.')
  const response = ask(long, types.A, {}, 'udp', responder)
  assert.equal(response.rcode, rcodes.NXDOMAIN)
  assert.equal(response.isTruncated, true)
  assert.equal(response.soa, undefined)
  assert.equal(response.isAuthoritative, true)
  assert.ok(ask(long, types.A, {}, 'tcp', responder).soa)
})

test("the names in a negative answer's SOA end in pointers to the question as far as they end like the origin", () => {
  // The record's names in octets: labels before the common end and a pointer, or the whole name.
  const cases = [
    {
      nameserver: 'ns1.bl.test.example',
      hostmaster: 'hostmaster.test.example',
      octets: 4 + 2 + 11 + 2,
    },
    { nameserver: 'bl.test.example', hostmaster: 'bl.test.example', octets: 2 + 2 },
    { nameserver: 'a.xbl.test.example', hostmaster: 'admin.example', octets: 2 + 4 + 2 + 6 + 2 },
    { nameserver: 'l.test.example', hostmaster: 'bl.test', octets: 2 + 2 + 3 + 5 + 1 },
    { nameserver: 'ns.elsewhere.net', hostmaster: 'BL.Test.Example', octets: 3 + 10 + 4 + 1 + 2 },
  ]
  for (const { nameserver, hostmaster, octets } of cases) {
    const zone = encodeZone({
      ...subjectZone,
      nameservers: [nameserver],
      hostmaster,
      records: [],
      retired: false,
    })
    const responder = new Responder(zone, reader, standard)
    for (const name of ['nothing', 'a.b.NOTHING', '9.9.9.9']) {
      const response = ask(name, types.A, {}, 'udp', responder)
      const soa = response.soa as unknown as { primary: string; admin: string; serial: number }
      assert.equal(soa.primary.toLowerCase(), nameserver)
      assert.equal(soa.admin.toLowerCase(), hostmaster.toLowerCase())
      assert.equal(soa.serial, reader.serial)
      const question = 12 + name.length + 2 + origin.length + 1 + 4
      assert.equal(
        response.octets.length,
        question + 12 + octets + 20,
        `${nameserver} ${hostmaster}`,
      )
    }
  }
})

test('a reason near the limit is measured before it is put', () => {
  const text = `${'t'.repeat(200)} {ip}`
  const responder = new Responder(
    encodeZone({ ...subjectZone, origin: longOrigin(210), text, records: [], retired: false }),
    reader,
    smallest,
  )
  const name = `${reversed('127.0.0.2')}.${longOrigin(210)}.`
  const response = ask(name, types.TXT, {}, 'udp', responder)
  assert.equal(response.isTruncated, false)
  assert.deepEqual(response.texts, [`${'t'.repeat(200)} 127.0.0.2`])
  const ipv6 = `${reversed('2001:db8:1:2:0:0:0:9')}.${longOrigin(180)}.`
  const responder6 = new Responder(
    encodeZone({
      ...subjectZone,
      origin: longOrigin(180),
      text: 'u'.repeat(255),
      records: [],
      retired: false,
    }),
    reader,
    smallest,
  )
  const cut = ask(ipv6, types.TXT, {}, 'udp', responder6)
  assert.equal(cut.isTruncated, true)
  assert.equal(cut.packet.answers.length, 0)
  assert.equal(ask(ipv6, types.TXT, {}, 'tcp', responder6).texts[0]?.length, 255)
})

/** A name of `length` characters. */
function longOrigin(length: number): string {
  return 'o'
    .repeat(length)
    .replaceAll(/(.{30})./g, '$1.')
    .replace(/\.$/, 'o')
}

test('the serial of answers follows the pinned version', () => {
  const other = subjectTree()
  const own = new TreeReader(other.buffer, 63)
  const responder = new Responder(zone, own, standard)
  const version = { generatedAt: 0, validUntil: 0, ipv4Entries: 4_000_000, ipv6Entries: 5 }
  for (const serial of [1, 2, 4_294_967_295]) {
    other.publish({ ...version, serial })
    own.enter()
    const soa = ask(`${origin}.`, types.SOA, {}, 'udp', responder)
    assert.equal(soa.packet.answers[0]?.serial, serial)
    assert.equal(ask('nothing', types.A, {}, 'udp', responder).soa?.serial, serial)
    assert.deepEqual(ask('_status', types.TXT, {}, 'udp', responder).texts, [
      `serial=${serial} entries=4000005 generated=1970-01-01T00:00:00Z valid-until=1970-01-01T00:00:00Z`,
    ])
  }
})

test('a retired zone lists nobody, the test entry neither, and says so', () => {
  const retired = new Responder(encodeZone({ ...subjectZone, retired: true }), reader, standard)
  for (const address of ['127.0.0.2', '192.0.2.1', '2001:db8:1:2:0:0:0:9']) {
    const response = ask(reversed(address), types.A, {}, 'udp', retired)
    assert.equal(response.rcode, rcodes.NXDOMAIN)
  }
  assert.equal(ask('2.0.192', types.A, {}, 'udp', retired).rcode, rcodes.NXDOMAIN)
  const { texts } = ask(`${origin}.`, types.TXT, {}, 'udp', retired)
  assert.match(texts.join('\n'), /retired/)
  assert.equal(ask('ns1', types.A, {}, 'udp', retired).addresses.length, 1)
})

test('id.server and hostname.bind answer the identity', () => {
  for (const name of ['id.server.', 'HostName.bind.']) {
    assert.deepEqual(ask(name, types.TXT, { class: 3 }).texts, ['here'])
  }
  assert.equal(ask('version.bind.', types.TXT, { class: 3 }).rcode, rcodes.REFUSED)
})

test('answering does not allocate', () => {
  const queries = [
    buildQuery(`${reversed('192.0.2.1')}.${origin}`, types.A, { edns: {} }),
    buildQuery(`${reversed('192.0.2.1')}.${origin}`, types.TXT),
    buildQuery(`${reversed('198.51.100.78')}.${origin}`, types.A),
    buildQuery(`${reversed('2001:db8:1:2:0:0:0:9')}.${origin}`, types.TXT, { edns: {} }),
    buildQuery(`2.0.192.${origin}`, types.A),
    buildQuery(origin, types.SOA),
  ].map(octetsOf)
  const room = new Octets(1232)
  const run = (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      for (const query of queries) ours.respond(query, query.length, room, 'udp')
    }
  }
  // So few that hardly ever one of the runs has a collection in it.
  const rounds = 2000
  const allocated = () => {
    const before = process.memoryUsage().heapUsed
    run(rounds)
    return (process.memoryUsage().heapUsed - before) / (rounds * queries.length)
  }
  // Runs before V8 has compiled all of it allocate, and on a busy machine that takes long. What answers allocate would be
  // there in every run.
  let perAnswer = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 40 && perAnswer >= 4; tries++) {
    run(20_000)
    perAnswer = Array.from({ length: 7 }, allocated).toSorted((one, other) => one - other)[2] ?? 0
  }
  assert.ok(perAnswer < 4, `${perAnswer} octets an answer`)
})
