// An mbox of 2 GB read to its end by `serve`, each message of it for a trap: the whole process's memory at its highest
// (goals: under 400 MB, and at most 1.1 times what an eighth of the mail takes). The same through `ingest` without a server,
// and with nothing behind the source but a count, with megabytes a second. Then real bounces from mbox to commit: messages
// a second on one core (goal: 1,000).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import { openStore } from '../../src/store/database.ts'
import { type MailboxOptions, startTraps } from '../../src/traps/traps.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { testPolicy } from '../support/door.ts'
import { main, runCommand } from '../support/server.ts'

export interface MboxFigures {
  readonly gigabytes: number
  readonly messages: number
  readonly megabytesPerSecond: number
  readonly highestMegabytes: number
}

export interface ServedFigures {
  readonly through: 'serve' | 'ingest'
  readonly gigabytes: number
  readonly messages: number
  readonly seconds: number
  /** Of 10^6 octets. */
  readonly highestMegabytes: number
}

export interface MessageFigures {
  readonly messagesPerSecond: number
  /** Of this process's own processor time, which a busy machine does not blur. */
  readonly messagesPerCpuSecond: number
}

const from = 'From MAILER-DAEMON Tue Nov 24 11:24:44 2026\n'
const silent = (): void => undefined
const log = { error: silent, warn: silent, info: silent, debug: silent }

/** Longer than this no run takes on a busy machine; one that does is no figure. */
const longestMs = 15 * 60_000

/** The highest resident memory (VmHWM) of `serve` and of `ingest` while they read `gigabytes` of mail for a trap. */
export async function benchServed(gigabytes = 2): Promise<ServedFigures[]> {
  return await inFolder(async (folder) => {
    const messages = await writeLarge(join(folder, 'box.mbox'), gigabytes, 'a@trap.example')
    const file = join(folder, 'backscatterd.toml')
    const recorded = async (): Promise<number> => {
      const { stdout } = await runCommand(['--config', file, 'status', '--json'], folder)
      const [{ state, recorded, lastError }] = JSON.parse(stdout).mailboxes
      if (lastError !== null) throw new Error(lastError)
      return state === 'ok' ? recorded : 0
    }
    writeFileSync(file, configuration + mailbox)
    const served = await highest(['--config', file, 'serve'], folder, async () => {
      return (await recorded()) === messages
    })
    writeFileSync(file, configuration.replace('list.db', 'ingest.db'))
    const ingested = await highest(['--config', file, 'ingest', 'box.mbox'], folder)
    const common = { gigabytes, messages }
    return [
      { through: 'serve', ...common, ...served },
      { through: 'ingest', ...common, ...ingested },
    ]
  })
}

/** Runs a command until it ends by itself or `isDone`, which is asked every few seconds, says so. */
async function highest(
  args: readonly string[],
  cwd: string,
  isDone: () => Promise<boolean> = async () => false,
): Promise<Pick<ServedFigures, 'seconds' | 'highestMegabytes'>> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const begun = performance.now()
  let highestMegabytes = 0
  // Once a process has ended nobody can ask how much it had.
  const watch = setInterval(() => {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(status) ?? []
    if (kibibytes) highestMegabytes = Math.round((Number(kibibytes) * 1024) / 1e6)
  }, 100)
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
  const seconds = (): number => Math.round((performance.now() - begun) / 1000)
  try {
    await Promise.race([once(child.stdout, 'data'), exited])
    child.stdout.resume()
    while (!isOver() && !(await isDone())) {
      if (performance.now() - begun > longestMs) throw new Error('it did not come to its end')
      await Promise.race([exited, new Promise((next) => setTimeout(next, 2000))])
    }
    if (isOver() && child.exitCode !== 0) throw new Error(`it ended with ${child.exitCode}`)
    return { seconds: seconds(), highestMegabytes }
  } finally {
    clearInterval(watch)
    child.kill('SIGTERM')
    await exited
  }
}

const configuration = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
[dns]
listen = ["127.0.0.1:0"]
[store]
path = "list.db"
[admin]
listen = "127.0.0.1:0"
[[trap]]
address = "@trap.example"
`

const mailbox = `
[[mailbox]]
name = "box"
type = "mbox"
path = "box.mbox"
`

/** Reads `gigabytes` of messages that are for no trap. */
export async function benchSize(gigabytes = 2): Promise<MboxFigures> {
  return await inFolder(async (folder) => {
    const path = join(folder, 'mbox')
    await writeLarge(path, gigabytes, 'a@person.example')
    let highest = 0
    const watch = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage.rss())
    }, 20)
    const { seconds, handled } = await read({ path, type: 'mbox' }, folder)
    clearInterval(watch)
    return {
      gigabytes,
      messages: handled,
      megabytesPerSecond: Math.round((gigabytes * 1024) / seconds),
      highestMegabytes: Math.round(highest / 1024 ** 2),
    }
  })
}

/** Messages a second from the file to the commit, each a bounce from another client. */
export async function benchMessages(count = 5000): Promise<MessageFigures> {
  return await inFolder(async (folder) => {
    const path = join(folder, 'mbox')
    const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1').replaceAll(
      '\r\n',
      '\n',
    )
    await write(path, count, (number) => {
      const client = `8.${number >> 12}.${(number >> 4) & 255}.${number & 15}`
      return `${from}Delivered-To: a@trap.example\nReceived: from x (x [${client}])\n\tby mx.ours.example (Postfix) with ESMTP id ${number};\n\tTue, 24 Nov 2026 11:24:44 +0000\n${bounce}\n\n`
    })
    const cpuBefore = process.cpuUsage()
    const { seconds, handled } = await read({ path, type: 'mbox' }, folder)
    const { user, system } = process.cpuUsage(cpuBefore)
    return {
      messagesPerSecond: Math.round(handled / seconds),
      messagesPerCpuSecond: Math.round(handled / ((user + system) / 1e6)),
    }
  })
}

async function read(source: Pick<MailboxOptions, 'path' | 'type'>, folder: string) {
  const store = openStore(join(folder, 'bench.db'))
  const blocklist = new Blocklist({
    store,
    tree: new TreeWriter(2 ** 28),
    policy: testPolicy(),
    now: () => Math.floor(Date.now() / 1000),
    log,
    validForSeconds: 86_400,
    retired: false,
  })
  const begun = performance.now()
  const traps = await startTraps({
    mailboxes: [{ ...source, name: 'box', schedule: '0 0 1 1 *', allTraps: false }],
    positions: { get: () => undefined, set: silent },
    trace: { trustedRelays: [] },
    list: {
      isTrap: (address) => address.endsWith('@trap.example'),
      record: (evidence) => blocklist.record(evidence),
    },
    now: () => Math.floor(Date.now() / 1000),
    log,
    onFatal: (error) => {
      throw error
    },
  })
  while (traps.mailboxes()[0]?.state === 'waiting') await new Promise((next) => setTimeout(next, 5))
  const seconds = (performance.now() - begun) / 1000
  const { recorded, passedOver, lastError } = traps.mailboxes()[0] ?? {}
  await traps.close()
  blocklist.close()
  store.close()
  if (lastError) throw new Error(lastError)
  return { seconds, handled: (recorded ?? 0) + (passedOver ?? 0) }
}

/** Messages of 100 kB each, every one another; resolves with how many. */
async function writeLarge(path: string, gigabytes: number, recipient: string): Promise<number> {
  const body = 'Nothing in it, only very much of it. 0123456789 abcdefghijklmno\n'.repeat(1700)
  const message = `Delivered-To: ${recipient}\nSubject: x\n\n${body}\n`
  const count = Math.ceil((gigabytes * 1024 ** 3) / (from.length + message.length))
  await write(path, count, (number) => `${from}Message-ID: <${number}@x.example>\n${message}`)
  return count
}

async function write(path: string, count: number, make: (number: number) => string): Promise<void> {
  const file = createWriteStream(path)
  for (let number = 0; number < count; number++) {
    if (!file.write(make(number), 'latin1')) await once(file, 'drain')
  }
  file.end()
  await once(file, 'finish')
}

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  try {
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  for (const figures of await benchServed()) process.stdout.write(`${JSON.stringify(figures)}\n`)
  process.stdout.write(`${JSON.stringify(await benchSize())}\n`)
  process.stdout.write(`${JSON.stringify(await benchMessages())}\n`)
}
