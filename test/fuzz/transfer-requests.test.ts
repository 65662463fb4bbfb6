// Queries for a transfer of random and mutated octets: nothing is thrown, and no message is made for a client that no
// rule names. FUZZ_RUNS sets the runs of each property (1000); FUZZ_SEED repeats a failure.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { ClientAddress } from '../../src/dns/query-context.ts'
import { networkOf } from '../../src/ip/address.ts'
import { isTransferQuery } from '../../src/transfer/request.ts'
import { transferMessages } from '../../src/transfer/transfer.ts'
import { signRequest, type TsigKey } from '../../src/transfer/tsig.ts'
import { spoilt } from '../support/dns-arbitraries.ts'
import { buildQuery, types, wireName } from '../support/dns-query.ts'
import { subjectZone } from '../support/dns-subject.ts'
import { address, cli, openDoor, request } from '../support/door.ts'
import { loopback, zoneWith } from '../support/local-transfers.ts'
import fc from '../support/properties.ts'
import { axfrQuery, ixfrQuery, readMessage } from '../support/transfer-client.ts'

const { FUZZ_RUNS: runs = '1000', FUZZ_SEED: seed } = process.env
const parameters = {
  numRuns: Number(runs),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
}
const { origin } = subjectZone
const now = 1_800_000_000
const zone = zoneWith()
const key: TsigKey = {
  name: wireName('mirror1'),
  algorithm: 'hmac-sha256',
  secret: randomBytes(32),
}
const stranger: TsigKey = { ...key, secret: randomBytes(32) }
/** Loopback needs the key; nobody else may transfer at all. */
const rules = [{ clients: networkOf(loopback, 8), key: key.name }]

const anyUnsigned = fc.oneof(
  fc.constant(axfrQuery(origin)),
  fc.nat(0xffff_ffff).map((serial) => ixfrQuery(origin, serial)),
  fc.constant(buildQuery(origin, types.IXFR, { edns: { payload: 1232 } })),
)
/** Signed with a key that we do not know, or not at all. */
const anyUnauthorised = fc.oneof(
  anyUnsigned,
  anyUnsigned.map((query) => Buffer.from(signRequest(query, stranger, now).message)),
)
const anyQuery = fc.oneof(anyUnauthorised, spoilt(anyUnauthorised))

test('no octets get a record without the key, or throw', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.7/32')], cli)
  const options = { path: door.store.path, zone, keys: [key], rules }
  const askedOf = (query: Buffer, client: ClientAddress) =>
    [...transferMessages(Buffer.from(query), client, options, () => now)].map((step) => {
      assert.ok(!('pauseMs' in step))
      return readMessage(step)
    })
  fc.assert(
    fc.property(anyQuery, (query) => {
      if (query.length < 12 || !isTransferQuery(query)) return
      assert.deepEqual(askedOf(query, loopback), [])
    }),
    parameters,
  )
  // The same queries with the key do get records, but only from where the rule says.
  for (const query of [axfrQuery(origin), ixfrQuery(origin, 1)]) {
    const signed = Buffer.from(signRequest(query, key, now).message)
    assert.ok(askedOf(signed, loopback).some(({ records }) => records.length > 0))
    assert.deepEqual(askedOf(signed, address('192.0.2.1')), [])
  }
})

test('a signed query that was changed on its way gets no record', async (t) => {
  const door = openDoor(t)
  const options = { path: door.store.path, zone, keys: [key], rules }
  const anySigned = anyUnsigned.map((query) => Buffer.from(signRequest(query, key, now).message))
  fc.assert(
    fc.property(
      anySigned.chain((signed) => fc.tuple(fc.constant(signed), spoilt(fc.constant(signed)))),
      ([signed, changed]) => {
        // The id stands in the TSIG record too, so that a forwarder may change it (RFC 8945 §5.3).
        if (changed.length < 12 || !isTransferQuery(changed)) return
        if (changed.subarray(2).equals(signed.subarray(2))) return
        const steps = [...transferMessages(Buffer.from(changed), loopback, options, () => now)]
        for (const step of steps) {
          assert.ok(!('pauseMs' in step))
          assert.deepEqual(readMessage(step).records, [])
        }
      },
    ),
    parameters,
  )
})
