import assert from 'node:assert/strict'
import { test } from 'node:test'
import { optionalTable, readSettings, table, tables } from '../../../src/config/schema.ts'
import {
  duration,
  flag,
  integer,
  list,
  listenAddress,
  prefixText,
  size,
  text,
  word,
} from '../../../src/config/values.ts'

const declaration = table('', {
  name: text('', 'x'),
  inner: table('', { count: integer('', 3, 1, 9), on: flag('', false) }),
  extra: optionalTable('', { needed: text('', undefined) }),
  many: tables('', { colour: word('', undefined, ['red', 'green']) }),
  wait: duration('', '5m', 1, 3600),
  room: size('', '1 MiB', 1, 1024 ** 3),
  ports: list(listenAddress(''), []),
  nets: list(prefixText(''), []),
})

function faults(raw: Record<string, unknown>): string[] {
  return readSettings(declaration, raw, '/').problems.map(({ path, why }) => `${path}: ${why}`)
}

test('an empty file gives the defaults', () => {
  const { value, problems } = readSettings(declaration, {}, '/')
  assert.deepEqual(problems, [])
  assert.deepEqual(value, {
    name: 'x',
    inner: { count: 3, on: false },
    many: [],
    wait: 300,
    room: 1024 ** 2,
    ports: [],
    nets: [],
  })
})

test('values are read into what they mean', () => {
  const { value, problems } = readSettings(
    declaration,
    {
      extra: { needed: 'y' },
      many: [{ colour: 'red' }],
      wait: '1h',
      room: '2 MiB',
      ports: ['[::1]:53'],
      nets: ['10.0.0.0/8'],
    },
    '/',
  )
  assert.deepEqual(problems, [])
  assert.equal(value.extra?.needed, 'y')
  assert.equal(value.many[0]?.colour, 'red')
  assert.equal(value.wait, 3600)
  assert.equal(value.room, 2 * 1024 ** 2)
})

test('each fault is reported with its path and what was expected', () => {
  const found = faults({
    nmae: 'y',
    inner: { count: 12, on: 'yes' },
    extra: {},
    many: [{ colour: 'red' }, { colour: 'blue' }],
    wait: '5 minutes',
    room: '2 GB',
    ports: ['127.0.0.1:53', '::1:53'],
    nets: ['10.0.0.1/8'],
  })
  assert.deepEqual(found, [
    'nmae: unknown key; did you mean name?',
    'inner.count: expected a whole number from 1 to 9, not 12',
    'inner.on: expected true or false, not "yes"',
    'extra.needed: missing; expected a string',
    'many[2].colour: expected one of "red", "green", not "blue"',
    'wait: expected a duration from 1s to 1h, such as "90s", "1h" or "28d", not "5 minutes"',
    'room: expected a size from 1 B to 1 GiB, such as "16 MiB", not "2 GB"',
    'ports: entry 2: expected an address and port such as "192.0.2.1:53" or "[2001:db8::1]:53", not "::1:53"',
    'nets: entry 1: "10.0.0.1/8": host bits are set: the network is 10.0.0.0/8',
  ])
})

test('a fault does not repeat what looks like a mail address', () => {
  const found = faults({
    inner: { on: 'trap@x.example' },
    many: [{ colour: 'a trap@x.example' }],
    ports: ['trap@x.example'],
    nets: ['@x.example'],
  })
  assert.ok(found.includes('inner.on: expected true or false, not "(address)"'))
  assert.ok(!found.some((each) => each.includes('x.example')), found.join('\n'))
})

test('a table where a value belongs, and the other way round, are faults', () => {
  assert.deepEqual(faults({ inner: 3, many: { colour: 'red' }, name: {} }), [
    'name: expected a string, not {}',
    'inner: expected a table [inner]',
    'many: expected tables, each written [[many]]',
  ])
})

test('no key is taken from the prototype', () => {
  assert.deepEqual(faults({ toString: 1 }), ['toString: unknown key'])
})
