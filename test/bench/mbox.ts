// An mbox of 2 GB read to its end: memory at its highest, and megabytes a second, with nothing behind the source but a
// count. Goal: under 250 MB. Then real bounces from mbox to commit: messages a second on one core (goal: 1,000).

import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import { openStore } from '../../src/store/database.ts'
import { type MailboxOptions, startTraps } from '../../src/traps/traps.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { testPolicy } from '../unit/blocklist/fixture.ts'

export interface MboxFigures {
  readonly gigabytes: number
  readonly messages: number
  readonly megabytesPerSecond: number
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

/** Reads `gigabytes` of messages of 100 kB each that are for no trap. */
export async function benchSize(gigabytes = 2): Promise<MboxFigures> {
  return await inFolder(async (folder) => {
    const path = join(folder, 'mbox')
    const body = 'Not a trap, only very much of it. 0123456789 abcdefghijklmno\n'.repeat(1700)
    const message = `${from}Delivered-To: a@person.example\nSubject: x\n\n${body}\n`
    const count = Math.ceil((gigabytes * 1024 ** 3) / message.length)
    await write(path, count, () => message)
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
  const blocklist = Blocklist.open({
    ...{ store, tree: TreeWriter.create({ capacityBytes: 2 ** 28 }), policy: testPolicy() },
    ...{ now: () => Math.floor(Date.now() / 1000), log, validForSeconds: 86_400, retired: false },
  })
  const begun = performance.now()
  const traps = await startTraps({
    mailboxes: [{ ...source, name: 'box', schedule: '0 0 1 1 *', allTraps: false }],
    positions: { get: () => undefined, set: silent },
    trace: { trustedRelays: [] },
    isTrap: (address) => address.endsWith('@trap.example'),
    record: (evidence) => blocklist.record(evidence),
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
  process.stdout.write(`${JSON.stringify(await benchSize())}\n`)
  process.stdout.write(`${JSON.stringify(await benchMessages())}\n`)
}
