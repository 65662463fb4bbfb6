import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressesIn, addressesNamed, maxAddresses } from '../../../src/mail/addresses.ts'
import { readHeaderSection } from '../../../src/mail/header.ts'

test('addresses are found among names, comments, groups and routes', () => {
  const cases: Record<string, string[]> = {
    'a@b.example': ['a@b.example'],
    ' <a@b.example> ': ['a@b.example'],
    'A B <a@b.example>, c@d.example': ['a@b.example', 'c@d.example'],
    '"x@y.example, z" <a@b.example>': ['a@b.example'],
    '"x@y.example"<a@b.example>': ['a@b.example'],
    'x@y.example <a@b.example>': ['a@b.example'],
    'a@b.example (x@y.example (deeper, c@d.example)\\) still)': ['a@b.example'],
    'Team: a@b.example, C <c@d.example>;, e@f.example': [
      ...['a@b.example', 'c@d.example', 'e@f.example'],
    ],
    'undisclosed-recipients:;': [],
    '<@one.example,@two.example:a@b.example>': ['a@b.example'],
    '"a b"@c.example': ['"a b"@c.example'],
    '"a \\" b, <x@y.example>" <a@b.example>': ['a@b.example'],
    '=?utf-8?q?A=2C_B?= <a@b.example>': ['a@b.example'],
    "'a@b.example'": ['a@b.example'],
    "<'a@b.example'>": ['a@b.example'],
    "o'neill@b.example": ["o'neill@b.example"],
    'prvs=1234abcdef=a+tag@b.example': ['prvs=1234abcdef=a+tag@b.example'],
    'mailto of a@b.example and c@d.example': ['a@b.example', 'c@d.example'],
    '"never closed <a@b.example>': ['a@b.example'],
    '(never closed <a@b.example>': ['a@b.example'],
    [`<${'x'.repeat(400)}@b.example>`]: [],
    '<>': [],
    '': [],
    '@, a@, @b': [],
  }
  for (const [value, expected] of Object.entries(cases)) {
    assert.deepEqual(addressesIn(value), expected, value)
  }
})

test('all fields of a name count, each address once, and not without end', () => {
  const many = Array.from({ length: 3 * maxAddresses }, (_, index) => `u${index}@b.example`)
  const header = readHeaderSection(
    Buffer.from(
      `To: a@b.example\r\nTO: "A" <a@b.example>,\r\n c@d.example\r\nCc: e@f.example\r\nFrom: ${many.join(',\r\n ')}\r\n\r\n`,
    ),
  )
  assert.deepEqual(addressesNamed(header, 'to'), ['a@b.example', 'c@d.example'])
  assert.equal(addressesNamed(header, 'from', 'to').length, maxAddresses)
})
