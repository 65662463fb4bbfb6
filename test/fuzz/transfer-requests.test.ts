// Queries for a transfer and NOTIFYs, with octets changed: nothing is thrown, no record of the zone goes to a client that no rule
// names, and no NOTIFY counts without the key. FUZZ_RUNS sets the runs of each property (1000); FUZZ_SEED repeats a failure.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { cookieSecretsBytes, replaceCookieSecrets } from '../../src/dns/cookies.ts'
import type { ClientAddress } from '../../src/dns/query-context.ts'
import { Responder, type Transport } from '../../src/dns/responder.ts'
import { maxMessageLength, octetsOf } from '../../src/dns/wire.ts'
import { networkOf } from '../../src/ip/address.ts'
import { isTransferQuery } from '../../src/transfer/request.ts'
import { QuerySignatures } from '../../src/transfer/signed-queries.ts'
import { transferMessages } from '../../src/transfer/transfer.ts'
import { signRequest, type TsigKey } from '../../src/transfer/tsig.ts'
import { TreeReader } from '../../src/tree/reader.ts'
import { spoilt } from '../support/dns-arbitraries.ts'
import { buildQuery, types, wireName } from '../support/dns-query.ts'
import { subjectTree, subjectZone } from '../support/dns-subject.ts'
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
const rule = { clients: networkOf(loopback, 8), key: key.name }
const rules = [rule]

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
const notify = buildQuery(origin, types.SOA, { opcode: 4 })

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
        if (changed.length < 12 || !isTransferQuery(changed)) return
        if (isSameSigned(changed, signed)) return
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

/** What the threads that answer send for a query from loopback; `notices`: how many NOTIFYs have counted. */
function answering() {
  const reader = new TreeReader(subjectTree().buffer, 63)
  const secrets = new SharedArrayBuffer(cookieSecretsBytes)
  replaceCookieSecrets(secrets, [randomBytes(16)])
  const count = new SharedArrayBuffer(4)
  const signed = new QuerySignatures({ keys: [key], rules, primary: { ...rule, count } })
  const options = { udpPayload: 1232, cookieSecrets: secrets }
  const responder = new Responder(zone, reader, options, { signed })
  Object.assign(responder.context, loopback)
  responder.enter(now, now)
  const room = octetsOf(new Uint8Array(maxMessageLength))
  return {
    respond(query: Buffer, transport: Transport): Buffer {
      const length = responder.respond(octetsOf(query), query.length, room, transport)
      return Buffer.from(room.subarray(0, length))
    },
    notices: () => Atomics.load(new Int32Array(count), 0),
  }
}

const anyTransport = fc.constantFrom<Transport[]>('udp', 'tcp')

test('a transfer that is not granted is answered without a record, and a NOTIFY without the key does not count', () => {
  const { respond, notices } = answering()
  const anyNotify = fc.constantFrom(notify, Buffer.from(signRequest(notify, stranger, now).message))
  const any = fc.oneof(anyQuery, anyNotify, spoilt(anyNotify))
  let refused = 0
  fc.assert(
    fc.property(any, anyTransport, (query, transport) => {
      const response = respond(query, transport)
      if (query.length < 12 || !isTransferQuery(query)) return
      assert.equal(response.readUInt32BE(6), 0, 'answer and authority records')
      refused += 1
    }),
    parameters,
  )
  assert.ok(refused > 0)
  assert.equal(notices(), 0)
})

test('a NOTIFY that was changed on its way does not count', () => {
  const { respond, notices } = answering()
  const signedNow = () =>
    Buffer.from(signRequest(notify, key, Math.floor(Date.now() / 1000)).message)
  const anySigned = fc.constant(signedNow())
  fc.assert(
    fc.property(anySigned, spoilt(anySigned), anyTransport, (signed, changed, transport) => {
      const before = notices()
      respond(changed, transport)
      if (!isSameSigned(changed, signed)) assert.equal(notices(), before)
    }),
    parameters,
  )
  const before = notices()
  respond(signedNow(), 'udp')
  assert.equal(notices(), before + 1)
})

/** The id stands in the TSIG record too (RFC 8945 §5.3), and the case of letters in that record's names is not signed. */
function isSameSigned(a: Buffer, b: Buffer): boolean {
  const lower = (query: Buffer) => query.toString('latin1', 2).toLowerCase()
  return lower(a) === lower(b)
}
