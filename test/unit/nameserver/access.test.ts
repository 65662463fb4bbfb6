// Access rules compiled into ranges, against a naive longest-prefix search.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { access } from '../../../src/dns/responder.ts'
import { type AccessRule, accessOf, compileAccess } from '../../../src/nameserver/access.ts'
import fc from '../../support/properties.ts'

const bits = { 4: 32, 6: 128 } as const

function words(family: 4 | 6, value: bigint) {
  const shifted = family === 4 ? value << 96n : value
  const word = (index: number) => Number((shifted >> BigInt(96 - 32 * index)) & 0xffffffffn) | 0
  return { family, w0: word(0), w1: word(1), w2: word(2), w3: word(3) }
}

/** Few different high and low parts, so that prefixes nest and addresses meet them. */
const address = fc
  .record({
    family: fc.constantFrom<4 | 6>(4, 6),
    top: fc.constantFrom(0n, 1n, 0x7fn, 0x80n, 0xffn),
    low: fc.constantFrom(0n, 1n, 2n, 255n, 256n),
    isHigh: fc.boolean(),
  })
  .map(({ family, top, low, isHigh }) => {
    const all = (1n << BigInt(bits[family])) - 1n
    const value = (top << BigInt(bits[family] - 8)) | low
    return { family, value: isHigh ? all - value : value }
  })

const rule = fc
  .record({
    address,
    length: fc.nat({ max: 128 }),
    action: fc.constantFrom<keyof typeof access>('allow', 'refuse', 'drop'),
  })
  .map(({ address: { family, value }, length, action }) => {
    const cut = Math.min(length, bits[family])
    const host = BigInt(bits[family] - cut)
    const first = (value >> host) << host
    return { family, first, host, length: cut, action }
  })

test('the longest prefix decides, whatever the rules', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 12 }), fc.array(address), (rules, addresses) => {
      const table = compileAccess(
        rules.map(({ family, first, length, action }): AccessRule => {
          return { prefix: { ...words(family, first), length }, action }
        }),
      )
      for (const { family, value } of addresses) {
        const matching = rules
          .filter(
            (each) => each.family === family && value >> each.host === each.first >> each.host,
          )
          .toSorted((a, b) => a.length - b.length)
        const expected = access[matching.at(-1)?.action ?? 'allow']
        assert.equal(accessOf(table, words(family, value)), expected)
      }
    }),
  )
})

test('without rules everybody is allowed', () => {
  const table = compileAccess([])
  assert.equal(accessOf(table, words(4, 0xffffffffn)), access.allow)
  assert.equal(accessOf(table, words(6, 0n)), access.allow)
})
