// What to change: the data, and which items fit which host.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Advice, adviceFor, allAdvice } from '../../../src/admin/advice.ts'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { type Admin, evidence, openAdmin, policy } from '../../support/admin.ts'

const generatorsOf = (advice: readonly Advice[]) => advice.map(({ generator }) => generator)

test('each kind has general items, and each item says what to do, where to look and who says so', () => {
  for (const kind of backscatterKinds) {
    const general = allAdvice.filter(({ generator }) => generator === null)
    assert.ok(
      general.some(({ kinds }) => kinds.length === 1 && kinds[0] === kind),
      kind,
    )
  }
  for (const { kinds, generator, title, text, settings, log, links } of allAdvice) {
    assert.ok(kinds.length > 0 && links.length > 0, title)
    if (generator !== null) assert.ok(settings.length > 0, title)
    assert.match(text, /^[a-zA-Z].*\.$/, title)
    assert.ok(text.split(/\. (?=[A-Z])/).length <= 4, title)
    for (const each of [title, text, ...settings, log.line, log.command]) {
      assert.match(each, /^\S(.*\S)?$|^ +\S.*$/, title)
    }
    for (const link of links) assert.equal(new URL(link).protocol, 'https:', title)
  }
  assert.equal(new Set(allAdvice.map(({ title }) => title)).size, allAdvice.length)
})

test('no item has an address that could be taken for a trap', () => {
  assert.doesNotMatch(JSON.stringify(allAdvice), /[^\s"]@[^\s"]|%40/)
})

test('each mail server of the bounces has an item of its own', () => {
  const dsn = generatorsOf(allAdvice.filter(({ kinds }) => kinds.includes('dsn')))
  for (const name of ['postfix', 'exim', 'exchange', 'qmail', 'sendmail', 'domino']) {
    assert.ok(dsn.includes(name), name)
  }
})

test('known software comes first and alone; unknown software gets the general items, then those of all', () => {
  const known = adviceFor(['dsn'], [{ kind: 'dsn', generator: 'exim' }])
  assert.deepEqual(generatorsOf(known), ['exim', null, null])
  const two = adviceFor(
    ['dsn'],
    [{ kind: 'dsn', generator: 'exim' }, { kind: 'dsn', generator: 'postfix' }, { kind: 'dsn' }],
  )
  assert.deepEqual(generatorsOf(two), ['postfix', 'exim', null, null])
  const unknown = generatorsOf(adviceFor(['dsn'], [{ kind: 'dsn' }]))
  assert.deepEqual(unknown.slice(0, 3), [null, null, 'postfix'])
  assert.ok(unknown.includes('exim') && unknown.includes('domino'))
  assert.deepEqual(generatorsOf(adviceFor(['dsn'], [{ kind: 'dsn', generator: 'yahoo' }])), [
    null,
    null,
  ])
})

test('the software of one kind says nothing of another kind, and only listed kinds have items', () => {
  const messages = [{ kind: 'dsn', generator: 'exim' }] as const
  const both = adviceFor(['dsn', 'callout'], messages)
  assert.deepEqual(
    both.map(({ kinds, generator }) => `${kinds.length > 1 ? 'any' : kinds[0]} ${generator}`),
    ['dsn exim', 'any null', 'dsn null', 'callout null', 'callout exim', 'callout postfix'],
  )
  assert.deepEqual(adviceFor([], messages), [])
  assert.deepEqual(
    adviceFor(['callout'], messages).filter(({ kinds }) => !kinds.includes('callout')),
    [],
  )
})

/** The advice of the look-up for the operator, for scope read and for the public. */
async function adviceByScope(admin: Admin, address: string) {
  const ask = async (scope: Admin['scope']): Promise<Advice[]> => {
    admin.scope = scope
    return (await admin.app.inject(`/v1/lookup/${address}`)).json().advice
  }
  return [await ask('admin'), await ask('read'), await ask('public')] as const
}

test('the look-up gives advice for a listing by trap alone: none by hand, for a test entry or for what is not answered', async (t) => {
  const admin = openAdmin(t)
  const details = { generator: 'postfix' }
  await admin.blocklist.record([
    evidence('203.0.113.9', 'dsn', { details }),
    evidence('203.0.113.10', 'callout'),
  ])
  const payload = { prefix: '203.0.113.11', kinds: ['dsn'] }
  await admin.app.inject({ method: 'POST', url: '/v1/listings', payload })
  const [operators, ...others] = await adviceByScope(admin, '203.0.113.9')
  assert.deepEqual(generatorsOf(operators), ['postfix', null, null])
  for (const advice of others) assert.deepEqual(advice, adviceFor(['dsn'], []))
  for (const address of ['203.0.113.10', '203.0.113.11', '203.0.113.12', '127.0.0.3']) {
    assert.deepEqual(await adviceByScope(admin, address), [[], [], []], address)
  }
})

test('once two traps have heard the same software, everybody is told what to change in it', async (t) => {
  const admin = openAdmin(t)
  const dsn = { messages: 2, traps: 2, windowSeconds: 86_400 }
  await admin.blocklist.reconfigure({ ...policy, threshold: { ...policy.threshold, dsn } })
  const details = { generator: 'postfix' }
  await admin.blocklist.record(
    ['one', 'two'].map((name) =>
      evidence('203.0.113.9', 'dsn', { details, recipient: `${name}@trap.example.org` }),
    ),
  )
  for (const advice of await adviceByScope(admin, '203.0.113.9')) {
    assert.deepEqual(generatorsOf(advice), ['postfix', null, null])
  }
})
