import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  allValues,
  firstValue,
  maxHeaderBytes,
  maxHeaderFields,
  maxValueLength,
  parseParameters,
  readHeaderSection,
} from '../../../src/mail/header.ts'
import { octets } from '../../support/messages.ts'

test('fields are unfolded, in order, with the octets they stood on', () => {
  const raw = octets('Received: from a', '\tby b', 'SUBJECT : x', '', 'Body: no field')
  const section = readHeaderSection(raw)
  assert.deepEqual(
    section.fields.map(({ name, value }) => [name, value]),
    [
      ['received', 'from a by b'],
      ['subject', 'x'],
    ],
  )
  const [received] = section.fields
  assert.equal(
    Buffer.from(raw).toString('latin1', received?.start, received?.end),
    'Received: from a\r\n\tby b\r\n',
  )
  assert.equal(Buffer.from(raw).toString('latin1', section.bodyStart), 'Body: no field')
  assert.equal(section.cut, null)
})

test('bare line feeds end lines as well', () => {
  const section = readHeaderSection(Buffer.from('A: 1\nB: 2\n 3\n\nbody'))
  assert.equal(firstValue(section, 'b'), '2 3')
  assert.equal(section.bodyStart, 14)
})

test('an mbox line before the first field is passed over', () => {
  const section = readHeaderSection(Buffer.from('From x@y Tue Nov 24\nA: 1\n\n'))
  assert.equal(section.start, 20)
  assert.deepEqual(allValues(section, 'a'), ['1'])
})

test('junk lines are no fields and do not end the section', () => {
  const section = readHeaderSection(octets('A: 1', 'no colon here', ' continued junk', 'B: 2', ''))
  assert.deepEqual(
    section.fields.map(({ name, value }) => `${name}=${value}`),
    ['a=1', 'b=2'],
  )
})

test('a section without its empty line reaches to the end', () => {
  const section = readHeaderSection(octets('A: 1', 'B: 2'))
  assert.equal(firstValue(section, 'b'), '2')
  assert.equal(section.bodyStart, 10)
})

test('values carry no control characters and no broken UTF-8', () => {
  const raw = Buffer.concat([Buffer.from('A: x\0\u001b[1m\ty '), Buffer.from([0xff, 0xfe, 0x0a])])
  assert.equal(firstValue(readHeaderSection(raw), 'a'), 'x [1m y \ufffd\ufffd')
})

test('a header line of a megabyte is cut, and said to be', () => {
  const section = readHeaderSection(octets('A: 1', `B: ${'x'.repeat(1_000_000)}`, 'C: 3', '', ''))
  assert.equal(firstValue(section, 'a'), '1')
  assert.equal(firstValue(section, 'c'), undefined)
  assert.match(section.cut ?? '', new RegExp(`${maxHeaderBytes} octets`))
})

test('more fields than any mail has are not all read', () => {
  const section = readHeaderSection(Buffer.from('A: 1\n'.repeat(maxHeaderFields + 1)))
  assert.equal(section.fields.length, maxHeaderFields)
  assert.match(section.cut ?? '', /fields/)
})

test('a long value is kept to its limit', () => {
  const section = readHeaderSection(octets(`A: ${'é'.repeat(20_000)}`, '', ''))
  assert.equal(firstValue(section, 'a')?.length, maxValueLength)
})

test('parameters: quoted, bare, repeated, and broken', () => {
  const { value, parameters } = parseParameters(
    'Multipart/Report; report-type=delivery-status ; boundary="a;\\"b" ; Boundary=c; junk; =x; q="open',
  )
  assert.equal(value, 'multipart/report')
  assert.deepEqual(
    ['report-type', 'boundary', 'q', 'none'].map((name) => parameters.get(name)),
    ['delivery-status', 'a;"b', 'open', undefined],
  )
})

test('control characters above ASCII are no blanks', () => {
  const section = readHeaderSection(octets('A: x\u0085y\u009fz', '', ''))
  assert.equal(firstValue(section, 'a'), 'x\ufffdy\ufffdz')
})

test('an input of nothing but line ends ends with its first', () => {
  const raw = Buffer.from('\r\n'.repeat(450_000))
  assert.deepEqual(readHeaderSection(raw), { fields: [], start: 0, bodyStart: 2, cut: null })
})
