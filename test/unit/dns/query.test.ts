// Packets → the numbers that answering needs. Malformed ones have their place in conformance/malformed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseQuery, Query } from '../../../src/dns/query.ts'
import { buildOpt, buildQuery, types } from '../../support/dns-query.ts'

const query = new Query()

test('a question without EDNS', () => {
  const bytes = buildQuery('2.0.0.127.bl.example', types.TXT, { class: 3 })
  assert.equal(parseQuery(bytes, bytes.length, query), true)
  assert.equal(query.type, types.TXT)
  assert.equal(query.class, 3)
  assert.equal(query.labelCount, 6)
  assert.equal(query.questionEnd, bytes.length)
  assert.equal(query.edns.isPresent, false)
  assert.equal(query.edns.udpPayload, 512)
})

test('what EDNS says, and nothing of the query before', () => {
  const edns = { payload: 4000, version: 1, flags: 0x8001, options: [{ code: 9, data: [1, 2] }] }
  const bytes = buildQuery('a', types.A, { edns })
  assert.equal(parseQuery(bytes, bytes.length, query), true)
  assert.deepEqual(
    [query.edns.isPresent, query.edns.udpPayload, query.edns.version, query.edns.isDnssecOk],
    [true, 4000, 1, true],
  )
  const plain = buildQuery('a', types.A)
  assert.equal(parseQuery(plain, plain.length, query), true)
  assert.deepEqual(
    [query.edns.isPresent, query.edns.udpPayload, query.edns.version, query.edns.isDnssecOk],
    [false, 512, 0, false],
  )
})

test('a cookie is found by its length, and the first one counts', () => {
  const cookies = (...lengths: number[]) => ({
    options: lengths.map((length) => ({ code: 10, data: Array.from({ length }, () => 7) })),
  })
  for (let length = 0; length < 60; length++) {
    const bytes = buildQuery('a', types.A, { edns: cookies(length) })
    const isGood = length === 8 || (length >= 16 && length <= 40)
    assert.equal(parseQuery(bytes, bytes.length, query), isGood, `${length} octets`)
    assert.equal(query.edns.cookieLength, isGood ? length : 0)
  }
  const twice = buildQuery('a', types.A, { edns: cookies(24, 3) })
  assert.equal(parseQuery(twice, twice.length, query), true)
  assert.deepEqual([query.edns.cookieLength, query.edns.cookieAt], [24, twice.length - 24 - 4 - 3])
})

test('without a question only a cookie makes a query', () => {
  const withoutQuestion = (edns: Parameters<typeof buildOpt>[0]) => {
    const bytes = Buffer.concat([Buffer.alloc(12), buildOpt(edns)])
    bytes.writeUInt16BE(1, 10)
    return bytes
  }
  const fetching = withoutQuestion({ options: [{ code: 10, data: [1, 2, 3, 4, 5, 6, 7, 8] }] })
  assert.equal(parseQuery(fetching, fetching.length, query), true)
  assert.deepEqual([query.questionEnd, query.edns.cookieLength, query.labelCount], [12, 8, 0])
  const bare = withoutQuestion({})
  assert.equal(parseQuery(bare, bare.length, query), false)
  assert.equal(query.edns.isPresent, true)
})

test('a payload below 512 counts as 512', () => {
  const bytes = buildQuery('a', types.A, { edns: { payload: 100 } })
  assert.equal(parseQuery(bytes, bytes.length, query), true)
  assert.equal(query.edns.udpPayload, 512)
})

test('only the octets of the message count, whatever is behind them in the buffer', () => {
  const message = buildQuery('a', types.A)
  const buffer = Buffer.concat([message, buildOpt({})])
  assert.equal(parseQuery(buffer, message.length, query), true)
  assert.equal(parseQuery(buffer, buffer.length, query), false)
})

test('what stood before a fault stays readable: the question, and that there was an OPT', () => {
  const bytes = Buffer.concat([buildQuery('a', types.A, { edns: {} }), Buffer.from([1])])
  assert.equal(parseQuery(bytes, bytes.length, query), false)
  assert.equal(query.questionEnd, 12 + 3 + 4)
  assert.equal(query.edns.isPresent, true)
})

test('without exactly one question there is none to echo', () => {
  for (const count of [0, 2, 65_535]) {
    const bytes = buildQuery('a', types.A)
    bytes.writeUInt16BE(count, 4)
    assert.equal(parseQuery(bytes, bytes.length, query), false)
    assert.equal(query.questionEnd, 12)
  }
})

test('OPT is found behind other records', () => {
  const record = Buffer.from('c00c000100010000003c00047f000009', 'hex')
  const question = buildQuery('a', types.A)
  const bytes = Buffer.concat([question, record, record, buildOpt({ payload: 900 })])
  bytes.writeUInt16BE(1, 8)
  bytes.writeUInt16BE(2, 10)
  assert.equal(parseQuery(bytes, bytes.length, query), true)
  assert.equal(query.edns.udpPayload, 900)
})
