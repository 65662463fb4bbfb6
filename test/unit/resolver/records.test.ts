// The zone's own records: what is encoded, and what is refused with a reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperationalError } from '../../../src/errors.ts'
import { encodeZone, type ZoneOptions } from '../../../src/resolver/records.ts'
import { types, wireName } from '../../support/dns-query.ts'

const plain: ZoneOptions = {
  origin: 'BL.example',
  nameservers: ['ns1.example', 'NS2.example'],
  hostmaster: 'hostmaster.example',
  records: [],
  ttlSeconds: 300,
  negativeTtlSeconds: 60,
  text: 'listed',
  retired: false,
}

function encode(...records: string[]) {
  return encodeZone({ ...plain, records })
}

/** The last record's RDATA, when it is the only one of its owner. */
function rdataOf(record: string): string {
  return Buffer.from(encode(record).records.at(-1)?.rdata ?? []).toString('hex')
}

function refusal(options: Partial<ZoneOptions>): string {
  try {
    encodeZone({ ...plain, ...options })
  } catch (error) {
    assert.ok(error instanceof OperationalError)
    assert.equal(error.code, 'record-invalid')
    return error.message
  }
  return assert.fail('it was taken')
}

function refused(record: string): string {
  const message = refusal({ records: [record] })
  const start = `zone.records: ${JSON.stringify(record)}: `
  assert.ok(message.startsWith(start), message)
  return message.slice(start.length)
}

test('SOA and NS from the configuration, the origin in lower case', () => {
  const { origin, records, ttl, negativeTtl, text } = encode()
  assert.deepEqual(Buffer.from(origin), wireName('bl.example'))
  assert.deepEqual([ttl, negativeTtl, text], [300, 60, 'listed'])
  assert.deepEqual(
    records.map((record) => record.type),
    [types.SOA, types.NS, types.NS],
  )
  for (const { owner, ttl: seconds } of records) {
    assert.deepEqual(Buffer.from(owner), wireName('bl.example'))
    assert.equal(seconds, 300)
  }
  const soa = Buffer.from(records[0]?.rdata ?? [])
  const names = Buffer.concat([wireName('ns1.example'), wireName('hostmaster.example')])
  assert.deepEqual(soa.subarray(0, names.length), names)
  assert.equal(soa.length, names.length + 20)
  assert.equal(soa.readUInt32BE(soa.length - 4), 60)
  assert.deepEqual(Buffer.from(records[2]?.rdata ?? []), wireName('ns2.example'))
})

test('owners: relative, absolute, the origin itself', () => {
  for (const [record, owner] of [
    ['ns1 A 192.0.2.1', 'ns1.bl.example'],
    ['NS1.bl.example. A 192.0.2.1', 'ns1.bl.example'],
    ['@ A 192.0.2.1', 'bl.example'],
    ['a.b-c._d A 192.0.2.1', 'a.b-c._d.bl.example'],
  ] as const) {
    const last = encode(record).records.at(-1)
    assert.deepEqual(Buffer.from(last?.owner ?? []), wireName(owner), record)
  }
})

test('TTL and class in either order, or neither', () => {
  for (const [record, ttl] of [
    ['x A 192.0.2.1', 300],
    ['x 60 A 192.0.2.1', 60],
    ['x 60 IN A 192.0.2.1', 60],
    ['x in 60 a 192.0.2.1', 60],
    ['x\t0\tIN\tA\t192.0.2.1', 0],
  ] as const) {
    const last = encode(record).records.at(-1)
    assert.deepEqual([last?.ttl, last?.type], [ttl, types.A], record)
  }
})

test('each supported type as it stands on the wire', () => {
  assert.equal(rdataOf('x A 192.0.2.1'), 'c0000201')
  assert.equal(rdataOf('x AAAA 2001:db8::1'), '20010db8000000000000000000000001')
  assert.equal(rdataOf('x AAAA ::ffff:192.0.2.1'), '00000000000000000000ffffc0000201')
  assert.equal(
    rdataOf('x TXT one "two three" ""'),
    '036f6e65 09 74776f207468726565 00'.replaceAll(' ', ''),
  )
  assert.equal(rdataOf('x TXT "q\\"b\\\\d\\233\\059"'), '0771226 25c64e93b'.replaceAll(' ', ''))
  assert.equal(rdataOf('x MX 10 mx'), `000a${wireName('mx.bl.example').toString('hex')}`)
  assert.equal(rdataOf('x MX 0 .'), '000000')
  assert.equal(rdataOf('x CNAME www.Example.'), wireName('www.Example').toString('hex'))
  assert.equal(rdataOf('x PTR host.example.'), wireName('host.example').toString('hex'))
  assert.equal(
    rdataOf('_dns._udp SRV 1 2 53 ns1'),
    `000100020035${wireName('ns1.bl.example').toString('hex')}`,
  )
  assert.equal(
    rdataOf('@ CAA 0 issue "ca.example"'),
    `00056973737565${Buffer.from('ca.example').toString('hex')}`,
  )
})

test('several records of one name and type', () => {
  const { records } = encode('x A 192.0.2.1', 'x A 192.0.2.2', 'x TXT a', 'y A 192.0.2.1')
  assert.equal(records.length, 7)
})

test('malformed records are refused with what was expected', () => {
  assert.equal(refused('x'), 'expected OWNER [TTL] [IN] TYPE DATA')
  assert.equal(refused(''), 'expected OWNER [TTL] [IN] TYPE DATA')
  assert.equal(refused('x 300 IN'), 'the type is missing')
  assert.equal(refused('x A'), 'A: expected one address')
  assert.equal(refused('x A 192.0.2.1 192.0.2.2'), 'A: expected one address')
  assert.match(refused('x A 192.0.2.01'), /^A: 192\.0\.2\.01: not an IP address/)
  assert.equal(refused('x A 2001:db8::1'), 'A: 2001:db8::1 is not IPv4')
  assert.equal(refused('x AAAA 192.0.2.1'), 'AAAA: 192.0.2.1 is not IPv6')
  assert.equal(refused('x MX mx'), 'MX: expected PREFERENCE (0–65535) and a name')
  assert.equal(refused('x MX 65536 mx'), 'MX: expected PREFERENCE (0–65535) and a name')
  assert.equal(refused('x TXT'), 'TXT: expected at least one string')
  assert.match(refused(`x TXT ${'a'.repeat(256)}`), /at most 255 octets/)
  assert.equal(refused('x TXT "\\256"'), '\\256: an octet is at most 255')
  assert.equal(refused('x TXT "open'), 'unexpected "\\""')
  assert.equal(refused('x TXT a ; comment'), 'unexpected ";"')
  assert.equal(refused('x A ( 192.0.2.1 )'), 'unexpected "("')
  assert.match(refused('x 2147483648 A 192.0.2.1'), /^TTL: /)
  assert.match(refused('x SRV 1 2 ns1'), /^SRV: /)
  assert.match(refused('x CAA 0 issue'), /^CAA: /)
  assert.match(refused('x CAA 0 issue a b'), /quotes/)
})

test('names that dns2 would not put on the wire as they are written are refused', () => {
  assert.match(refused('a..b A 192.0.2.1'), /^owner: a\.\.b: not a domain name/)
  assert.match(refused('a\\.b A 192.0.2.1'), /escapes in names are not supported/)
  assert.match(refused('ü A 192.0.2.1'), /not a domain name/)
  assert.match(refused(`${'a'.repeat(64)} A 192.0.2.1`), /at most 63 octets/)
  assert.match(refused(`${'a.'.repeat(125)}a A 192.0.2.1`), /at most 255 octets/)
  assert.match(refused('*.x A 192.0.2.1'), /wildcards are not supported/)
  assert.match(refused('x MX 1 m..x'), /not a domain name/)
})

test('types that are made elsewhere or cannot be encoded are refused', () => {
  assert.match(refused('x NS ns1'), /zone\.nameservers/)
  assert.match(refused('@ SOA a b 1 2 3 4 5'), /^SOA: /)
  assert.match(refused('x HINFO a b'), /^type HINFO is not supported here/)
  assert.match(refused('x TYPE65280 \\# 0'), /^type TYPE65280 is not supported here/)
})

test('owners outside the zone, and names that the server answers itself, are refused', () => {
  assert.match(refused('ns1.example. A 192.0.2.1'), /is not in the zone bl\.example/)
  assert.match(refused('xbl.example. A 192.0.2.1'), /is not in the zone/)
  assert.match(refused('. A 192.0.2.1'), /is not in the zone/)
  assert.match(refused('_status TXT x'), /_status/)
  assert.match(refused('x._STATUS TXT x'), /_status/)
  assert.match(refused('2.0.0.127 A 127.0.0.9'), /the name of an address/)
  assert.match(refused('x.2.0.0.127 A 127.0.0.9'), /the name of an address/)
  assert.match(refused(`${'0.'.repeat(31)}A TXT x`), /the name of an address/)
  assert.equal(encode('a TXT x', '1.2 TXT x', '2.0.0.300 TXT x').records.length, 6)
})

test('an alias stands alone, away from the origin, and points out of the zone', () => {
  assert.match(refused('@ CNAME x.example.'), /cannot stand at the origin/)
  assert.match(refused('x CNAME y'), /into the zone itself/)
  assert.match(
    refusal({ records: ['x A 192.0.2.1', 'x CNAME y.example.'] }),
    /beside other records/,
  )
  assert.match(refusal({ records: ['x CNAME y.example.', 'x TXT a'] }), /beside other records/)
})

test('an RRset has one TTL and no record twice', () => {
  assert.match(refusal({ records: ['x A 192.0.2.1', 'x 60 A 192.0.2.2'] }), /need the same TTL/)
  assert.match(
    refusal({ records: ['x A 192.0.2.1', 'X A 192.0.2.1'] }),
    /the record is there twice/,
  )
})

test('the names of the configuration itself', () => {
  assert.match(refusal({ origin: 'a..b' }), /^zone\.origin: /)
  assert.match(refusal({ origin: '.' }), /^zone\.origin: the root cannot be a list/)
  assert.match(refusal({ nameservers: [] }), /^zone\.nameservers: expected at least one/)
  assert.match(refusal({ nameservers: ['-ok.example', 'not ok'] }), /^zone\.nameservers: not ok: /)
  assert.match(refusal({ hostmaster: 'me@example.org' }), /write a dot in place of the @/)
  assert.equal(encodeZone({ ...plain, origin: 'bl.example.' }).origin.length, 12)
})

test('a retired zone says so at its apex', () => {
  const { records, retired } = encodeZone({ ...plain, retired: true })
  assert.equal(retired, true)
  const txt = records.find((record) => record.type === types.TXT)
  assert.match(Buffer.from(txt?.rdata ?? []).toString(), /retired/)
})
