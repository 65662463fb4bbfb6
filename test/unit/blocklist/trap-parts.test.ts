// No text that holds a part of a trap passes, in whatever form the part is written.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainToASCII } from 'node:url'
import { trapPartFinder } from '../../../src/blocklist/trap-parts.ts'
import { formsOf } from '../../support/disclosure.ts'
import fc from '../../support/properties.ts'

const traps = ['quiet.heron42@hidden-trap.example.org', 'leiser.reiher7@versteckte-fälle.example']

test('each form of a trap is found', () => {
  for (const trap of traps) {
    const holds = trapPartFinder([
      trap.replace(/(.*)@(.*)/, (_, a, b) => `${a}@${domainToASCII(b)}`),
    ])
    for (const [name, form] of Object.entries(formsOf(trap))) {
      // A digest says nothing to who does not know the trap already.
      if (/^(md5|sha)/.test(name)) continue
      const text = Buffer.from(form).toString()
      assert.ok(holds(text), `${name}: ${text}`)
      assert.ok(holds(`mx.${text}.sender.net`), `${name} inside a name`)
    }
  }
})

test('the names of patterns are found, and of the parts of the trap either', () => {
  const holds = trapPartFinder([
    '*@trap.example.org',
    '*@*.Deep.Trap.net',
    'long.user@b.net',
    'x+y',
  ])
  for (const text of [
    'trap.example.org',
    'MX7.Trap.Example.Org.',
    'mx-trap-example-org.sender.net',
    'a.deep.trap.net',
    'longuser.sender.net',
    'b.net',
    'x.y',
  ]) {
    assert.ok(holds(text), text)
  }
})

test('other names pass, though they share letters or words with a trap', () => {
  const holds = trapPartFinder(['jo@trap.example.org', '*@*.traps.net', 'info@a-b.de'])
  for (const text of [
    'mx.example.net',
    'joe.example.org',
    'postfix',
    '5.1.1',
    'mx.net',
    'ab.org',
  ]) {
    assert.equal(holds(text), false, text)
  }
  assert.ok(holds('jo.example.net'), 'a short part is found as a word of its own')
})

test('with no trap everything passes but what is too long to search', () => {
  const holds = trapPartFinder([])
  assert.equal(holds('mx.example.net'), false)
  assert.equal(holds(''), false)
  assert.equal(holds('a'.repeat(513)), true)
})

const octetForms: readonly ((hex: string, octet: number) => string)[] = [
  (hex) => `=${hex}`,
  (hex) => `%${hex}`,
  (hex) => `+${hex}`,
  (hex) => `\\x${hex}`,
  (hex) => `\\u00${hex}`,
  (hex) => `&#x${hex};`,
  (_, octet) => `&#${octet};`,
  (_, octet) => `\\${String(octet).padStart(3, '0')}`,
  (_, octet) => String.fromCharCode(octet).toUpperCase(),
  (_, octet) => String.fromCharCode(octet),
  (_, octet) => String.fromCharCode(octet),
]

/** A text with each character written in one of these forms, or in any of them. */
const written = (text: string) =>
  fc
    .array(fc.nat(octetForms.length - 1), { minLength: text.length, maxLength: text.length })
    .map((choices) =>
      [...Buffer.from(text)]
        .map((octet, index) => {
          const form = octetForms[choices[index] ?? 0]
          return form?.(octet.toString(16).padStart(2, '0'), octet)
        })
        .join(''),
    )

/** Ways to encode a whole text. */
const wrapped = fc.constantFrom<((text: string) => string)[]>(
  (text) => text,
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(text).toString('base64url'),
  (text) => Buffer.from(text).toString('hex'),
  (text) => encodeURIComponent(text),
  (text) => [...text].reverse().join(''),
)

const user = fc.stringMatching(/^[a-z]{5}[a-z0-9]{0,5}(\.[a-z0-9]{1,5})?$/)
const domain = fc.stringMatching(/^[a-z]{3}[a-z0-9]{0,8}\.(example|net|org)$/)
const around = fc.stringMatching(/^([a-z]{1,8}[.=-])?$/)

test('any trap in random mixed encodings is found', () => {
  fc.assert(
    fc.property(
      fc
        .tuple(user, domain)
        .chain(([local, host]) =>
          fc.record({
            trap: fc.constant(`${local}@${host}`),
            part: fc
              .constantFrom(local, host, `${local}@${host}`, `${local}=${host}`)
              .chain(written),
            wrap: wrapped,
            before: around,
            after: around,
          }),
        )
        .filter(({ part }) => part.length < 150),
      ({ trap, part, wrap, before, after }) => {
        const text = `${before}${wrap(part)}.${after}`
        assert.ok(trapPartFinder([trap])(text), text)
      },
    ),
    { numRuns: 500 },
  )
})

test('any text gets an answer, in bounded work', () => {
  const holds = trapPartFinder(traps)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 600 }),
        fc.stringMatching(/^[=%+&#xn\\u{}0-9a-f;.-]{0,512}$/),
      ),
      (text) => assert.equal(typeof holds(text), 'boolean'),
    ),
  )
})
