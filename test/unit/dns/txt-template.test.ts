// The text of TXT records: addresses as RFC 5952 writes them, and the template around them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTxtTemplate, putIPv4, putIPv6, putText } from '../../../src/dns/txt-template.ts'
import { octetsOf } from '../../../src/dns/wire.ts'
import { formatAddress, parseAddress } from '../../../src/ip/address.ts'
import fc from '../../support/properties.ts'

function addressText(text: string): string {
  const parsed = parseAddress(text)
  assert.ok('value' in parsed, text)
  const { family, w0, w1, w2, w3 } = parsed.value
  const bytes = Buffer.alloc(64)
  const end = family === 4 ? putIPv4(bytes, 3, w0) : putIPv6(bytes, 3, w0, w1, w2, w3)
  return bytes.toString('latin1', 3, end)
}

function text(template: string, w0: number): string {
  const bytes = octetsOf(Buffer.alloc(600))
  const end = putText(bytes, 0, parseTxtTemplate(template), 4, w0, 0, 0, 0)
  assert.equal(bytes[0], end - 1)
  return new TextDecoder().decode(bytes.subarray(1, end))
}

test('dotted quads', () => {
  for (const text of ['0.0.0.0', '192.0.2.1', '255.255.255.255', '10.200.30.4', '100.9.10.99']) {
    assert.equal(addressText(text), text)
  }
})

test('RFC 5952 §4: the shortest form, the first longest run of zeros', () => {
  const forms = {
    '::': '::',
    '::1': '::1',
    '1::': '1::',
    '2001:db8::': '2001:db8::',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:0:0:1:0:0:0:1': '2001:0:0:1::1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '2001:DB8:AB:00CD:1:1:1:1': '2001:db8:ab:cd:1:1:1:1',
    '0:1:1:1:1:1:1:0': '0:1:1:1:1:1:1:0',
    '0:0:1:1:1:1:0:0': '::1:1:1:1:0:0',
    '1:1:1:1:1:1:0:0': '1:1:1:1:1:1::',
    '::ffff:192.0.2.1': '::ffff:c000:201',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff': 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  }
  for (const [text, expected] of Object.entries(forms)) assert.equal(addressText(text), expected)
})

test('the same text as ip/ writes, for any address', () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const text = groups.map((each) => each.toString(16)).join(':')
      const parsed = parseAddress(text)
      assert.ok('value' in parsed)
      assert.equal(addressText(text), formatAddress(parsed.value))
    }),
  )
})

test('{ip} is filled wherever it stands, {domain} stands for nothing', () => {
  assert.equal(text('see https://x/{ip}', 0xc0000201), 'see https://x/192.0.2.1')
  assert.equal(text('{ip} and {ip}', 0xc0000201), '192.0.2.1 and 192.0.2.1')
  assert.equal(text('{ip}{domain}', 0xc0000201), '192.0.2.1')
  assert.equal(text('listed', 0xc0000201), 'listed')
  assert.equal(text('gelistet: für {ip}', 0x01020304), 'gelistet: für 1.2.3.4')
})

test('a template that got past the configuration is cut at 255 octets', () => {
  assert.equal(text(`${'x'.repeat(250)}{ip}`, 0xc0000201), `${'x'.repeat(250)}192.0`)
  assert.equal(text('y'.repeat(400), 0).length, 255)
})
