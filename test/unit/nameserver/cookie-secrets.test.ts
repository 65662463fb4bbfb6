// Cookie secrets on the main thread: the operator's file, and random ones that roll over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cookies } from '../../../src/dns/cookies.ts'
import { QueryContext } from '../../../src/dns/query-context.ts'
import { OperationalError } from '../../../src/errors.ts'
import { CookieKeeper, parseCookieSecrets } from '../../../src/nameserver/cookie-secrets.ts'

const hex = '0123456789abcdef0123456789ABCDEF'

/** What a thread answers to a cookie. */
function check(keeper: CookieKeeper, cookie: Uint8Array) {
  const cookies = new Cookies(keeper.memory)
  cookies.now = 1_700_000_000
  const isProven = cookies.check(cookie, 0, cookie.length, new QueryContext())
  return { isProven, reply: Buffer.from(cookies.reply) }
}

test('a file of secrets: one a line, the newest first, comments and blank lines passed over', () => {
  const secrets = parseCookieSecrets(`# ours\n\n${hex}  # newest\r\n${'00'.repeat(16)}\n`)
  assert.deepEqual(
    secrets.map((secret) => Buffer.from(secret).toString('hex')),
    [hex.toLowerCase(), '00'.repeat(16)],
  )
})

test('a wrong file of secrets is told by its line', () => {
  for (const [text, why] of [
    ['', /it holds no secret/],
    [`${hex}\n${hex}0\n`, /line 2: expected 32 hexadecimal digits/],
    ['not hexadecimal at all, 32 long..', /line 1/],
    [`${hex}\n`.repeat(5), /5 secrets; at most 4/],
  ] as const) {
    assert.throws(
      () => parseCookieSecrets(text),
      (error) =>
        error instanceof OperationalError &&
        error.code === 'config-invalid' &&
        why.test(error.message),
    )
  }
})

test('a random secret rolls over: the one before is accepted, the one before that is not', (t) => {
  const keeper = new CookieKeeper(undefined)
  t.after(() => keeper.close())
  const first = check(keeper, Buffer.alloc(8, 1))
  assert.deepEqual(check(keeper, first.reply), { isProven: true, reply: first.reply })
  keeper.rollOver()
  const second = check(keeper, first.reply)
  assert.equal(second.isProven, true)
  assert.notDeepEqual(second.reply, first.reply)
  keeper.rollOver()
  assert.equal(check(keeper, first.reply).isProven, false)
  assert.equal(check(keeper, second.reply).isProven, true)
})

test('two servers do not make the same random secret', (t) => {
  const keepers = [new CookieKeeper(undefined), new CookieKeeper(undefined)] as const
  t.after(() => keepers.forEach((keeper) => void keeper.close()))
  const { reply } = check(keepers[0], Buffer.alloc(8, 1))
  assert.equal(check(keepers[1], reply).isProven, false)
})

test('secrets given take the place of random ones at once', (t) => {
  const keeper = new CookieKeeper(undefined)
  t.after(() => keeper.close())
  const before = check(keeper, Buffer.alloc(8, 1))
  keeper.replace([Uint8Array.fromHex(hex)])
  assert.equal(check(keeper, before.reply).isProven, false)
})
