// The search that the tests of secrecy rely on: it finds an address in every usual form, wherever it stands, and finds
// none where there is none.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { disclosuresIn, formsOf } from '../support/disclosure.ts'

const addresses = [
  'Quiet.Heron42@hidden-trap.example.org',
  'leiser.reiher7@versteckte-fälle.example',
]

for (const address of addresses) {
  for (const [name, form] of Object.entries(formsOf(address))) {
    test(`${name}: ${address}`, () => {
      const around = (octets: string | Uint8Array): Buffer =>
        Buffer.concat([Buffer.from('before "'), Buffer.from(octets), Buffer.from('", after\n')])
      for (const each of [form, around(form), around(around(form))]) {
        assert.notDeepEqual(disclosuresIn(each, [address]), [])
      }
    })
  }
}

test('written in two ways at once', () => {
  const [address = ''] = addresses
  const twice = [
    Buffer.from(encodeURIComponent(`x${address}`)).toString('base64'),
    encodeURIComponent(Buffer.from(address).toString('base64')),
    Buffer.from(Buffer.from(address).toString('base64')).toString('hex'),
    JSON.stringify({ text: `user=${address.replace('@', '=40')}` }).replaceAll('=', '\\u003d'),
  ]
  for (const each of twice) assert.notDeepEqual(disclosuresIn(each, [address]), [], each)
})

test('nothing is found where nothing is', () => {
  for (const file of ['README.md', 'LICENSE', 'package-lock.json', 'data/demo.toml']) {
    assert.deepEqual(disclosuresIn(readFileSync(file), addresses), [], file)
  }
})
