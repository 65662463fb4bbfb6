// Counters, the sketch of who asks most, and the query log: what threads write and what the main thread makes of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcomes, QueryContext } from '../../../src/dns/query-context.ts'
import {
  Counters,
  counterBytes,
  sumCounters,
  sumOutcomes,
} from '../../../src/nameserver/counters.ts'
import {
  loggedName,
  presentName,
  QueryLogDrain,
  QueryLogWriter,
  queryLogBytes,
} from '../../../src/nameserver/query-log.ts'
import {
  mergeTopClients,
  TopClients,
  topClientsBytes,
} from '../../../src/nameserver/top-clients.ts'
import { buildQuery, rcodes, types, wireName } from '../../support/dns-query.ts'
import { silentLog } from '../../support/dns-subject.ts'

function exchange(fields: Partial<QueryContext>): QueryContext {
  return Object.assign(new QueryContext(), fields)
}

test('counts add up over threads, by outcome, code, rcode, type and transport', () => {
  const [one, two, tcp] = [1, 2, 3].map(() => new SharedArrayBuffer(counterBytes))
  assert.ok(one && two && tcp)
  const listed = { outcome: outcomes.listed, type: types.A, codes: (1 << 2) | (1 << 3) }
  new Counters(one).count(exchange(listed))
  new Counters(one).count(exchange({ ...listed, codes: (1 << 2) | (1 << 31) }))
  new Counters(two).count(
    exchange({ outcome: outcomes.notListed, type: types.TXT, rcode: rcodes.NXDOMAIN }),
  )
  new Counters(two).count(exchange({ outcome: outcomes.dropped }))
  const refused = { outcome: outcomes.refused, rcode: rcodes.REFUSED }
  new Counters(tcp).count(exchange({ ...refused, type: types.ANY }))
  new Counters(tcp).count(exchange({ ...refused, type: 65_535 }))
  new Counters(tcp).count(exchange({ outcome: outcomes.slipped, rcode: rcodes.BADCOOKIE }))
  new Counters(tcp).count(exchange({ outcome: outcomes.limited, rcode: rcodes.NXDOMAIN }))
  new Counters(one).countUnsent(2)
  new Counters(two).countUnsent(1)
  const counted = sumCounters([one, two], [tcp])
  assert.equal(counted.unsent, 3)
  assert.deepEqual(counted.queries, { udp: 4, tcp: 4 })
  assert.deepEqual(counted.codes, { '127.0.0.2': 2, '127.0.0.3': 1, '127.0.0.31': 1 })
  const positive = (counts: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  assert.deepEqual(positive(counted.outcomes), {
    listed: 2,
    notListed: 1,
    refused: 2,
    dropped: 1,
    limited: 1,
    slipped: 1,
  })
  assert.deepEqual(positive(counted.rcodes), { NOERROR: 2, NXDOMAIN: 1, REFUSED: 2, BADCOOKIE: 1 })
  assert.deepEqual(positive(counted.types), { A: 2, TXT: 1, ANY: 1, other: 2 })
  assert.deepEqual(sumOutcomes([one, two, tcp]), sumCounters([one, two], [tcp]).outcomes)
})

test('answering times fall into buckets that double', () => {
  const block = new SharedArrayBuffer(counterBytes)
  const counters = new Counters(block)
  for (const nanoseconds of [0, 100, 127, 128, 200, 300, 1_000_000, 1e12]) {
    counters.countLatency(nanoseconds / 1e6)
  }
  const filled = sumCounters([block], []).latency.filter(({ count }) => count > 0)
  assert.deepEqual(filled, [
    { belowNs: 128, count: 3 },
    { belowNs: 256, count: 2 },
    { belowNs: 512, count: 1 },
    { belowNs: 1_048_576, count: 1 },
    { belowNs: null, count: 1 },
  ])
})

test('who asks most is found among a hundred thousand networks, with bounds', () => {
  const memories = [1, 2].map(() => new SharedArrayBuffer(topClientsBytes))
  const sketches = memories.map((memory) => new TopClients(memory))
  const heavy = new Map([
    ['192.0.2.0/24', exchange({ w0: 0xc0000207 })],
    ['2001:db8:0:1200::/56', exchange({ family: 6, w0: 0x20010db8, w1: 0x1234 })],
  ])
  for (let index = 0; index < 100_000; index++) {
    const sketch = sketches[index % 2]
    sketch?.count(exchange({ w0: (index * 0x9e3779b1) | 0 }), 1)
    if (index % 20 === 0) for (const client of heavy.values()) sketch?.count(client, 1)
  }
  const top = mergeTopClients(memories, 2)
  assert.deepEqual(new Set(top.map(({ network }) => network)), new Set(heavy.keys()))
  for (const { queries, excess } of top) {
    assert.ok(queries >= 5000 && queries - excess <= 5000, `${queries}, ${excess} in excess`)
  }
})

test('the query log names network, name, type and outcome, and nothing finer', () => {
  const ring = new SharedArrayBuffer(queryLogBytes)
  const lines: object[] = []
  const log = { ...silentLog, info: (fields: object) => void lines.push(fields) }
  const drain = new QueryLogDrain([ring], 'bl.test.example', log)
  const writer = new QueryLogWriter(ring)
  const query = buildQuery('4.3.2.1.bl.test.Example', types.TXT)
  const fields = { w0: 0xc0000263, type: types.TXT, rcode: rcodes.NXDOMAIN }
  writer.write(exchange({ ...fields, outcome: outcomes.notListed }), query, query.length)
  drain.drain()
  assert.deepEqual(lines, [
    {
      client: '192.0.2.0/24',
      name: '4.3.2.1.bl.test.Example',
      type: 'TXT',
      rcode: 'NXDOMAIN',
      outcome: 'notListed',
    },
  ])
  // A thread that takes over goes on where the dead one stopped.
  new QueryLogWriter(ring).write(exchange({ type: 999 }), Buffer.alloc(12), 12)
  drain.close()
  assert.deepEqual(lines[1], {
    client: '0.0.0.0/24',
    name: '.',
    type: 'TYPE999',
    rcode: 'NOERROR',
    outcome: 'dropped',
  })
  assert.equal(lines.length, 2)
})

test('a thread never waits for the log: what is too much is told and left out', () => {
  const ring = new SharedArrayBuffer(queryLogBytes)
  let logged = 0
  const lost: number[] = []
  const drain = new QueryLogDrain([ring], 'bl.test.example', {
    ...silentLog,
    info: () => void logged++,
    warn: (fields) => 'lost' in fields && lost.push(Number(fields.lost)),
  })
  const writer = new QueryLogWriter(ring)
  const query = buildQuery('x', types.A)
  for (let count = 0; count < 1000; count++) writer.write(exchange({}), query, query.length)
  drain.close()
  assert.deepEqual([logged, lost], [256, [744]])
})

test('a name that no entry has is not in the default log', () => {
  const origin = 'bl.test.example'
  const whole = ['.', origin, 'BL.Test.Example', '4.3.2.1.bl.test.example', '255.BL.test.example']
  whole.push('_status.bl.test.example', 'f.E.0.bl.test.example', 'VERSION.bind', 'id.server')
  for (const name of whole) assert.equal(loggedName(name, origin), name)
  const cases = {
    'quiet.heron42.hidden.example.bl.Test.example': '(other).bl.Test.example',
    '4.3.quiet.bl.test.example': '(other).bl.test.example',
    'quiet\\.heron42.bl.test.example': '(other).bl.test.example',
    'ab.bl.test.example': '(other).bl.test.example',
    'hidden.example': '(other)',
    'quietbl.test.example': '(other)',
  }
  for (const [name, logged] of Object.entries(cases)) assert.equal(loggedName(name, origin), logged)
})

test('names in the log are escaped (RFC 1035 §5.1)', () => {
  assert.equal(presentName(wireName('a b.c\n.d').subarray(0, -1)), 'a\\032b.c\\010.d')
  assert.equal(presentName(Buffer.from([3, 0x61, 0x2e, 0x62])), 'a\\.b')
  assert.equal(presentName(new Uint8Array()), '.')
})
