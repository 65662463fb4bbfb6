// The live listener under load, as a server of its own: so many sessions at once on loopback, each a real bounce from a
// client of its own (named by XCLIENT, as a proxy does, or by XFORWARD over LMTP, as Postfix does before each message),
// and every acknowledged message looked for in the store after.
// Goal: 200 sessions, 500 messages a second, nothing acknowledged lost.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { openStore } from '../../src/store/database.ts'
import { Site } from '../support/server.ts'

export type Protocol = 'smtp' | 'lmtp'

export interface SmtpFigures {
  readonly protocol: Protocol
  readonly sessions: number
  readonly acknowledged: number
  readonly kept: number
  readonly messagesPerSecond: number
  /** Of the server's processor time: what a busy machine does not blur. 0 where the platform does not tell. */
  readonly messagesPerCpuSecond: number
  readonly slowestReplyMs: number
}

const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
  .replace(/\r?\n/g, '\r\n')
  .replace(/^\./gm, '..')

/** Sends `messages` bounces over so many sessions; ends the server with SIGKILL right after the last reply. */
export async function benchSmtp(
  protocol: Protocol = 'smtp',
  sessions = 200,
  messages = 5000,
): Promise<SmtpFigures> {
  const ends: (() => unknown)[] = []
  const site = new Site(
    { after: (end: () => unknown) => ends.push(end) } as never,
    configuration + (protocol === 'lmtp' ? 'lmtp = true\n' : ''),
  )
  try {
    const server = await site.start()
    const share = Math.ceil(messages / sessions)
    const clients = await Promise.all(Array.from({ length: sessions }, () => open(server.smtp)))
    const cpuBefore = cpuSeconds(server.pid)
    const begun = performance.now()
    const replies = await Promise.all(
      clients.map((client, at) => send(client, protocol, at, share)),
    )
    const seconds = (performance.now() - begun) / 1000
    const cpu = cpuSeconds(server.pid) - cpuBefore
    await server.kill('SIGKILL')
    const acknowledged = replies.flat()
    const kept = keptIn(join(site.folder, 'list.db'))
    return {
      protocol,
      sessions,
      acknowledged: acknowledged.length,
      kept,
      messagesPerSecond: Math.round(acknowledged.length / seconds),
      messagesPerCpuSecond: cpu > 0 ? Math.round(acknowledged.length / cpu) : 0,
      slowestReplyMs: Math.round(Math.max(...acknowledged)),
    }
  } finally {
    for (const end of ends) await end()
  }
}

const configuration = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
[dns]
listen = ["127.0.0.1:0"]
workers = 1
[store]
path = "list.db"
[log]
level = "warn"
[[trap]]
address = "@trap.example.org"
[trapSmtp]
listen = ["127.0.0.1:0"]
hostname = "mx.trap.example.org"
proxies = ["127.0.0.1"]
connections = 1000
`

interface Client {
  readonly socket: Socket
  reply(): Promise<string>
}

async function open(address: string): Promise<Client> {
  const [host = '', port] = address.split(':')
  const socket = connect({ host, port: Number(port), noDelay: true })
  const lines: string[] = []
  let rest = ''
  let wake = (): void => undefined
  socket.setEncoding('latin1').on('data', (text) => {
    const parts = (rest + text).split('\r\n')
    rest = parts.pop() ?? ''
    lines.push(...parts.filter((line) => /^\d{3} /.test(line)))
    wake()
  })
  socket.on('close', () => wake())
  const reply = async (): Promise<string> => {
    while (lines.length === 0 && !socket.destroyed) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return lines.shift() ?? ''
  }
  await reply()
  return { socket, reply }
}

/** Milliseconds to the reply of each message that was acknowledged. */
async function send(
  { socket, reply }: Client,
  protocol: Protocol,
  session: number,
  count: number,
): Promise<number[]> {
  const took: number[] = []
  const say = async (line: string): Promise<string> => {
    socket.write(`${line}\r\n`)
    return await reply()
  }
  const client = `ADDR=8.${session >> 8}.${session & 255}.7`
  if (protocol === 'lmtp') await say('LHLO mx.example')
  else {
    await say('EHLO proxy.example')
    await say(`XCLIENT ${client}`)
    await say('EHLO far.example')
  }
  for (let number = 0; number < count; number++) {
    if (protocol === 'lmtp') await say(`XFORWARD ${client}`)
    socket.write('MAIL FROM:<>\r\nRCPT TO:<a@trap.example.org>\r\nDATA\r\n')
    for (let replies = 0; replies < 3; replies++) await reply()
    const begun = performance.now()
    socket.write(`X-Number: ${session}-${number}\r\n${sample}\r\n.\r\n`, 'latin1')
    if ((await reply()).startsWith('250')) took.push(performance.now() - begun)
  }
  socket.destroy()
  return took
}

/** User and system time so far (proc_pid_stat(5)), in ticks of a hundredth. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

function keptIn(path: string): number {
  const store = openStore(path)
  try {
    return store.evidence.newestId()
  } finally {
    store.close()
  }
}

if (import.meta.main) {
  for (const protocol of ['smtp', 'lmtp'] as const) {
    process.stdout.write(`${JSON.stringify(await benchSmtp(protocol))}\n`)
  }
}
