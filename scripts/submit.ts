// Submits a message file over SMTP as a mail server would, with the null sender:
//   npm run sample                                     the sample bounce, to the demonstration's listener and trap
//   npm run sample -- --to a@trap.example --client 198.51.100.7 --server 127.0.0.1:2525 FILE
// --client names the sending host by XCLIENT, which the listener believes only from its trapSmtp.proxies.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/load.ts'

export interface Submission {
  readonly server: string
  readonly from: string
  readonly to: readonly string[]
  /** Address for XCLIENT; if absent, the connection's own address counts. */
  readonly client?: string
  readonly message: string
  /** Called with each line of the dialogue. */
  readonly onLine?: (line: string) => void
}

/** Sends one message. Resolves with the reply to its content; rejects with the first refusal. */
export async function submit(submission: Submission): Promise<string> {
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(submission.server) ?? []
  if (port === '') throw new Error(`${submission.server}: expected HOST:PORT`)
  const socket = connect({ host, port: Number(port) })
  try {
    const replies = createInterface({ input: socket })[Symbol.asyncIterator]()
    const say = async (line: string, shown = line): Promise<string> => {
      if (line !== '') {
        submission.onLine?.(`C: ${shown}`)
        socket.write(`${line}\r\n`, 'latin1')
      }
      for (;;) {
        const { value: reply, done } = await replies.next()
        if (done) throw new Error('the server closed the connection')
        submission.onLine?.(`S: ${reply}`)
        if (/^[45]/.test(reply)) throw new Error(reply)
        if (!/^\d{3}-/.test(reply)) return reply
      }
    }
    await say('')
    await say('EHLO sample.example')
    if (submission.client !== undefined) {
      const prefix = submission.client.includes(':') ? 'IPV6:' : ''
      await say(`XCLIENT ADDR=${prefix}${submission.client} NAME=[UNAVAILABLE]`)
      await say('EHLO sample.example')
    }
    await say(`MAIL FROM:<${submission.from}>`)
    for (const recipient of submission.to) await say(`RCPT TO:<${recipient}>`)
    await say('DATA')
    const lines = submission.message.replace(/\r?\n$/, '').split(/\r?\n/)
    const stuffed = lines.map((line) => (line.startsWith('.') ? `.${line}` : line)).join('\r\n')
    const reply = await say(`${stuffed}\r\n.`, `(${lines.length} lines)`)
    await say('QUIT')
    return reply
  } finally {
    socket.destroy()
  }
}

const sample = 'data/samples/postfix-bounce.eml'

/** The same bounce with a new Message-Id, so that the sample can be sent again: a message counts only once. */
function anew(message: string): string {
  return message.replace(/^Message-Id: <.*?@/m, `Message-Id: <${randomUUID()}@`)
}

function readArguments() {
  const options = {
    config: { type: 'string' },
    server: { type: 'string' },
    from: { type: 'string', default: '' },
    to: { type: 'string', default: 'orders@trap.example.org' },
    client: { type: 'string', default: '198.51.100.10' },
  } as const
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    console.error((error as Error).message)
    console.error(
      'usage: npm run sample -- [--server HOST:PORT] [--from A] [--to A] [--client IP] [FILE]',
    )
    process.exit(2)
  }
}

/** The first address of the configuration's trap listener. */
function listenerOf(file: string | undefined): string {
  const { trapSmtp } = loadConfig({ file, env: process.env, cwd: process.cwd() })
  const [listen] = trapSmtp?.listen ?? []
  if (listen === undefined) throw new Error('the configuration has no [trapSmtp]')
  return listen
}

if (import.meta.main) {
  const { values, positionals } = readArguments()
  const [file = sample] = positionals
  try {
    const server = values.server ?? listenerOf(values.config)
    const content = readFileSync(file, 'latin1')
    const message = file === sample ? anew(content) : content
    await submit({
      ...values,
      server,
      to: [values.to],
      message,
      onLine: (line) => console.log(line),
    })
  } catch (error) {
    console.error(`${file}: not accepted: ${(error as Error).message}`)
    process.exitCode = 1
  }
}
