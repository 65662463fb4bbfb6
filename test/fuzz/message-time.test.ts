// Messages of one structure that grows, up to 10 MiB, through everything that reads a message. None needs so much
// processor time that its worker would be replaced, and finding the recipients never holds up the main thread.
// FUZZ_SECONDS sets how long it runs (default 3); FUZZ_SEED repeats a run. The slowest message is printed.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseTrustedRelays } from '../../src/mail/trace.ts'
import { ResolveError } from '../../src/resolver/resolver.ts'
import type { AuthenticityOptions } from '../../src/traps/authenticity.ts'
import { storedDelivery } from '../../src/traps/delivery.ts'
import { readMessage } from '../../src/traps/message-thread.ts'
import { type Growth, grow, growths, trap } from '../support/growing-messages.ts'
import fc from '../support/properties.ts'

const { FUZZ_SECONDS: seconds = '3', FUZZ_SEED: seed } = process.env

/**
 * Milliseconds of the thread's own processor time: for one message in the worker, and for one turn of the main
 * thread.
 */
const longestReading = 5000
const longestTurn = 100

const relays = parseTrustedRelays(['mx.trap.example', '192.0.2.0/24'])
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')

const authenticity: AuthenticityOptions = {
  now: () => 1_795_500_000,
  deadlineMs: 600_000,
  resolver: {
    resolve: async (name, type) => {
      if (type !== 'TXT' || !name.includes('_domainkey')) {
        throw new ResolveError('ENOTFOUND', name, type)
      }
      return [[`v=DKIM1; k=rsa; p=${key}`]]
    },
  },
}

/** Everything the main thread does with a message before a worker has read it. */
function findRecipients(raw: Uint8Array): void {
  storedDelivery(
    { raw, source: 'fuzz', storedAt: 1, allTraps: true },
    { relays, list: { isTrap: (address) => address === trap }, now: () => 1 },
  )
}

async function read(raw: Uint8Array): Promise<void> {
  const trace = { client: null, newestTime: null, recipients: [], believed: [] }
  await readMessage(
    raw,
    { trace, recipients: [trap], seenAt: 1, source: 'fuzz', reversePath: '' },
    authenticity,
  )
}

/** The shortest of up to three tries, so that garbage collection does not count. */
async function processorTime(work: () => unknown, limit: number): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 3 && shortest > limit; tries++) {
    const before = process.threadCpuUsage()
    await work()
    const { user, system } = process.threadCpuUsage(before)
    shortest = Math.min(shortest, (user + system) / 1000)
  }
  return shortest
}

/** Equally many of each order of magnitude, from 1 KiB to 10 MiB. */
const sizes = fc
  .double({ min: 10, max: Math.log2(10 * 1024 * 1024), noNaN: true })
  .map((exponent) => Math.floor(2 ** exponent))

test('no structure that grows takes more than the time of its octets', async (t) => {
  await read(grow({ place: 'field Subject', shape: 'repeat', pieces: ['a', 'a'], size: 100 }))
  let count = 0
  let slowest: { readonly time: number; readonly growth?: Growth } = { time: 0 }
  await fc.assert(
    fc.asyncProperty(growths(sizes), async (growth) => {
      const raw = grow(growth)
      const turn = await processorTime(() => findRecipients(raw), longestTurn)
      assert.ok(turn < longestTurn, `${turn} ms of the main thread for ${raw.length} octets`)
      const time = await processorTime(() => read(raw), longestReading)
      assert.ok(time < longestReading, `${time} ms for ${raw.length} octets`)
      if (time > slowest.time) slowest = { time, growth }
      count++
    }),
    {
      interruptAfterTimeLimit: Number(seconds) * 1000,
      numRuns: Number.MAX_SAFE_INTEGER,
      endOnFailure: true,
      ...(seed !== undefined && { seed: Number(seed) }),
    },
  )
  t.diagnostic(`${count} messages; the slowest took ${JSON.stringify(slowest)}`)
})
