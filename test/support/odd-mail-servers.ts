// IMAP and POP3 servers on the loopback that say what a test tells them to, an error with a trap's address in it for one.
// Each has one mailbox, with the messages it is given.
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'

export interface OddServer {
  /** Replies by the command's verb (`greeting` for the first), in place of what a good server says; `TAG` stands for the tag. */
  readonly odd?: Readonly<Record<string, string>>
  readonly messages?: readonly string[]
  /** After these verbs the connection is closed. */
  readonly hangsUpAfter?: readonly string[]
  /** In PEM: TLS from the first octet. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** Starts one; resolves with its port. Ended with the test. */
export async function oddPop3(t: TestContext, server: OddServer): Promise<number> {
  const messages = server.messages ?? []
  const lines = (entries: string[]): string =>
    `+OK\r\n${entries.map((entry) => `${entry}\r\n`).join('')}.\r\n`
  return await listen(t, server, '+OK ready\r\n', (line) => {
    const [verb = '', number] = line.split(' ')
    const usual: Record<string, string> = {
      CAPA: '-ERR unknown\r\n',
      LIST: lines(messages.map((text, at) => `${at + 1} ${text.length}`)),
      UIDL: lines(messages.map((_, at) => `${at + 1} uid${at + 1}`)),
      RETR: `+OK\r\n${messages[Number(number) - 1]}\r\n.\r\n`,
    }
    return { verb, reply: usual[verb] ?? '+OK\r\n' }
  })
}

/** As `oddPop3`; its folder is empty. */
export async function oddImap(t: TestContext, server: OddServer): Promise<number> {
  return await listen(t, server, '* OK ready\r\n', (line) => {
    const [tag = '', word = '', second = ''] = line.split(' ')
    const verb = (word.toUpperCase() === 'UID' ? second : word).toUpperCase()
    const usual: Record<string, string> = {
      CAPABILITY: '* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n',
      SELECT: `* 0 EXISTS\r\n* OK [UIDVALIDITY 1] one\r\n* OK [UIDNEXT 1] next\r\nTAG OK [READ-WRITE] open\r\n`,
      SEARCH: '* SEARCH\r\nTAG OK done\r\n',
    }
    return { verb, reply: (usual[verb] ?? 'TAG OK done\r\n').replaceAll('TAG', tag) }
  })
}

async function listen(
  t: TestContext,
  { odd = {}, hangsUpAfter = [], tls }: OddServer,
  greeting: string,
  answer: (line: string) => { readonly verb: string; readonly reply: string },
): Promise<number> {
  const sockets = new Set<Socket>()
  const serve = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    const say = (verb: string, reply: string): void => {
      socket.write(reply)
      if (hangsUpAfter.includes(verb)) socket.end()
    }
    say('greeting', odd['greeting'] ?? greeting)
    let rest = ''
    socket.setEncoding('latin1').on('data', (text) => {
      const lines = (rest + String(text)).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { verb, reply } = answer(line)
        const [tag = ''] = line.split(' ')
        say(verb, odd[verb]?.replaceAll('TAG', tag) ?? reply)
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
