// Responses that answer something else than what was asked: of another owner, to another question or none, and aliases
// that lead elsewhere.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Packet } from 'dns2'
import { lookup } from '../../../src/resolver/lookup.ts'
import { Resolver } from '../../../src/resolver/resolver.ts'

type Answer = Packet['answers'][number]

/** A name server that answers each query as told. */
async function serve(t: TestContext, change: (response: Packet) => void): Promise<string> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.on('message', (query, from) => {
    const response = Packet.createResponseFromRequest(Packet.parse(query))
    change(response)
    socket.send(response.toBuffer(), from.port, from.address)
  })
  t.after(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

function record(type: 'A' | 'CNAME' | 'SOA', name: string, more: object): Answer {
  const common = { name, type: Packet.TYPE[type], class: Packet.CLASS.IN, ttl: 60 }
  return { ...common, ...more } as unknown as Answer
}

const address = (name: string, value = '192.0.2.66'): Answer =>
  record('A', name, { address: value })
const alias = (name: string, domain: string): Answer => record('CNAME', name, { domain })

/** What both ways of asking make of a response to `A host.test`: addresses, or the code of what went wrong. */
async function resolved(
  t: TestContext,
  change: (response: Packet) => void,
  timeoutMs = 30_000,
): Promise<unknown> {
  const server = await serve(t, change)
  const name = 'host.test'
  const looked = await lookup({ server, name, type: 'A', timeoutMs }).then(
    ({ answers }) => answers,
    ({ code }) => code,
  )
  const resolver = new Resolver({ servers: [server], timeoutMs })
  const kept = await resolver.resolve(name, 'A').catch(({ code }) => code)
  return [looked, kept]
}

test('an address of another owner is no answer', async (t) => {
  const answered = await resolved(t, ({ answers }) => answers.push(address('other.test')))
  assert.deepEqual(answered, [[], 'ENODATA'])
})

test('an address of another owner beside the right one is left out', async (t) => {
  const answered = await resolved(t, ({ answers }) =>
    answers.push(address('other.test'), address('HOST.test', '192.0.2.1')),
  )
  assert.deepEqual(answered, [['192.0.2.1'], ['192.0.2.1']])
})

test('an address of another class is no answer', async (t) => {
  const answered = await resolved(t, ({ answers }) =>
    answers.push({ ...address('host.test'), class: Packet.CLASS.CH } as Answer),
  )
  assert.deepEqual(answered, [[], 'ENODATA'])
})

const otherQuestions: Record<string, (response: Packet) => void> = {
  'without a question': (response) => {
    response.questions = []
  },
  'to two questions': (response) => {
    response.questions.push(...response.questions)
  },
  'to a question for another name': (response) => {
    response.questions = [new Packet.Question('other.test', Packet.TYPE.A, Packet.CLASS.IN)]
  },
  'to a question of another type': (response) => {
    response.questions = [new Packet.Question('host.test', Packet.TYPE.TXT, Packet.CLASS.IN)]
  },
  'to a question of another class': (response) => {
    response.questions = [new Packet.Question('host.test', Packet.TYPE.A, Packet.CLASS.CH)]
  },
  'that is a query': (response) => {
    response.header.qr = 0
  },
}

for (const [which, change] of Object.entries(otherQuestions)) {
  test(`a response ${which} is none`, async (t) => {
    const forge = (response: Packet): void => {
      response.answers.push(address('host.test'))
      change(response)
    }
    const answered = await resolved(t, forge, 600)
    assert.deepEqual(answered, ['server-unreachable', 'ETIMEOUT'])
  })
}

test('aliases are followed to the name that they lead to, whatever the order and the case', async (t) => {
  const answered = await resolved(t, ({ answers }) =>
    answers.push(
      address('C.test', '192.0.2.3'),
      alias('B.test', 'c.TEST'),
      alias('Host.test', 'b.test'),
    ),
  )
  assert.deepEqual(answered, [['192.0.2.3'], ['192.0.2.3']])
})

test('an address behind an alias that the question does not lead to is no answer', async (t) => {
  const answered = await resolved(t, ({ answers }) =>
    answers.push(alias('host.test', 'b.test'), alias('x.test', 'c.test'), address('c.test')),
  )
  assert.deepEqual(answered, [[], 'ENODATA'])
})

test('aliases that lead in a circle end', async (t) => {
  const answered = await resolved(t, ({ answers }) =>
    answers.push(alias('host.test', 'b.test'), alias('b.test', 'host.test')),
  )
  assert.deepEqual(answered, [[], 'ENODATA'])
})

test('"not there" is kept no longer than the zone of that name says, not another zone', async (t) => {
  let asked = 0
  const soa = { primary: 'ns.test', admin: 'h.test', serial: 1, minimum: 60 }
  const times = { refresh: 60, retry: 60, expiration: 60 }
  const server = await serve(t, ({ authorities }) => {
    asked++
    authorities.push(record('SOA', 'elsewhere', { ...soa, ...times }))
  })
  const resolver = new Resolver({ servers: [server], timeoutMs: 30_000, now: () => 0 })
  await assert.rejects(resolver.resolve('host.test', 'A'), { code: 'ENODATA' })
  await assert.rejects(resolver.resolve('host.test', 'A'), { code: 'ENODATA' })
  assert.equal(asked, 2)
})

for (const [length, answered] of [
  [16, ['192.0.2.1']],
  [17, []],
] as const) {
  test(`a chain of ${length} aliases`, async (t) => {
    const names = ['host.test', ...Array.from({ length }, (_, at) => `${at}.test`)]
    const chain = names.slice(1).map((name, at) => alias(names[at] ?? '', name))
    const [looked] = (await resolved(t, ({ answers }) =>
      answers.push(...chain, address(names.at(-1) ?? '', '192.0.2.1')),
    )) as [unknown]
    assert.deepEqual(looked, answered)
  })
}
