// Names in wire form: folding, reading and skipping.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalsAt, foldName, maxLabels, readQuestionName, skipName } from '../../../src/dns/name.ts'
import { octetsOf } from '../../../src/dns/wire.ts'
import { wireName } from '../../support/dns-query.ts'

const header = Buffer.alloc(12)
const labels = new Uint16Array(maxLabels + 1)

test('a folded name equals itself in any case and nothing else', () => {
  const folded = foldName(wireName('Ab-1.z'))
  for (const same of ['ab-1.z', 'AB-1.Z', 'aB-1.Z']) {
    assert.equal(equalsAt(octetsOf(wireName(same)), 0, folded), true, same)
  }
  for (const other of ['ab-1.y', 'ab-q.z', 'ab-1.:', 'ac-1.z', 'ab\r1.z']) {
    assert.equal(equalsAt(octetsOf(wireName(other)), 0, folded), false, other)
  }
})

test('each octet of a name of any length counts', () => {
  for (let length = 1; length <= 12; length++) {
    const name = Buffer.alloc(length, 'A')
    const folded = foldName(name)
    assert.equal(equalsAt(octetsOf(name), 0, folded), true, `${length} octets`)
    for (let at = 0; at < length; at++) {
      const other = Buffer.from(name)
      other.writeUInt8(0x62, at)
      assert.equal(equalsAt(octetsOf(other), 0, folded), false, `octet ${at} of ${length}`)
    }
  }
})

test('the offsets of the labels, the root’s last', () => {
  const bytes = Buffer.concat([header, wireName('2.0.example')])
  assert.equal(readQuestionName(bytes, bytes.length, labels), 3)
  assert.deepEqual([...labels.subarray(0, 4)], [12, 14, 16, 24])
})

test('the root alone has no labels', () => {
  const bytes = Buffer.concat([header, Buffer.from([0])])
  assert.equal(readQuestionName(bytes, bytes.length, labels), 0)
})

test('a name of 255 octets is read, one of 256 is not', () => {
  const longest = Buffer.concat([header, wireName(`${'a.'.repeat(126)}a`)])
  assert.equal(longest.length, 12 + 255)
  assert.equal(readQuestionName(longest, longest.length, labels), 127)
  const tooLong = Buffer.concat([header, wireName(`${'a.'.repeat(125)}a.bb`)])
  assert.equal(readQuestionName(tooLong, tooLong.length, labels), -1)
})

test('skipping follows pointers backwards and comes back behind the first one', () => {
  const bytes = Buffer.concat([header, wireName('a.b'), Buffer.from([1, 0x63, 0xc0, 14, 0xff])])
  assert.equal(skipName(bytes, 12, bytes.length), 17)
  assert.equal(skipName(bytes, 17, bytes.length), 21)
})

test('skipping refuses loops, forward pointers, pointers into the header and names too long', () => {
  const cases: Record<string, readonly number[]> = {
    'to itself': [0xc0, 12],
    forward: [0xc0, 14, 0],
    'into the header': [0xc0, 2],
    'half a pointer': [0xc0],
    'a loop by way of a label': [1, 0x61, 0xc0, 12],
    'label type 01': [0x41, 0],
    'label type 10': [0x81, 0],
    'no end': [1, 0x61],
  }
  for (const [fault, octets] of Object.entries(cases)) {
    const bytes = Buffer.concat([header, Buffer.from(octets)])
    assert.equal(skipName(bytes, 12, bytes.length), -1, fault)
  }
  const chained = Buffer.concat([header, wireName('a'.repeat(63)), ...chain(5)])
  assert.equal(skipName(chained, chained.length - 66, chained.length), -1, 'over 255 octets')
})

test('skipping a long chain of pointers ends early, so that a packet full of them takes no time', () => {
  const chainOf = (count: number) => {
    const pointers = Array.from({ length: count }, (_, index) => 12 + index * 2)
    const octets = pointers.flatMap((at, index) => {
      const target = index === 0 ? 12 : at - 1
      return [0xc0 | (target >> 8), target & 255]
    })
    return Buffer.concat([header, Buffer.from([0]), Buffer.from(octets)])
  }
  const short = chainOf(100)
  assert.equal(skipName(short, short.length - 2, short.length), short.length)
  const long = chainOf(1000)
  assert.equal(skipName(long, long.length - 2, long.length), -1)
})

/** Names of one 63-octet label each, every one pointing to the one before. */
function chain(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const target = index === 0 ? 12 : 12 + 65 + (index - 1) * 66
    return Buffer.from([63, ...Buffer.alloc(63, 0x61), 0xc0 | (target >> 8), target & 255])
  })
}
