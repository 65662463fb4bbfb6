// Primaries that send nonsense, another zone's answer, or no end: the transfer fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetchZone } from '../../../src/mirror/fetch-zone.ts'
import { optionsFor, wrongPrimaries } from '../../support/hostile-primary.ts'

for (const [what, [why, answer]] of Object.entries(wrongPrimaries)) {
  test(`${what}: the transfer fails`, async (t) => {
    await assert.rejects(fetchZone(await optionsFor(t, answer), undefined, true), why)
  })
}

test('a transfer can be ended while the primary says nothing', async (t) => {
  const ending = new AbortController()
  const options = await optionsFor(t, () => ending.abort())
  const ended = fetchZone({ ...options, signal: ending.signal }, undefined, true)
  await assert.rejects(ended, /was ended/)
})
