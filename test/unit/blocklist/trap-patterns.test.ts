import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrapPattern, trapMatcher } from '../../../src/blocklist/traps.ts'

function canonical(text: string): string {
  const parsed = parseTrapPattern(text)
  return 'value' in parsed ? parsed.value.text : `refused: ${parsed.why}`
}

function row(pattern: string) {
  return { pattern }
}

test('each pattern has one canonical form', () => {
  const cases = {
    'user@example.org': 'user@example.org',
    'User@Example.ORG': 'user@example.org',
    '@example.org': '*@example.org',
    '*@example.org': '*@example.org',
    '*@*.example.org': '*@*.example.org',
    '@*.Example.org': '*@*.example.org',
    'user@*.example.org': 'user@*.example.org',
    'user+tag@example.org': 'user+tag@example.org',
    '"a b@c"@example.org': '"a b@c"@example.org',
    'ünder@bücher.example': 'ünder@xn--bcher-kva.example',
    '@localhost': '*@localhost',
  }
  for (const [text, expected] of Object.entries(cases)) assert.equal(canonical(text), expected)
})

test('what is no pattern is refused and says why', () => {
  const cases: Record<string, RegExp> = {
    'example.org': /a trap is user@example\.org/,
    '': /a trap is/,
    '@': /not a domain name/,
    'user@': /not a domain name/,
    '@.example.org': /not a domain name/,
    '@example..org': /not a domain name/,
    '@example.org.': /not a domain name/,
    '@-example.org': /not a domain name/,
    '@*example.org': /not a domain name/,
    '@*.*.example.org': /not a domain name/,
    '@*': /not a domain name/,
    '@[192.0.2.1]': /not a domain name/,
    'a b@example.org': /local part/,
    'a..b@example.org': /local part/,
    '.a@example.org': /local part/,
    'a@b@example.org': /local part/,
    '"a@example.org': /local part/,
    'a\n@example.org': /local part/,
    [`${'a'.repeat(65)}@example.org`]: /too long/,
    [`@${'a'.repeat(64)}.example`]: /not a domain name/,
    [`${'a'.repeat(64)}@${'b.'.repeat(95)}example`]: /too long/,
  }
  for (const [text, why] of Object.entries(cases)) assert.match(canonical(text), why, text)
})

test('an address with a BATV tag is the mailbox that it tags', () => {
  const match = trapMatcher(['user@example.org', '@example.net', 'x@example.net'].map(row))
  assert.equal(match('prvs=1234abcdef=user@example.org'), 'user@example.org')
  assert.equal(match('PRVS=1234ABCDEF=User@example.org'), 'user@example.org')
  assert.equal(match('prvs=1234abcdef=x@example.net'), 'x@example.net')
  assert.equal(match('prvs=1234abcdef=other@example.net'), '*@example.net')
  for (const other of ['prvs=1234abcdef=other', 'prvs=1234abcde=user', 'prvs=1234abcdef=']) {
    assert.equal(match(`${other}@example.org`), undefined, other)
  }
})

test('the most specific pattern is the one that matches', () => {
  const match = trapMatcher(
    [
      'user@example.org',
      '@example.org',
      '*@*.example.org',
      'user@*.example.org',
      '*@*.sub.example.org',
      'only@example.net',
    ].map(row),
  )
  const cases: Record<string, string | undefined> = {
    'user@example.org': 'user@example.org',
    'USER@EXAMPLE.ORG': 'user@example.org',
    'other@example.org': '*@example.org',
    'user+tag@example.org': '*@example.org',
    'user@a.example.org': 'user@*.example.org',
    'other@a.b.example.org': '*@*.example.org',
    'other@a.sub.example.org': '*@*.sub.example.org',
    'other@sub.example.org': '*@*.example.org',
    'only@example.net': 'only@example.net',
    'only+tag@example.net': undefined,
    'other@example.net': undefined,
    'only@a.example.net': undefined,
    'user@notexample.org': undefined,
    'user@org': undefined,
    '@example.org': undefined,
    'example.org': undefined,
    '': undefined,
    'user@example.org ': undefined,
    'a@b@example.org': '*@example.org',
  }
  for (const [address, expected] of Object.entries(cases)) {
    assert.equal(match(address), expected, address)
  }
})

test('addresses in Unicode and in A-labels are one', () => {
  const match = trapMatcher([row('@bücher.example')])
  assert.equal(match('a@xn--bcher-kva.example'), '*@xn--bcher-kva.example')
  assert.equal(match('a@BÜCHER.example'), '*@xn--bcher-kva.example')
})

test('10,000 patterns and an address of many labels cost a few look-ups for each label', (t) => {
  const match = trapMatcher(
    Array.from({ length: 10_000 }, (_, index) => row(`@*.d${index}.example.org`)),
  )
  const long = `a@${'x.'.repeat(100)}d77.example.org`
  const lookUps = t.mock.method(Map.prototype, 'get')
  assert.equal(match(long), '*@*.d77.example.org')
  assert.ok(lookUps.mock.callCount() < 400, `${lookUps.mock.callCount()} look-ups`)
  assert.equal(match(`a@${'x.'.repeat(1_000_000)}d77.example.org`), undefined)
})
