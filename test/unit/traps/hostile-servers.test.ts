// IMAP and POP3 servers that lie: each is given up as a failure with its code, without much of what it sends being taken,
// and no message of it is made up.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silent } from '../../../src/errors.ts'
import { ImapMailbox } from '../../../src/traps/imap.ts'
import { type Deadlines, usualDeadlines } from '../../../src/traps/mail-server.ts'
import {
  type Mailbox,
  type MailboxError,
  type MailboxMessage,
  mailboxErrors,
} from '../../../src/traps/mailbox.ts'
import { Pop3Mailbox } from '../../../src/traps/pop3.ts'
import { hostileImap, hostilePop3 } from '../../support/hostile-mail-servers.ts'
import {
  type Odd,
  type OddServer,
  oddImap,
  oddPop3,
  type Sent,
} from '../../support/odd-mail-servers.ts'

const maxBytes = 200_000
/** A listing's bound, and what lies in the kernel's buffers between two processes' ends. */
const mostTaken = 60 * 1024 ** 2
/** For a server that dawdles. Others get as long as a real one. */
const quick: Deadlines = { ...usualDeadlines, windowMs: 1500 }

interface More {
  readonly sent?: Sent
  readonly wake?: () => void
  readonly deadlines?: Deadlines
}

function account(
  t: TestContext,
  url: string,
  { wake = () => undefined, deadlines = usualDeadlines }: More,
) {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-hostile-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'secret\n')
  return {
    ...{ name: 'box', url, passwordFile, caFile: '', maxBytes, deadlines, wake },
    ...{ trapsAmong: async () => new Set<string>(), log: silent },
  }
}

async function imapMailbox(
  t: TestContext,
  server: OddServer,
  more: More = {},
): Promise<ImapMailbox> {
  const port = await oddImap(t, server, more.sent)
  const url = `imap://trap@127.0.0.1:${port}`
  const mailbox = new ImapMailbox({ ...account(t, url, more), moveTo: '' })
  t.after(() => mailbox.close())
  return mailbox
}

async function pop3Mailbox(
  t: TestContext,
  server: OddServer,
  more: More = {},
): Promise<Pop3Mailbox> {
  const port = await oddPop3(t, server, more.sent)
  const mailbox = new Pop3Mailbox(account(t, `pop3://trap@127.0.0.1:${port}`, more))
  t.after(() => mailbox.close())
  return mailbox
}

async function read(mailbox: Mailbox): Promise<MailboxMessage[]> {
  const found: MailboxMessage[] = []
  for await (const each of mailbox.messages(undefined)) found.push(each)
  await mailbox.finish?.()
  return found
}

const idleFlood = 'news without end while nothing is asked'

for (const [type, kinds, open] of [
  ['IMAP', hostileImap, imapMailbox],
  ['POP3', hostilePop3, pop3Mailbox],
] as const) {
  for (const [kind, { server, fault }] of Object.entries(kinds)) {
    if (kind === idleFlood) continue
    test(`${type}: ${kind}`, { timeout: 60_000 }, async (t) => {
      const sent = { octets: 0 }
      const deadlines = fault === 'timed-out' ? quick : usualDeadlines
      const mailbox = await open(t, server, { sent, deadlines })
      if (fault === null) assert.deepEqual(await read(mailbox), [])
      else {
        await assert.rejects(read(mailbox), (error: MailboxError) => {
          assert.equal(
            error.message,
            `mailbox box: ${fault}: ${mailboxErrors[fault]}`,
            error.detail,
          )
          return true
        })
      }
      await mailbox.close()
      assert.ok(sent.octets < mostTaken, `${sent.octets} octets were taken`)
    })
  }
}

test(`IMAP: ${idleFlood}: the next reading tells of it, the one after it goes well`, async (t) => {
  const { server } = hostileImap[idleFlood] ?? {}
  assert.ok(server)
  const { promise: woken, resolve: wake } = Promise.withResolvers<void>()
  const mailbox = await imapMailbox(t, server, { wake })
  assert.deepEqual(await read(mailbox), [])
  await woken
  await assert.rejects(read(mailbox), { fault: 'protocol-broken' })
  assert.deepEqual(await read(mailbox), [])
})

test('IMAP: what a reading failed of is not told again by the next one', async (t) => {
  const odd: Record<string, Odd> = { SELECT: { more: '* OK still here\r\n' } }
  const mailbox = await imapMailbox(t, { messages: ['a\r\n'], odd })
  await assert.rejects(read(mailbox), { fault: 'protocol-broken' })
  delete odd['SELECT']
  await new Promise((next) => setTimeout(next, 100))
  assert.deepEqual(texts(await read(mailbox)), ['a\r\n'])
})

const texts = (found: readonly MailboxMessage[]): string[] =>
  found.map((each) =>
    'raw' in each
      ? Buffer.from(each.raw).toString('latin1')
      : 'refused' in each
        ? each.refused
        : each.detail,
  )

test('IMAP: a message that is larger than its server estimated is refused, and stops nothing', async (t) => {
  const large = 'x'.repeat(maxBytes + 1)
  const mailbox = await imapMailbox(t, {
    messages: [large, 'Subject: b\r\n'],
    odd: {
      FETCH: `* 1 FETCH (UID 1 RFC822.SIZE ${maxBytes - 1})\r\n* 2 FETCH (UID 2 RFC822.SIZE 12)\r\nTAG OK done\r\n`,
    },
  })
  assert.deepEqual(texts(await read(mailbox)), [
    `it has more than the ${maxBytes} octets allowed`,
    'Subject: b\r\n',
  ])
})

for (const [type, open] of [
  ['IMAP', imapMailbox],
  ['POP3', pop3Mailbox],
] as const) {
  test(`${type}: a message that the server does not give stops no other`, async (t) => {
    const mailbox = await open(t, { messages: ['a\r\n', 'b', 'c\r\n'], refuses: [2] })
    const found = await read(mailbox)
    assert.deepEqual(
      found.map((each) => ('unreadable' in each ? each.unreadable : 'read')),
      ['read', 'refused', 'read'],
    )
    assert.match(texts(found)[1] ?? '', /not now/)
  })
}

test('IMAP: messages after one that the server does not give are read once', async (t) => {
  const odd = { SEARCH: '* SEARCH 1 2 3\r\nTAG OK done\r\n' }
  const mailbox = await imapMailbox(t, { messages: ['a\r\n', 'b', 'c\r\n'], refuses: [2], odd })
  const places: string[] = []
  for await (const each of mailbox.messages(undefined)) {
    places.push(each.place)
    if (!('unreadable' in each)) await mailbox.accept(each)
  }
  const position = (await mailbox.finish()) ?? undefined
  for await (const { place } of mailbox.messages(position)) places.push(place)
  assert.deepEqual(places, ['UID 1', 'UID 2', 'UID 3', 'UID 2'])
})

test('POP3: a session that could read none of many messages calls for no other at once', async (t) => {
  const numbers = Array.from({ length: 501 }, (_, at) => at + 1)
  let isWoken = false
  const server = { messages: numbers.map(() => 'a'), refuses: numbers }
  const mailbox = await pop3Mailbox(t, server, {
    wake: () => {
      isWoken = true
    },
  })
  assert.equal((await read(mailbox)).length, 500)
  assert.equal(isWoken, false)
})

test('IMAP: a row that tells of flags is no answer, and no fault', async (t) => {
  const rows = `* 1 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 1 RFC822.SIZE 3)\r\n* 9 FETCH (UID 9 FLAGS ())\r\n`
  const mailbox = await imapMailbox(t, {
    messages: ['a\r\n'],
    odd: { FETCH: `${rows}TAG OK done\r\n` },
  })
  assert.deepEqual(texts(await read(mailbox)), ['a\r\n'])
})

test('IMAP: a message without content is not taken for an empty one', async (t) => {
  const mailbox = await imapMailbox(t, {
    messages: ['a\r\n', 'b\r\n'],
    odd: {
      BODY: '* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n* 2 FETCH (UID 2 BODY[]<0> {3}\r\nb\r\n)\r\nTAG OK done\r\n',
    },
  })
  assert.deepEqual(texts(await read(mailbox)), ['b\r\n'])
})

test('POP3: octets after the end of a message are no part of it', async (t) => {
  const mailbox = await pop3Mailbox(t, {
    messages: ['a', 'b'],
    odd: { RETR: '+OK\r\nSubject: a\r\n\r\nb\r\n.\r\nSubject: forged\r\n\r\n.\r\n' },
  })
  const found: MailboxMessage[] = []
  await assert.rejects(
    async () => {
      for await (const each of mailbox.messages()) found.push(each)
    },
    { fault: 'protocol-broken' },
  )
  assert.deepEqual(texts(found), [])
})

test('POP3: of identical copies with one unique id, that number is deleted which was accepted', async (t) => {
  const deleted: string[] = []
  const mailbox = await pop3Mailbox(t, {
    messages: ['a', 'a', 'c'],
    odd: { UIDL: '+OK\r\n1 same\r\n2 same\r\n3 other\r\n.\r\n' },
    heard: (line) => {
      if (line.startsWith('DELE')) deleted.push(line)
    },
  })
  const found: MailboxMessage[] = []
  for await (const each of mailbox.messages()) found.push(each)
  assert.deepEqual(
    found.map(({ place }) => place),
    ['message 1', 'message 2', 'message 3'],
  )
  const [first] = found
  assert.ok(first)
  await mailbox.accept(first)
  assert.deepEqual(deleted, ['DELE 1'])
})

test('POP3: a message of an earlier session is not deleted under the number it had', async (t) => {
  const mailbox = await pop3Mailbox(t, { messages: ['a'] })
  const [first] = await read(mailbox)
  assert.ok(first)
  await assert.rejects(mailbox.accept(first), { fault: 'connection-lost' })
})
