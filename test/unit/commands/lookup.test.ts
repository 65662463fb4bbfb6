// `lookup` against a name server made of dns2: what it prints, and the exit code that scripts go by.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { type TestContext, test } from 'node:test'
import { Packet } from 'dns2'
import { runCommand, Site } from '../../support/server.ts'

const listedName = '9.113.0.203.bl.test.example'
const text = 'Backscatter source; see https://example.org/203.0.113.9'

/** Answers for one listed address, SERVFAIL under `broken.example`, else NXDOMAIN; gives host:port. */
async function nameServer(t: TestContext): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (message, { port, address }) => {
    const query = Packet.parse(message)
    const response = Packet.createResponseFromRequest(query)
    const [question] = query.questions
    const name = question?.name.toLowerCase() ?? ''
    if (name === listedName) {
      const { A, TXT } = Packet.TYPE
      for (const last of question?.type === A ? [3, 2] : []) {
        const record = new Packet.Resource(name, A, Packet.CLASS.IN, 300)
        response.answers.push(Object.assign(record, { address: `127.0.0.${last}` }))
      }
      if (question?.type === TXT) {
        const record = new Packet.Resource(name, TXT, Packet.CLASS.IN, 300)
        response.answers.push(Object.assign(record, { data: text }))
      }
    } else {
      response.header.rcode = name.endsWith('broken.example') ? 2 : 3
    }
    socket.send(response.toBuffer(), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

test('a listed address is exit code 3, with its codes and text', async (t) => {
  const server = await nameServer(t)
  const args = ['lookup', '203.0.113.9', '--server', server, '--zone', 'bl.test.example']
  const { code, stdout, stderr } = await runCommand(args, tmpdir())
  assert.deepEqual([code, stderr], [3, ''])
  assert.equal(
    stdout,
    `203.0.113.9 is listed in bl.test.example (asked ${server}).\n` +
      `  A  127.0.0.2  sends backscatter\n  A  127.0.0.3  bounces (dsn)\n  TXT  ${text}\n`,
  )
  const json = await runCommand([...args, '--json'], tmpdir())
  assert.equal(json.code, 3)
  assert.deepEqual(JSON.parse(json.stdout), {
    query: '203.0.113.9',
    zone: 'bl.test.example',
    server,
    name: listedName,
    listed: true,
    codes: ['127.0.0.2', '127.0.0.3'],
    text: [text],
  })
})

test('an address that is not listed is exit code 0', async (t) => {
  const server = await nameServer(t)
  const { code, stdout } = await runCommand(
    ['lookup', '2001:db8::1', '--server', server, '--zone', 'bl.test.example.'],
    tmpdir(),
  )
  assert.equal(code, 0)
  assert.equal(stdout, `2001:db8::1 is not listed in bl.test.example (asked ${server}).\n`)
})

test('no answer, or one that says neither, is exit code 1', async (t) => {
  const server = await nameServer(t)
  const args = ['lookup', '203.0.113.9', '--zone', 'broken.example', '--server']
  const broken = await runCommand([...args, server], tmpdir())
  assert.deepEqual([broken.code, broken.stdout], [1, ''])
  assert.match(
    broken.stderr,
    /^backscatterd: .* answers SERVFAIL to 9\.113\.0\.203\.broken\.example\n$/,
  )
  const mute = createSocket('udp4').bind(0, '127.0.0.1')
  await once(mute, 'listening')
  t.after(() => mute.close())
  const silent = await runCommand([...args, `127.0.0.1:${mute.address().port}`], tmpdir())
  assert.deepEqual([silent.code, silent.stdout], [1, ''])
  assert.match(silent.stderr, /^backscatterd: no answer from [^\n]*\n$/)
})

test('server and zone come from the configuration, a wildcard address over loopback', async (t) => {
  const server = await nameServer(t)
  const port = server.split(':')[1]
  const configuration = new Site(t).configuration()
  const site = new Site(
    t,
    configuration.replace('"127.0.0.1:0"]\nworkers', `"0.0.0.0:${port}"]\nworkers`),
  )
  const { code, stdout } = await site.run('lookup', '203.0.113.9')
  assert.equal(code, 3)
  assert.match(stdout, new RegExp(`in bl\\.test\\.example \\(asked 127\\.0\\.0\\.1:${port}\\)`))
})

test('wrong use is exit code 2', async (t) => {
  const site = new Site(t)
  const cases: [args: string[], why: RegExp][] = [
    [['203.0.113.9'], /has port 0: name the server with --server/],
    [['203.0.113.0/24'], /ask for one address/],
    [['example.org'], /domain names/],
    [['203.0.113.9', '--server', '::1'], /--server ::1: expected HOST:PORT/],
    [['203.0.113.9', '--server', '127.0.0.1:99999'], /--server 127\.0\.0\.1:99999/],
  ]
  for (const [args, why] of cases) {
    const { code, stderr } = await site.run('lookup', ...args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, why)
  }
})
