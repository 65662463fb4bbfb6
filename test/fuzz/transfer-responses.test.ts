// What primaries may send to a mirror: random octets, and valid responses with damage. Nothing is thrown but an Error that says
// why, and a zone that is believed is one that the tree can show. FUZZ_RUNS sets the runs of each property (300); FUZZ_SEED
// repeats a failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetchZone, framed } from '../../src/mirror/fetch-zone.ts'
import { type MirroredZone, Receiver } from '../../src/mirror/mirrored-zone.ts'
import { NetworkReader } from '../../src/mirror/received-names.ts'
import { readAnswers } from '../../src/mirror/records.ts'
import { entriesOf } from '../../src/mirror/zone-entries.ts'
import { spoilt } from '../support/dns-arbitraries.ts'
import {
  type Answering,
  host,
  messages,
  optionsFor,
  soa,
  status,
  txt,
  zone,
  zoneOrigin,
} from '../support/hostile-primary.ts'
import fc from '../support/properties.ts'
import { axfrQuery } from '../support/transfer-client.ts'

const { FUZZ_RUNS: runs = '300', FUZZ_SEED: seed } = process.env
const parameters = {
  numRuns: Number(runs),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
}
const options = {
  origin: zoneOrigin,
  networks: new NetworkReader('Listed: {ip}'),
  maxNames: 1000,
}
const query = axfrQuery('bl.test.example')
const before = zoneOf(zone(5, [1, 2, 3]))

function zoneOf(records: ReturnType<typeof zone>): MirroredZone {
  const receiver = new Receiver(options, undefined)
  const all = messages(query, records, 50).flatMap((message) => readAnswers(message) ?? [])
  const progress = receiver.take(all)
  assert.ok(typeof progress === 'object' && 'zone' in progress)
  return progress.zone
}

const anyRecords = fc.array(
  fc.oneof(
    fc.nat(9).map((serial) => [soa(serial)]),
    fc.nat(9).map((serial) => [status(serial)]),
    fc.nat(255).map(host),
    fc.nat(255).map((last) => host(last).slice(0, 1)),
    fc
      .constantFrom('*.51.198', '*.2.0.0.1', '*.6', '', 'ns1')
      .map((owner) => [txt(owner, 'Listed: 198.51.0.0')]),
  ),
  { maxLength: 20 },
)
const anyResponse = fc.oneof(
  fc.constantFrom(
    zone(6, [1, 2, 7]),
    [soa(6), soa(5), status(5), ...host(1), soa(6), status(6), ...host(9), soa(6)],
    [soa(5)],
  ),
  anyRecords.map((lists) => lists.flat()),
)
const anyMessages = fc
  .tuple(anyResponse, fc.integer({ min: 1, max: 20 }))
  .map(([records, each]) => messages(query, records, each).map((each) => Buffer.from(each)))
/** Each message is spoilt with a chance of a third. */
const spoiltMessages = anyMessages.chain((all) =>
  fc.tuple(
    ...all.map((message) =>
      fc.oneof(
        { weight: 2, arbitrary: fc.constant(message) },
        { weight: 1, arbitrary: spoilt(fc.constant(message)) },
      ),
    ),
  ),
)

test('no response throws, and what is believed can be shown', () => {
  const copy = JSON.stringify(before.names)
  let believed = 0
  fc.assert(
    fc.property(spoiltMessages, (all) => {
      const receiver = new Receiver(options, before)
      for (const message of all) {
        if (message.length < 12) return
        const progress = receiver.take(readAnswers(message) ?? [])
        if (progress === 'more') continue
        if (progress === 'current' || 'fault' in progress) break
        believed += 1
        const { names } = progress.zone
        assert.ok(names.every(({ codes }) => codes > 0))
        assert.ok(entriesOf(names, 100_000).length >= Math.min(1, names.length))
        break
      }
      assert.equal(JSON.stringify(before.names), copy)
    }),
    parameters,
  )
  assert.ok(believed > 0)
})

/** The message with the id of the query, so that it counts as its answer. */
function withId(asked: Uint8Array, message: Uint8Array): Uint8Array {
  const answer = Uint8Array.from(message)
  answer.set(asked.subarray(0, Math.min(2, answer.length)))
  return answer
}

test('over a connection, spoilt responses and random octets end the transfer with a reason', async (t) => {
  let stream: readonly Uint8Array[] = []
  const answer: Answering = (asked, socket) => {
    for (const each of stream) socket.write(framed(withId(asked, each)))
    socket.end()
  }
  const { primary, ...rest } = await optionsFor(t, answer)
  const { signal } = new AbortController()
  let believed = 0
  // Without a key, so that more than the signature is tried.
  const all = { ...rest, primary: { ...primary, key: undefined } }
  const anyStream = fc.oneof(
    fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 4 }),
    spoiltMessages,
  )
  await fc.assert(
    fc.asyncProperty(anyStream, async (octets) => {
      stream = octets
      const found = await fetchZone({ ...all, signal }, before, false).catch(
        (error: unknown) => error,
      )
      if (found === undefined) return
      if (!(found instanceof Error)) believed += 1
      assert.ok(found instanceof Error ? found.message !== '' : typeof found === 'object')
      assert.ok(!(found instanceof TypeError || found instanceof RangeError), String(found))
    }),
    parameters,
  )
  assert.ok(believed > 0)
})
