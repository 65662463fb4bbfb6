// What doctor finds out about the zone from outside: with a resolver that is silent, and with web servers that answer the link
// of the TXT record wrongly.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Packet } from 'dns2'
import type { Finding, Installation } from '../../../src/commands/doctor/installation.ts'
import { checkZone, linkProblem } from '../../../src/commands/doctor/zone.ts'

/** What doctor finds with this resolver. The list is for everybody. */
async function findings(resolver: string): Promise<Finding[]> {
  const config = {
    file: 'a.toml',
    zone: { origin: 'bl.lists.example', nameservers: ['ns1.lists.example'], records: [], text: '' },
    dns: { listen: ['192.0.2.1:53'] },
    resolver: { servers: [resolver] },
  }
  return await checkZone({ config } as unknown as Installation)
}

/** A resolver that never answers, and the names that it was asked for. */
async function silentResolver(t: TestContext): Promise<{ server: string; names: Set<string> }> {
  const names = new Set<string>()
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  socket.on('message', (query) => {
    for (const { name } of Packet.parse(query).questions) names.add(name)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { server: `127.0.0.1:${socket.address().port}`, names }
}

test('a silent resolver is asked for one name and then given up', async (t) => {
  const { server, names } = await silentResolver(t)
  const found = await findings(server)
  assert.deepEqual(
    found.map(({ check, level, what }) => `${check} ${level}: ${what}`),
    ['delegation broken: the delegation of bl.lists.example cannot be looked up (ETIMEOUT)'],
  )
  assert.deepEqual([...names], ['lists.example'])
})

/** Long enough for a page that answers on a busy machine. */
const patienceMs = 60_000

const wrongAnswers: Readonly<Record<string, readonly [RequestListener, RegExp, number?]>> = {
  'there is no page': [(_, response) => void response.writeHead(404).end(), /^answers 404$/],
  'a proxy whose server is down': [
    (_, response) => void response.writeHead(502).end(),
    /^answers 502$/,
  ],
  'a circle of redirections': [
    ({ url }, response) => void response.writeHead(302, { location: url }).end(),
    /^redirect count exceeded$/,
  ],
  'the connection ends without an answer': [
    ({ socket }) => void socket.destroy(),
    /^other side closed$/,
  ],
  'it does not speak HTTP': [
    ({ socket }) => void socket.end('220 mail.example ESMTP\r\n'),
    /^Response does not match the HTTP/,
  ],
  'it never answers': [() => undefined, /^The operation was aborted due to timeout$/, 100],
}

for (const [name, [answer, expected, limitMs]] of Object.entries(wrongAnswers)) {
  test(`the link of the TXT record: ${name}`, async (t) => {
    assert.match((await problemWith(t, answer, limitMs)) ?? 'nothing', expected)
  })
}

test('the link of the TXT record leads to a page that never ends: its first octets are enough', async (t) => {
  const problem = await problemWith(t, (_, response) => {
    response.writeHead(200)
    response.write('<!doctype html>')
  })
  assert.equal(problem, undefined)
})

async function problemWith(
  t: TestContext,
  answer: RequestListener,
  limitMs = patienceMs,
): Promise<string | undefined> {
  const web = createServer(answer).listen(0, '127.0.0.1')
  t.after(() => {
    web.closeAllConnections()
    web.close()
  })
  await once(web, 'listening')
  const { port } = web.address() as AddressInfo
  return await linkProblem(`http://127.0.0.1:${port}/lookup/127.0.0.2`, limitMs)
}
