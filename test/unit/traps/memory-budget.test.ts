import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryBudget } from '../../../src/traps/memory-budget.ts'

const mib = 1024 ** 2

/** Begins so many messages, and returns how many of them found room. */
function fill(
  memory: MemoryBudget,
  client: string | null,
  messages: number,
  octets = 10 * mib,
): number {
  const held = Array.from({ length: messages }, () => memory.open(octets, client))
  for (const each of held) each.append(new Uint8Array(octets))
  return held.filter((each) => each.content() !== null).length
}

test('one client’s messages under way leave room for everybody else’s', () => {
  const memory = new MemoryBudget(100 * mib)
  assert.equal(fill(memory, '192.0.2.1', 10), 2)
  assert.equal(fill(memory, '192.0.2.2', 10), 2)
  assert.equal(fill(memory, null, 10), 6)
})

test('several clients that take all they can leave room for the next one', () => {
  const memory = new MemoryBudget(100 * mib)
  for (let client = 1; client <= 10; client++) fill(memory, `192.0.2.${client}`, 40, mib)
  assert.equal(fill(memory, '192.0.2.99', 1, 100 * 1024), 1)
})

test('a client’s share is free again when his message is done', () => {
  const memory = new MemoryBudget(40 * mib)
  for (let turn = 0; turn < 3; turn++) {
    using message = memory.open(10 * mib, '192.0.2.1')
    message.append(new Uint8Array(10 * mib))
    assert.notEqual(message.content(), null)
  }
  assert.equal(fill(memory, null, 10), 4)
})

test('a mailbox waits until there is room, and the first to wait is the first served', async () => {
  const memory = new MemoryBudget(100)
  const first = memory.hold(80)
  assert.notEqual(first, null)
  assert.equal(memory.hold(30), null)
  const order: string[] = []
  const large = memory.wait(500).then((held) => {
    order.push('large')
    held[Symbol.dispose]()
  })
  const small = memory.wait(10).then(() => order.push('small'))
  await Promise.resolve()
  assert.deepEqual(order, [])
  first?.[Symbol.dispose]()
  await Promise.all([large, small])
  assert.deepEqual(order, ['large', 'small'])
})
