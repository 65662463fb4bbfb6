// Measures what a message from a collector takes: processor time from its octets to the commit, and what the database writes and
// keeps for it. On a database that holds the measured list.
import {
  closeSync,
  copyFileSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs'
import { openStore } from '../../src/store/database.ts'
import { median } from '../../test/bench/dns-load.ts'
import { benchIngest } from '../../test/bench/ingest.ts'
import { evidence } from '../../test/support/door.ts'
import { seeded } from '../../test/support/seeded.ts'
import { assumptions } from './assumptions.ts'
import { openBlocklist, threadSeconds } from './measure-list.ts'
import { now } from './sample.ts'

export interface MessageConstants {
  /** Processor seconds to parse, classify, judge and write it. */
  readonly messageSeconds: number
  /** Processor seconds of the main thread, and octets written, when 20 messages wait for each commit. */
  readonly commitSeconds: number
  readonly writtenOctets: number
  /** The same when each message has a commit of its own. */
  readonly aloneSeconds: number
  readonly aloneOctets: number
  /** Seconds until the disk has what a commit writes. */
  readonly syncSeconds: number
  readonly keptOctets: number
}

/** Messages that wait for each commit. */
export const together = 20
/** What the evidence of a bounce usually tells. */
const details = {
  helo: 'mail.example.net',
  reversePath: '',
  subject: 'Undelivered Mail Returned to Sender',
  messageId: '<20261128093000.4F1C22A1B3@mail.example.net>',
  queueId: '4F1C22A1B3',
  facts: 'report null-sender returned',
  generator: 'postfix',
  reportingMta: 'dns; mail.example.net',
  finalRecipient: 'rfc822; nobody@customer.example.net',
  action: 'failed',
  status: '5.1.1',
  diagnosticCode:
    'smtp; 550 5.1.1 <nobody@customer.example.net>: user unknown in virtual mailbox table',
  returnedMessageId: '<17648.29384@spammer.example.com>',
}
const traps = 40

/** `rows`: a database to copy. */
export async function measureMessages(rows: string, messages: number): Promise<MessageConstants> {
  const path = `${rows}-messages`
  copyFileSync(rows, path)
  const ingested = await benchIngest(messages, Math.ceil(messages / assumptions.messagesPerEntry))
  const before = statSync(path).size
  const store = openStore(path)
  const { blocklist } = openBlocklist(store)
  const random = seeded(7)
  const measure = async (writers: number) => {
    const written = writtenOctets()
    const started = process.threadCpuUsage()
    let next = 0
    const write = async (): Promise<void> => {
      while (next < messages) {
        const number = next++
        if (number % assumptions.messagesPerEntry === 0) host = randomHost(random())
        const content = `${random()}${random()}${random()}`
        const recipient = `${number % traps}@trap.example.org`
        await blocklist.record([
          evidence({ client: host, content, returned: content, recipient, details, seenAt: now }),
        ])
      }
    }
    let host = ''
    await Promise.all(Array.from({ length: writers }, write))
    return {
      seconds: threadSeconds(started) / messages,
      octets: (writtenOctets() - written) / messages,
    }
  }
  const grouped = await measure(together)
  const alone = await measure(1)
  blocklist.close()
  store.close()
  return {
    messageSeconds: 1 / ingested.messagesPerCpuSecond,
    commitSeconds: grouped.seconds,
    writtenOctets: grouped.octets,
    aloneSeconds: alone.seconds,
    aloneOctets: alone.octets,
    syncSeconds: measureSync(`${rows}-synced`, together * grouped.octets),
    keptOctets: (statSync(path).size - before) / (2 * messages),
  }
}

function randomHost(word: number): string {
  return [40 + ((word >>> 24) % 40), (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.')
}

/** Median of some writes of so many octets, each until it is on the disk. */
function measureSync(path: string, octets: number): number {
  const file = openSync(path, 'w')
  const block = new Uint8Array(octets)
  const times = Array.from({ length: 51 }, () => {
    const before = performance.now()
    writeSync(file, block)
    fdatasyncSync(file)
    return (performance.now() - before) / 1000
  })
  closeSync(file)
  return median(times)
}

/** Octets that this process has written so far (proc_pid_io(5)). */
function writtenOctets(): number {
  return Number(/wchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}
