import assert from 'node:assert/strict'
import { test } from 'node:test'
import { poolOf, sharedPools } from '../../../src/traps/shared-pools.ts'

test('each row names a provider, its domains, an https source and a day of review', () => {
  for (const { name, suffixes, source, reviewed } of sharedPools) {
    assert.match(name, /^[A-Z][\w.\- ]*$/)
    assert.ok(suffixes.length > 0, name)
    for (const suffix of suffixes) {
      assert.match(suffix, /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/, name)
    }
    assert.equal(new URL(source).protocol, 'https:', name)
    assert.equal(new Date(`${reviewed}T00:00:00Z`).toISOString().slice(0, 10), reviewed, name)
  }
  const names = sharedPools.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

test('no domain lies under another one', () => {
  const suffixes = sharedPools.flatMap((pool) => pool.suffixes)
  for (const inner of suffixes) {
    const outer = suffixes.filter((each) => inner === each || inner.endsWith(`.${each}`))
    assert.deepEqual(outer, [inner])
  }
})

test('a name belongs to a pool if it is or lies under one of its domains', () => {
  assert.equal(poolOf('mail-pl1-x636.google.com'), 'Google')
  assert.equal(poolOf('mail-bn1on0065.outbound.protection.outlook.com'), 'Microsoft 365')
  assert.equal(poolOf('sonic322-27.consmr.mail.bf2.yahoo.com'), 'Yahoo')
  assert.equal(poolOf('smtp4-g21.free.fr'), 'Free')
})

test('names of customers and look-alikes belong to none', () => {
  for (const name of [
    '83.92.168.34.bc.googleusercontent.com',
    'ec2-35-166-182-171.us-west-2.compute.amazonaws.com',
    'evilgoogle.com',
    'mail.google.com.attacker.example',
    'c-73-1-2-3.hsd1.ca.comcast.net',
    'ns1.ip-37-59-142.eu',
    'com',
  ]) {
    assert.equal(poolOf(name), null, name)
  }
})
