// TSIG: what we sign, dnspython verifies, and the other way round; and the errors of RFC 8945 §5.2.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  appendRefusal,
  ResponseSigner,
  signRequest,
  type TsigAlgorithm,
  type TsigKey,
  tsigAlgorithms,
  tsigErrors,
  tsigLength,
  verifyRequest,
} from '../../../src/transfer/tsig.ts'
import { buildQuery, types } from '../../support/dns-query.ts'
import fc from '../../support/properties.ts'

const now = 1_790_000_000
const secret = Buffer.from('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'base64')

function key(algorithm: TsigAlgorithm = 'hmac-sha256', octets: Uint8Array = secret): TsigKey {
  return { name: Buffer.from('\x07mirror1\x02bl\x00', 'latin1'), algorithm, secret: octets }
}

const query = buildQuery('bl.test.example', types.SOA, { id: 4711 })

/** Runs Python with dnspython; `given` is JSON on its standard input, and it prints JSON. */
function dnspython(script: string, given: object): Record<string, string> {
  const head = `
import sys, json, time, dns.message, dns.tsig, dns.name, dns.query, dns.tsigkeyring
given = json.load(sys.stdin)
time.time = lambda: ${now}
key = dns.tsig.Key('Mirror1.bl.', given['secret'], given['algorithm'])
ring = {key.name: key}
`
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', head + script], {
    input: JSON.stringify(given),
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

const hasDnspython = spawnSync('/usr/bin/python3', ['-c', 'import dns.tsig']).status === 0
const needsDnspython = {
  skip: hasDnspython ? false : 'needs dnspython: apt-get install python3-dnspython',
}

for (const algorithm of tsigAlgorithms) {
  test(`${algorithm}: dnspython and we agree in both directions`, needsDnspython, () => {
    const given = { secret: secret.toString('base64'), algorithm }
    const asked = dnspython(
      `
q = dns.message.make_query('bl.test.example', 'AXFR')
q.use_tsig(key, fudge=300)
wire = q.to_wire()
print(json.dumps({'wire': wire.hex(), 'mac': q.mac.hex()}))`,
      given,
    )
    const received = Buffer.from(asked['wire'] ?? '', 'hex')
    const verdict = verifyRequest(received, [key('hmac-sha512'), key(algorithm)], now)
    assert.ok(verdict.kind === 'valid')
    assert.equal(Buffer.from(verdict.mac).toString('hex'), asked['mac'])

    const signer = new ResponseSigner(verdict.key, verdict.mac)
    const id = received.readUInt16BE(0)
    const plain = (answers: number) => {
      const message = buildQuery('bl.test.example', types.AXFR, { id })
      message[2] = 0x84
      assert.equal(answers, 0)
      return message
    }
    const messages = [plain(0), plain(0), plain(0)].map((each) => signer.sign(each, now))
    const told = dnspython(
      `
context = None
multi = False
for wire in given['messages']:
    m = dns.message.from_wire(bytes.fromhex(wire), keyring=ring, request_mac=bytes.fromhex(given['mac']),
                              tsig_ctx=context, multi=True, xfr=True)
    assert m.had_tsig
    context = m.tsig_ctx
print(json.dumps({'ok': 'yes'}))`,
      {
        ...given,
        mac: asked['mac'],
        messages: messages.map((each) => Buffer.from(each).toString('hex')),
      },
    )
    assert.equal(told['ok'], 'yes')

    const ours = signRequest(query, key(algorithm), now)
    assert.equal(ours.message.length, query.length + tsigLength(key(algorithm)))
    const checked = dnspython(
      `
m = dns.message.from_wire(bytes.fromhex(given['wire']), keyring=ring)
print(json.dumps({'mac': m.mac.hex()}))`,
      { ...given, wire: Buffer.from(ours.message).toString('hex') },
    )
    assert.equal(checked['mac'], Buffer.from(ours.mac).toString('hex'))
  })
}

test("a key's name that ends like the zone's may be compressed", () => {
  const { name, ...rest } = key()
  const long = { name: Buffer.concat([name.subarray(0, 8), query.subarray(15, 29)]), ...rest }
  const signed = Buffer.from(signRequest(query, long, now).message)
  const end = query.length + long.name.length
  // A pointer to test.example in the question.
  const pointer = Buffer.from([...name.subarray(0, 8), 0xc0, 15])
  const compressed = Buffer.concat([
    signed.subarray(0, query.length),
    pointer,
    signed.subarray(end),
  ])
  assert.equal(verifyRequest(signed, [long], now).kind, 'valid')
  assert.equal(verifyRequest(compressed, [long], now).kind, 'valid')
})

test('an unknown key, a wrong secret and a wrong time are refused', () => {
  const signed = (each: TsigKey, at = now) => signRequest(query, each, at).message
  const errorOf = (message: Uint8Array) => {
    const verdict = verifyRequest(message, [key()], now)
    assert.ok(verdict.kind === 'refused', verdict.kind)
    return verdict.error
  }
  const stranger = { ...key(), name: Buffer.from('\x05other\x00', 'latin1') }
  assert.equal(errorOf(signed(stranger)), tsigErrors.BADKEY)
  assert.equal(errorOf(signed(key('hmac-sha384'))), tsigErrors.BADKEY)
  assert.equal(errorOf(signed(key('hmac-sha256', randomBytes(32)))), tsigErrors.BADSIG)
  assert.equal(errorOf(signed(key(), now - 301)), tsigErrors.BADTIME)
  assert.equal(errorOf(signed(key(), now + 301)), tsigErrors.BADTIME)
  assert.equal(verifyRequest(signed(key(), now - 300), [key()], now).kind, 'valid')
  const changed = signed(key())
  changed[13] = 0x7a
  assert.equal(errorOf(changed), tsigErrors.BADSIG)
  assert.equal(verifyRequest(query, [key()], now).kind, 'unsigned')
})

/** The signed message with so many octets of its MAC. */
function withMac(signed: Buffer, macLength: number, octets: number): Buffer {
  const end = signed.length - 6
  const added = Buffer.alloc(Math.max(octets - macLength, 0))
  const mac = Buffer.concat([signed.subarray(end - macLength, end), added]).subarray(0, octets)
  const changed = Buffer.concat([signed.subarray(0, end - macLength), mac, signed.subarray(end)])
  changed.writeUInt16BE(octets, end - macLength - 2)
  const rdataLength = query.length + key().name.length + 8
  changed.writeUInt16BE(signed.readUInt16BE(rdataLength) + octets - macLength, rdataLength)
  return changed
}

for (const [algorithm, macLength] of [
  ['hmac-sha256', 32],
  ['hmac-sha384', 48],
  ['hmac-sha512', 64],
] as const) {
  test(`${algorithm}: a shortened MAC is refused, and too short or too long a one is malformed`, () => {
    const signed = Buffer.from(signRequest(query, key(algorithm), now).message)
    const verdictOf = (octets: number): string | number => {
      const verdict = verifyRequest(withMac(signed, macLength, octets), [key(algorithm)], now)
      return verdict.kind === 'refused' ? verdict.error : verdict.kind
    }
    assert.equal(verdictOf(macLength), 'valid')
    for (const octets of [macLength / 2, macLength - 1]) {
      assert.equal(verdictOf(octets), tsigErrors.BADTRUNC)
    }
    for (const octets of [0, 1, macLength / 2 - 1, macLength + 1]) {
      assert.equal(verdictOf(octets), 'malformed')
    }
  })
}

test('dnspython reads the refusal of a wrong time, and our clock in it', needsDnspython, () => {
  const { message, mac } = signRequest(query, key(), now - 1000)
  const verdict = verifyRequest(message, [key()], now)
  assert.ok(verdict.kind === 'refused')
  const response = Uint8Array.from(query)
  response[2] = 0x80
  response[3] = 9
  const refused = appendRefusal(response, verdict, now)
  const told = dnspython(
    `
time.time = lambda: ${now - 1000}
try:
    dns.message.from_wire(bytes.fromhex(given['wire']), keyring=ring, request_mac=bytes.fromhex(given['mac']))
    print(json.dumps({'error': 'none'}))
except dns.tsig.PeerBadTime:
    print(json.dumps({'error': 'PeerBadTime'}))`,
    {
      secret: secret.toString('base64'),
      algorithm: 'hmac-sha256',
      wire: Buffer.from(refused).toString('hex'),
      mac: Buffer.from(mac).toString('hex'),
    },
  )
  assert.equal(told['error'], 'PeerBadTime')
})

test('any octets are unsigned, malformed or refused, and nothing is thrown', () => {
  const signed = signRequest(query, key(), now).message
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(signed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(signed.length - 12),
      fc.uint8Array({ maxLength: 20 }),
      (changes, cut, tail) => {
        const message = Uint8Array.from([...signed.subarray(0, signed.length - cut), ...tail])
        for (const [at, octet] of changes) if (at < message.length) message[at] = octet
        const isSame = Buffer.compare(message, signed) === 0
        const { kind } = verifyRequest(message, [key()], now)
        // The id is not covered by the MAC: a forwarder may change it.
        const isIdOnly = Buffer.compare(message.subarray(2), signed.subarray(2)) === 0
        if (kind === 'valid') assert.ok(isSame || isIdOnly || isCaseOnly(message, signed))
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000) },
  )
})

/** Whether two messages differ only in the case of letters: names in a TSIG record have none. */
function isCaseOnly(a: Uint8Array, b: Uint8Array): boolean {
  const folded = (each: Uint8Array) => Buffer.from(each).toString('latin1').toLowerCase()
  return folded(a.subarray(2)) === folded(b.subarray(2))
}
