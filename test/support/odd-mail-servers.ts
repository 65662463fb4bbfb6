// IMAP and POP3 servers on the loopback that say what a test tells them to, an error with a trap's address in it for one.
// Each has one mailbox, with the messages it is given.
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'

export interface OddServer {
  /** Replies by the command's verb (`greeting` for the first), in place of what a good server says; `TAG` stands for the tag. */
  readonly odd?: Readonly<Record<string, Odd>>
  readonly messages?: readonly string[]
  /** Numbers of messages whose content the server refuses to send. */
  readonly refuses?: readonly number[]
  /** Told of each line that a client sends. */
  readonly heard?: (line: string) => void
  /** After these verbs the connection is closed. */
  readonly hangsUpAfter?: readonly string[]
  /** In PEM: TLS from the first octet. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** Text; or `begin` and then `more`, so many times over or without end; or octets that come one by one, each after a pause. */
export type Odd =
  | string
  | {
      readonly begin?: string
      readonly more: string
      readonly times?: number
      readonly end?: string
    }
  | { readonly drip: string; readonly pauseMs: number }

/** What a server has sent to all its clients, in octets. */
export interface Sent {
  octets: number
}

/** Starts one; resolves with its port. Ended with the test. */
export async function oddPop3(t: TestContext, server: OddServer, sent?: Sent): Promise<number> {
  const { messages = [], refuses = [] } = server
  const lines = (entries: string[]): string =>
    `+OK\r\n${entries.map((entry) => `${entry}\r\n`).join('')}.\r\n`
  return await listen(t, server, sent, '+OK ready\r\n', (line) => {
    const [verb = '', number] = line.split(' ')
    const usual: Record<string, string> = {
      CAPA: '-ERR unknown\r\n',
      LIST: lines(messages.map((text, at) => `${at + 1} ${text.length}`)),
      UIDL: lines(messages.map((_, at) => `${at + 1} uid${at + 1}`)),
      RETR: refuses.includes(Number(number))
        ? '-ERR [SYS/TEMP] not now\r\n'
        : `+OK\r\n${messages[Number(number) - 1]}\r\n.\r\n`,
    }
    return { verb, reply: usual[verb] ?? '+OK\r\n' }
  })
}

/** As `oddPop3`. A flag that a client stores is forgotten when it has gone. */
export async function oddImap(t: TestContext, server: OddServer, sent?: Sent): Promise<number> {
  const { messages = [], refuses = [] } = server
  let idling = ''
  return await listen(t, server, sent, '* OK ready\r\n', (line, seen) => {
    const [tag = '', word = '', second = '', ...rest] = line.split(' ')
    const isUid = word.toUpperCase() === 'UID'
    const verb = (isUid ? second : word).toUpperCase()
    const uids = (isUid ? (rest[0] ?? '') : '').split(',').map(Number)
    const asked = uids.filter((uid) => messages[uid - 1] !== undefined)
    const row = (uid: number): string => {
      const text = messages[uid - 1] ?? ''
      return line.includes('BODY')
        ? `* ${uid} FETCH (UID ${uid} BODY[]<0> {${text.length}}\r\n${text})\r\n`
        : `* ${uid} FETCH (UID ${uid} RFC822.SIZE ${text.length})\r\n`
    }
    if (verb === 'STORE') for (const uid of asked) seen.add(uid)
    const unseen = messages.map((_, at) => at + 1).filter((uid) => !seen.has(uid))
    const numbers = line.includes('UNSEEN') ? unseen : []
    const next = messages.length + 1
    const usual: Record<string, string> = {
      CAPABILITY: '* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK done\r\n',
      SELECT: `* ${messages.length} EXISTS\r\n* OK [UIDVALIDITY 1] one\r\n* OK [UIDNEXT ${next}] next\r\nTAG OK [READ-WRITE] open\r\n`,
      SEARCH: `* SEARCH${numbers.map((uid) => ` ${uid}`).join('')}\r\nTAG OK done\r\n`,
      FETCH: `${asked.map(row).join('')}TAG OK done\r\n`,
      IDLE: '+ idling\r\n',
    }
    if (tag === 'DONE') return { verb: 'DONE', reply: `${idling} OK done\r\n` }
    if (verb === 'IDLE') idling = tag
    const body = verb === 'FETCH' && line.includes('BODY') ? 'BODY' : verb
    if (body === 'BODY' && asked.some((uid) => refuses.includes(uid))) {
      return { verb: body, reply: `${tag} NO [SERVERBUG] not now\r\n` }
    }
    return { verb: body, reply: (usual[verb] ?? 'TAG OK done\r\n').replaceAll('TAG', tag) }
  })
}

async function listen(
  t: TestContext,
  { odd = {}, hangsUpAfter = [], heard, tls }: OddServer,
  sent: Sent = { octets: 0 },
  greeting: string,
  answer: (line: string, seen: Set<number>) => { readonly verb: string; readonly reply: string },
): Promise<number> {
  const sockets = new Set<Socket>()
  const serve = (socket: Socket): void => {
    sockets.add(socket)
    const seen = new Set<number>()
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      sent.octets += socket.bytesWritten
    })
    const say = (verb: string, reply: Odd): void => {
      void send(socket, reply).then(() => {
        if (hangsUpAfter.includes(verb)) socket.end()
      })
    }
    say('greeting', odd['greeting'] ?? greeting)
    let rest = ''
    socket.setEncoding('latin1').on('data', (text) => {
      const lines = (rest + String(text)).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        heard?.(line)
        const { verb, reply } = answer(line, seen)
        const [tag = ''] = line.split(' ')
        say(verb, tagged(odd[verb] ?? reply, tag))
      }
    })
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not bound to a port')
  return address.port
}

function tagged(odd: Odd, tag: string): Odd {
  const text = (part: string): string => part.replaceAll('TAG', tag)
  if (typeof odd === 'string') return text(odd)
  if ('drip' in odd) return { ...odd, drip: text(odd.drip) }
  const { begin = '', end = '' } = odd
  return { ...odd, begin: text(begin), end: text(end) }
}

/** Where a client takes this much, and still wants more, the server gives up. */
const enoughOctets = 400 * 1024 ** 2

async function send(socket: Socket, odd: Odd): Promise<void> {
  if (typeof odd === 'string') socket.write(odd, 'latin1')
  else if ('drip' in odd) {
    for (const octet of odd.drip) {
      if (socket.destroyed) return
      socket.write(octet, 'latin1')
      await new Promise((next) => setTimeout(next, odd.pauseMs).unref())
    }
  } else {
    const { begin = '', more, times = Number.POSITIVE_INFINITY, end = '' } = odd
    socket.write(begin, 'latin1')
    const atOnce = Math.min(times, Math.ceil(65_536 / more.length))
    const piece = Buffer.from(more.repeat(atOnce), 'latin1')
    for (let sent = 0; sent < times && socket.bytesWritten < enoughOctets; sent += atOnce) {
      if (socket.destroyed) return
      if (!socket.write(piece)) await drained(socket)
    }
    if (times === Number.POSITIVE_INFINITY) socket.destroy()
    else socket.write(end, 'latin1')
  }
}

async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const isOver = (): void => {
      socket.off('drain', isOver).off('close', isOver)
      resolve()
    }
    socket.on('drain', isOver).on('close', isOver)
  })
}
