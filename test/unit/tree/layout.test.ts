// The words other threads and a later build rely on: where the header's fields are, and that a buffer which is no
// tree of this layout is refused by name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerWords, layoutVersion, magic, maxReaders } from '../../../src/tree/layout.ts'
import { openReader } from '../../../src/tree/open-reader.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'

const version = {
  serial: 0xfffffff0,
  generatedAt: 2,
  validUntil: 3,
  ipv4Entries: 4,
  ipv6Entries: 5,
}

test('the header, word by word', () => {
  const writer = new TreeWriter(1 << 16)
  const memory = new Int32Array(writer.buffer)
  assert.equal(headerWords * 4, 4352)
  assert.equal(memory[0], 0x42534454, 'magic')
  assert.equal(memory[1], 1, 'layout version')
  assert.equal(memory[2], headerWords, 'the first version block comes right after the header')
  assert.equal(memory[3], 1, 'one publication: the empty tree')
  writer.internAnswer(0b11100)
  writer.publish(version)
  assert.equal(memory[3], 2)
  const segment = memory[16] ?? 0
  assert.equal(memory[segment], 0b11100)
  assert.equal(memory[segment + 1], 0, 'no text of its own')
  const block = memory[2] ?? 0
  assert.deepEqual([...memory.subarray(block, block + 5)], [0xfffffff0 | 0, 2, 3, 4, 5])
  const reader = openReader(writer.buffer, 63)
  assert.equal(memory[64 + 63 * 16], 0, 'a reader is offline until it enters')
  reader.enter()
  assert.equal(memory[64 + 63 * 16], 2, 'the epoch it announced')
  assert.deepEqual(
    [reader.serial, reader.generatedAt, reader.validUntil, reader.ipv4Entries, reader.ipv6Entries],
    [0xfffffff0, 2, 3, 4, 5],
  )
  reader.leave()
  assert.equal(memory[64 + 63 * 16], 0)
})

test('an entry, word by word', () => {
  const writer = new TreeWriter(1 << 16)
  const memory = new Int32Array(writer.buffer)
  writer.set(4, 0xcb007109, 0, 0, 0, 32, 1, 5)
  writer.set(4, 0xcb007101, 0, 0, 0, 32, 2, 0)
  writer.publish(version)
  const [ref = 0, bits = 0] = memory.subarray((memory[2] ?? 0) + 6)
  assert.equal(ref & 15, 0b0111, 'a leaf; a listed address below; an open address below')
  assert.equal(bits, 32 | (2 << 8) | (1 << 16), '/32, two entries, wide')
  const leaf = (ref >>> 4) * 2
  assert.deepEqual(
    [...memory.subarray(leaf, leaf + 4)],
    [0xcb007101 | 0, 2, 0xcb007109 | 0, (5 << 2) | 1],
  )
})

test('a buffer that holds no tree, or another layout, is refused by name', () => {
  const { buffer } = new TreeWriter(1 << 16)
  const memory = new Int32Array(buffer)
  assert.throws(() => openReader(new SharedArrayBuffer(1 << 16), 0), /wrong magic/)
  assert.throws(() => openReader(new SharedArrayBuffer(64), 0), /wrong magic/)
  memory[1] = layoutVersion + 1
  assert.throws(() => openReader(buffer, 0), /layout version 2, this build reads 1/)
  memory[1] = layoutVersion
  memory[0] = magic ^ 1
  assert.throws(() => openReader(buffer, 0), /wrong magic/)
  memory[0] = magic
  for (const slot of [-1, maxReaders, 0.5]) {
    assert.throws(() => openReader(buffer, slot), /no reader slot/)
  }
})

test('a capacity beyond the address range or below the header is refused', () => {
  const create = (capacityBytes: number) => () => new TreeWriter(capacityBytes)
  assert.throws(create(2 ** 31 + 8), { code: 'config-invalid' })
  assert.throws(create(4352), { code: 'capacity-reached' })
})

test('answers: one index for each set of codes, through several segments', () => {
  const writer = new TreeWriter(1 << 20)
  const reader = openReader(writer.buffer, 0)
  for (let codes = 0; codes < 5000; codes++) assert.equal(writer.internAnswer(codes << 2), codes)
  assert.equal(writer.internAnswer(77 << 2), 77)
  writer.set(4, 0x01020304, 0, 0, 0, 32, 1, 4999)
  writer.publish(version)
  reader.enter()
  for (let answer = 0; answer < 5000; answer++) {
    assert.equal(reader.answerCodes(answer), answer << 2)
  }
  assert.equal(reader.find(4, 0x01020304, 0, 0, 0), 4999)
})
