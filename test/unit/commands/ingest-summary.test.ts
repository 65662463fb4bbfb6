// The sentence that `ingest` ends with.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IngestSummary } from '../../../src/commands/ingest-summary.ts'

function summary(outcomes: readonly (readonly [string, string?])[], isDryRun = false): string {
  const counted = new IngestSummary({ isDryRun })
  for (const [outcome, why] of outcomes) counted.add(outcome, why)
  return counted.inWords()
}

test('the first count says what is counted, and each verb agrees with its number', () => {
  const unknown = ['ignored', 'no client address is known'] as const
  assert.equal(
    summary([['stranger'], unknown, ['stranger'], unknown]),
    '2 messages prove nothing (no client address is known), 2 were for no trap.\n',
  )
  assert.equal(
    summary([['duplicate'], ['counted'], ['listed']]),
    '1 message listed a host, 1 only counts, 1 was recorded before.\n',
  )
  assert.equal(summary([['stranger']]), '1 message was for no trap.\n')
  assert.equal(summary([]), 'There are no messages.\n')
})

test('a dry run tells what would happen', () => {
  assert.equal(
    summary([['listed'], ['extended'], ['counted'], ['counted']], true),
    '1 message would list a host, 1 would extend a listing, 2 only count.\n',
  )
})

test('the most frequent reasons are named, without what differs from message to message', () => {
  const reasons = ['a', 'b', 'b: one', 'b: two', 'c', 'c', 'd', 'e']
  assert.equal(
    summary(reasons.map((why) => ['ignored', why])),
    '3 messages prove nothing (b), 2 prove nothing (c), 1 proves nothing (a), 2 prove nothing (other reasons: see --json).\n',
  )
})
