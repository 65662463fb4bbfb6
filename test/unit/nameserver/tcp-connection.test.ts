// A stream cut anywhere → the messages in it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameReader } from '../../../src/nameserver/tcp-connection.ts'
import { frame } from '../../support/dns-subject.ts'
import fc from '../../support/properties.ts'

function readAll(reader: FrameReader): Buffer[] {
  const messages: Buffer[] = []
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    messages.push(Buffer.from(next))
  }
  return messages
}

test('whole messages in one chunk', () => {
  const reader = new FrameReader()
  reader.push(Buffer.concat([frame(Buffer.from('one')), frame(Buffer.from('two'))]))
  assert.deepEqual(readAll(reader).map(String), ['one', 'two'])
})

test('an empty message is a message', () => {
  const reader = new FrameReader()
  reader.push(Buffer.from([0, 0, 0, 1, 9]))
  assert.deepEqual(readAll(reader), [Buffer.alloc(0), Buffer.from([9])])
})

test('the longest message, octet by octet', () => {
  const reader = new FrameReader()
  const message = Buffer.alloc(65_535, 7)
  const octets = frame(message)
  for (const octet of octets.subarray(0, -1)) {
    reader.push(Buffer.from([octet]))
    assert.equal(reader.next(), undefined)
  }
  reader.push(octets.subarray(-1))
  assert.deepEqual(readAll(reader), [message])
})

test('any messages, cut anywhere, come out as they went in', () => {
  const message = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets))
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      fc.boolean(),
      (messages, cuts, isEager) => {
        const stream = Buffer.concat(messages.map(frame))
        const reader = new FrameReader()
        const received: Buffer[] = []
        for (let at = 0, index = 0; at < stream.length; index++) {
          const size = cuts[index % cuts.length] ?? 1
          reader.push(stream.subarray(at, at + size))
          at += size
          if (isEager || at >= stream.length) received.push(...readAll(reader))
        }
        assert.deepEqual(received, messages)
      },
    ),
  )
})
