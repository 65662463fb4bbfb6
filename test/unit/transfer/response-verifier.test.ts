// Signed responses of several messages (RFC 8945 §5.3.1): what is changed, left out, or unsigned for too long is not believed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import {
  ResponseSigner,
  ResponseVerifier,
  signRequest,
  type TsigKey,
} from '../../../src/transfer/tsig.ts'
import { buildQuery, types } from '../../support/dns-query.ts'

const now = 1_790_000_000
const key: TsigKey = {
  name: Buffer.from('\x07mirror1\x02bl\x00', 'latin1'),
  algorithm: 'hmac-sha256',
  secret: Buffer.from('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'base64'),
}
const { mac } = signRequest(buildQuery('bl.test.example', types.AXFR), key, now)

function plain(id: number): Uint8Array {
  const message = buildQuery('bl.test.example', types.AXFR, { id })
  message[2] = 0x84
  return message
}

function signed(count: number): Uint8Array[] {
  const signer = new ResponseSigner(key, mac)
  return Array.from({ length: count }, (_, index) => signer.sign(plain(index), now))
}

function verdicts(messages: readonly Uint8Array[], at = now, given = key): boolean[] {
  const verifier = new ResponseVerifier(given, mac)
  return messages.map((message) => verifier.verify(message, at))
}

test('what ResponseSigner signs is believed', () => {
  assert.deepEqual(verdicts(signed(3)), [true, true, true])
})

test('another key, another time, another order and a changed octet are not', () => {
  const [first, second, third] = signed(3)
  assert.ok(first && second && third)
  assert.deepEqual(verdicts([first], now, { ...key, secret: Buffer.from('another secret') }), [
    false,
  ])
  assert.deepEqual(verdicts([first], now + 301), [false])
  assert.deepEqual(verdicts([first, third]), [true, false])
  const changed = second.slice()
  changed[15] = (changed[15] ?? 0) ^ 1
  assert.deepEqual(verdicts([first, changed]), [true, false])
  assert.deepEqual(verdicts([first.slice(0, -1)]), [false])
})

test('the first message must be signed, and then at least every hundredth', () => {
  assert.deepEqual(verdicts([plain(1)]), [false])
  const [first] = signed(1)
  assert.ok(first)
  const verifier = new ResponseVerifier(key, mac)
  assert.ok(verifier.verify(first, now))
  assert.ok(verifier.isCovered)
  for (let index = 0; index < 99; index++) assert.ok(verifier.verify(plain(index), now))
  assert.ok(!verifier.isCovered)
  assert.ok(!verifier.verify(plain(99), now))
})

const hasDnspython = spawnSync('/usr/bin/python3', ['-c', 'import dns.tsig']).status === 0

test('a transfer of which dnspython signs the first and every third message is believed', {
  skip: hasDnspython ? false : 'needs dnspython: apt-get install python3-dnspython',
}, () => {
  const messages = Array.from({ length: 7 }, (_, index) => Buffer.from(plain(index)))
  const script = `
import sys, json, dns.tsig, dns.name, dns.rdtypes.ANY.TSIG as T
given = json.load(sys.stdin)
key = dns.tsig.Key('mirror1.bl.', given['secret'], 'hmac-sha256')
import dns.rdataclass, dns.rdatatype, struct
context = None
out = []
for index, wire in enumerate(given['messages']):
    wire = bytes.fromhex(wire)
    if index % 3:
        context.update(wire)
        out.append(wire.hex())
        continue
    rdata = T.TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, key.algorithm, ${now}, 300, b'', struct.unpack('!H', wire[:2])[0], 0, b'')
    rdata, context = dns.tsig.sign(wire, key, rdata, ${now}, bytes.fromhex(given['mac']) if index == 0 else None, context, True)
    data = rdata.to_wire()
    record = key.name.to_wire() + struct.pack('!HHIH', 250, 255, 0, len(data)) + data
    out.append((wire[:10] + struct.pack('!H', 1) + wire[12:] + record).hex())
print(json.dumps(out))`
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', script], {
    input: JSON.stringify({
      secret: Buffer.from(key.secret).toString('base64'),
      mac: Buffer.from(mac).toString('hex'),
      messages: messages.map((each) => each.toString('hex')),
    }),
    encoding: 'utf8',
  })
  assert.notEqual(stdout, '', stderr)
  const received: string[] = JSON.parse(stdout)
  const octets = received.map((each) => Uint8Array.from(Buffer.from(each, 'hex')))
  assert.deepEqual(
    verdicts(octets),
    messages.map(() => true),
  )
})
