// POP3 against servers that say things in their own way: replies in odd pieces, dots, silence, and lies.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silent } from '../../../src/errors.ts'
import { type Deadlines, usualDeadlines } from '../../../src/traps/mail-server.ts'
import {
  type MailboxError,
  type MailboxMessage,
  mailboxErrors,
} from '../../../src/traps/mailbox.ts'
import { Pop3Mailbox } from '../../../src/traps/pop3.ts'
import { openPop3 } from '../../../src/traps/pop3-client.ts'

const quick: Deadlines = { ...usualDeadlines, windowMs: 200 }

interface Script {
  /** Message contents as they go over the wire, dots stuffed. */
  readonly messages: readonly string[]
  /** How each reply is cut into packets. */
  readonly pieces?: (reply: string) => string[]
  /** Replies that differ from what a good server says. */
  readonly odd?: Readonly<Record<string, string>>
}

/** A POP3 server with one mailbox; `deleted` are the numbers that QUIT has deleted. */
async function server(t: TestContext, { messages, pieces = (all) => [all], odd = {} }: Script) {
  const deleted: number[] = []
  const heard: string[] = []
  const listing = (entries: string[]): string =>
    `+OK\r\n${entries.map((e) => `${e}\r\n`).join('')}.\r\n`
  const listener = createServer({ noDelay: true }, (socket) => {
    const marked: number[] = []
    let queue = Promise.resolve()
    const say = (reply: string): void => {
      queue = queue.then(async () => {
        for (const piece of pieces(reply)) {
          if (!socket.destroyed) socket.write(piece, 'latin1')
          await new Promise((next) => setTimeout(next, 2))
        }
      })
    }
    const answer = (line: string): string => {
      const [verb = '', argument] = line.split(' ')
      const number = Number(argument)
      if (verb === 'LIST') return listing(messages.map((text, at) => `${at + 1} ${text.length}`))
      if (verb === 'UIDL') return listing(messages.map((_, at) => `${at + 1} uid${at + 1}`))
      if (verb === 'RETR') return `+OK\r\n${messages[number - 1]}\r\n.\r\n`
      if (verb === 'CAPA') return '-ERR unknown\r\n'
      if (verb === 'DELE') marked.push(number)
      if (verb === 'QUIT') deleted.push(...marked)
      return '+OK\r\n'
    }
    socket.setEncoding('latin1').on('data', (text) => {
      for (const line of String(text).split('\r\n').filter(Boolean)) {
        heard.push(line)
        say(odd[line.split(' ')[0] ?? ''] ?? answer(line))
      }
    })
    socket.on('error', () => undefined)
    t.after(() => socket.destroy())
    say(odd['greeting'] ?? '+OK ready\r\n')
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.after(() => listener.close())
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, deleted, heard }
}

function mailbox(t: TestContext, port: number, maxBytes = 100_000): Pop3Mailbox {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-pop3-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'secret\n')
  return new Pop3Mailbox({
    ...{ name: 'box', url: `pop3://trap@127.0.0.1:${port}`, passwordFile, caFile: '', maxBytes },
    ...{ trapsAmong: async () => new Set<string>(), wake: () => undefined, log: silent },
  })
}

async function read(source: Pop3Mailbox): Promise<MailboxMessage[]> {
  const found: MailboxMessage[] = []
  for await (const each of source.messages()) found.push(each)
  return found
}

const texts = (found: MailboxMessage[]): string[] =>
  found.map((each) =>
    'raw' in each
      ? Buffer.from(each.raw).toString('latin1')
      : 'refused' in each
        ? each.refused
        : each.detail,
  )

const cuts: Record<string, (reply: string) => string[]> = {
  'in one piece': (reply) => [reply],
  'octet by octet': (reply) => [...reply],
  'cut within the last line': (reply) => [reply.slice(0, -2), reply.slice(-2)],
  'cut within the line end before it': (reply) => [reply.slice(0, -4), reply.slice(-4)],
}

for (const [how, pieces] of Object.entries(cuts)) {
  test(`replies ${how}: octets as they were sent, dots unstuffed`, async (t) => {
    const messages = ['Subject: a\r\n\r\n..\r\n...x\r\n\xe9\0', '..first', '', 'x\r\n..']
    const { port } = await server(t, { messages, pieces })
    assert.deepEqual(texts(await read(mailbox(t, port))), [
      'Subject: a\r\n\r\n.\r\n..x\r\n\xe9\0\r\n',
      '.first\r\n',
      '\r\n',
      'x\r\n.\r\n',
    ])
  })
}

test('nothing is deleted before QUIT, and what was not accepted is not deleted', async (t) => {
  const { port, deleted, heard } = await server(t, { messages: ['a', 'b', 'c'] })
  const source = mailbox(t, port)
  const [first, , third] = await read(source)
  assert.ok(first && third)
  await Promise.all([source.accept(first), source.accept(third)])
  assert.deepEqual(deleted, [])
  await source.finish()
  assert.deepEqual([heard.at(-1), deleted], ['QUIT', [1, 3]])
})

for (const [what, fault, odd] of [
  ['refuses the password', 'authentication-failed', { PASS: '-ERR no such user\r\n' }],
  ['refuses the user', 'authentication-failed', { USER: '-ERR no user trap@here\r\n' }],
  ['says so by a code', 'authentication-failed', { LIST: '-ERR [AUTH] trap@here\r\n' }],
  ['has the mailbox in use', 'locked', { PASS: '-ERR [IN-USE] trap is locked\r\n' }],
  ['greets with an error', 'refused', { greeting: '-ERR go away\r\n' }],
  ['has no unique ids', 'refused', { UIDL: '-ERR what?\r\n' }],
  ['speaks no POP3', 'protocol-broken', { greeting: `${'x'.repeat(5000)}` }],
] as const) {
  test(`a server that ${what} is a failure that is told by its code`, async (t) => {
    const { port } = await server(t, { messages: ['a'], odd })
    await assert.rejects(read(mailbox(t, port)), (error: MailboxError) => {
      assert.equal(error.code, 'mailbox-failed')
      assert.equal(error.fault, fault)
      assert.equal(error.message, `mailbox box: ${fault}: ${mailboxErrors[fault]}`)
      assert.match(error.detail, /^cannot be read: ./)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  })
}

test('a message larger than LIST said is given up, not kept in memory', async (t) => {
  const odd = { RETR: `+OK\r\n${'x'.repeat(300_000)}` }
  const { port } = await server(t, { messages: ['a'], odd })
  await assert.rejects(read(mailbox(t, port, 70_000)), { detail: /sent more than is allowed/ })
})

test('a server that falls silent is given up', async (t) => {
  const { port } = await server(t, { messages: [], odd: { USER: '' } })
  const silent = { host: '127.0.0.1', port, user: 'u', password: 'p', tls: 'offered' } as const
  await assert.rejects(openPop3({ ...silent, deadlines: quick }), /does not answer/)
})

test('a password is never sent in the clear to another machine', async (t) => {
  const { port, heard } = await server(t, { messages: [] })
  const remote = { host: '127.0.0.1', port, user: 'u', password: 'p', tls: 'required' } as const
  await assert.rejects(openPop3({ ...remote, deadlines: usualDeadlines }), /not sent in the clear/)
  assert.deepEqual(heard, ['CAPA'])
})

test('a line end in a user name is no second command', async (t) => {
  const { port, heard } = await server(t, { messages: [] })
  const user = 'a\r\nDELE 1'
  const odd = { host: '127.0.0.1', port, user, password: 'p', tls: 'offered' } as const
  await assert.rejects(openPop3({ ...odd, deadlines: usualDeadlines }), /line end/)
  assert.deepEqual(heard, ['CAPA'])
})
