// Messages take turns to compute, and none has the turn while it waits for DNS: what the shared words say of it is what
// the main thread goes by when a message takes too long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Resolved } from '../../../src/resolver/resolver.ts'
import { sharedWords } from '../../../src/traps/message-reader.ts'
import { Share, Turns } from '../../../src/traps/message-thread.ts'

function turnsFor() {
  const words = sharedWords(new SharedArrayBuffer(16))
  const answers = new Map<string, PromiseWithResolvers<Resolved>>()
  const resolver = {
    resolve: (name: string, type: string) => {
      const answer = Promise.withResolvers<Resolved>()
      answers.set(`${type} ${name}`, answer)
      return answer.promise
    },
  }
  const turns = new Turns(words)
  return {
    share: (number: number) => new Share(turns, number, resolver),
    answer: (question: string) => answers.get(question)?.resolve([]),
    computing: () => Atomics.load(words.number, 0),
  }
}

const settled = (): Promise<void> => new Promise((next) => setImmediate(next))

test('a message that waits for the second of two answers lets others compute', async () => {
  const { share, answer, computing } = turnsFor()
  const first = share(1)
  await first.begin()
  // As SPF's `a` and `mx` are looked up.
  const both = Promise.all([first.resolve('a.example', 'A'), first.resolve('a.example', 'AAAA')])
  answer('A a.example')
  await settled()
  const second = share(2)
  void second.begin()
  await settled()
  assert.equal(computing(), 2)
  second.end()
  answer('AAAA a.example')
  await both
  assert.equal(computing(), 1)
})

test('a message that is over while it waits for its turn takes it from nobody', async () => {
  const { share, answer, computing } = turnsFor()
  const over = share(1)
  await over.begin()
  const asked = over.resolve('a.example', 'TXT')
  const [busy, next] = [share(2), share(3)]
  await busy.begin()
  answer('TXT a.example')
  await settled()
  void next.begin()
  // Its checks have a deadline, which others' work counts for too.
  over.end()
  await settled()
  assert.equal(computing(), 2)
  busy.end()
  await assert.rejects(asked, { code: 'ETIMEOUT' })
  await settled()
  assert.equal(computing(), 3)
  next.end()
  assert.equal(computing(), 0)
})

test('a check that was given up asks nobody any more', async () => {
  const { share } = turnsFor()
  const over = share(1)
  await over.begin()
  over.end()
  await assert.rejects(over.resolve('a.example', 'TXT'), { code: 'ETIMEOUT' })
})
