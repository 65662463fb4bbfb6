// The thread that reads mailboxes: what keeps it busy or ends it is one mailbox's failure, and holds up neither the main
// thread nor another mailbox.
import assert from 'node:assert/strict'
import { copyFileSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { OperationalError } from '../../../src/errors.ts'
import type { MailboxOptions } from '../../../src/traps/mailbox.ts'
import { type MailboxStatus, startTraps, type Traps } from '../../../src/traps/traps.ts'
import { temporaryDirectory } from '../../support/door.ts'
import { hostilePop3 } from '../../support/hostile-mail-servers.ts'
import { oddImap, oddPop3 } from '../../support/odd-mail-servers.ts'
import { until } from '../../support/server.ts'

const sample = 'test/bounces/dsn/stored-exim-4.eml'
const once = '0 0 1 1 *'

interface Started {
  readonly traps: Traps
  readonly recorded: Evidence[]
  readonly log: string[]
}

async function start(
  t: TestContext,
  mailboxes: MailboxOptions[],
  more: Partial<Parameters<typeof startTraps>[0]> = {},
): Promise<Started> {
  const recorded: Evidence[] = []
  const log: string[] = []
  const write = (fields: object, text: string): void => {
    log.push(`${text} ${JSON.stringify(fields)}`)
  }
  const traps = await startTraps({
    mailboxes,
    positions: { get: () => undefined, set: () => undefined },
    trace: { trustedRelays: [] },
    list: {
      isTrap: () => false,
      record: async (evidence) => {
        recorded.push(...evidence)
        return evidence.map(() => ({ decision: 'counted' }))
      },
    },
    now: () => Math.floor(Date.now() / 1000),
    log: { error: write, warn: write, info: write, debug: () => undefined },
    onFatal: (error) => assert.fail(error),
    ...more,
  })
  t.after(() => traps.close())
  return { traps, recorded, log }
}

function folder(t: TestContext): string {
  const path = temporaryDirectory(t)
  for (const each of ['new', 'cur']) mkdirSync(join(path, each))
  return path
}

function maildir(t: TestContext, name: string, messages = 1): MailboxOptions {
  const path = folder(t)
  for (let at = 0; at < messages; at++) copyFileSync(sample, join(path, 'new', `${at}.a.host`))
  return { name, type: 'maildir', path, schedule: once, allTraps: true }
}

function statusOf({ traps }: Started, name: string): MailboxStatus | undefined {
  return traps.mailboxes().find((each) => each.name === name)
}

async function hasState(started: Started, name: string, state: string): Promise<void> {
  const now = async () => statusOf(started, name)?.state
  assert.equal(await until(now, (each) => each === state, 60_000), state)
}

for (const [how, limits] of [
  ['exit', undefined],
  ['throw', undefined],
  ['heap', { maxOldGenerationSizeMb: 24 }],
] as const) {
  test(`a thread that dies (${how}) is one mailbox's failure, and the others are read`, async (t) => {
    const deadly: MailboxOptions = { ...maildir(t, 'deadly'), path: how }
    const sound = maildir(t, 'sound', 20)
    const entry = new URL('../../support/failing-mailbox-thread.ts', import.meta.url)
    const mailboxThread = { entry, ...(limits && { resourceLimits: limits }) }
    const started = await start(t, [deadly, sound], { mailboxThread })
    await hasState(started, 'deadly', 'failing')
    const { lastError } = statusOf(started, 'deadly') ?? {}
    assert.match(lastError ?? '', /^thread-failed: /)
    assert.match(started.log.join('\n'), /the thread that reads mailboxes died/)
    // Dies again and again, while the other one is read.
    for (let times = 0; times < 3; times++) {
      const again = started.traps.poll('deadly')
      await started.traps.poll('sound')
      await again
    }
    await started.traps.poll('sound')
    assert.equal(statusOf(started, 'sound')?.state, 'ok')
    assert.equal(readdirSync(join(sound.path ?? '', 'cur')).length, 20)
    assert.match(statusOf(started, 'deadly')?.lastError ?? '', /^thread-failed: /)
  })
}

test('the main thread goes on while a server floods the one that reads mailboxes', async (t) => {
  const { server } = hostilePop3['10 M sizes'] ?? {}
  assert.ok(server)
  const port = await oddPop3(t, server)
  const path = folder(t)
  const passwordFile = join(path, 'password')
  writeFileSync(passwordFile, 'secret\n')
  const url = `pop3://trap@127.0.0.1:${port}`
  const flooding: MailboxOptions = {
    ...{ name: 'flooding', type: 'pop3', url, passwordFile, schedule: once, allTraps: true },
  }
  const sound = maildir(t, 'sound', 5)
  const started = await start(t, [flooding, sound])
  await hasState(started, 'sound', 'ok')
  assert.equal(started.recorded.length, 5)
  await hasState(started, 'flooding', 'failing')
})

test('the status says since when a mailbox is being read', async (t) => {
  const silent = await oddPop3(t, { odd: { UIDL: '' } })
  const path = folder(t)
  const passwordFile = join(path, 'password')
  writeFileSync(passwordFile, 'secret\n')
  const url = `pop3://trap@127.0.0.1:${silent}`
  const mailbox = { name: 'silent', type: 'pop3', url, passwordFile } as const
  const started = await start(t, [
    { ...mailbox, schedule: once, allTraps: true },
    maildir(t, 'sound'),
  ])
  await hasState(started, 'sound', 'ok')
  assert.equal(statusOf(started, 'sound')?.readingSince, null)
  const { readingSince, state } = statusOf(started, 'silent') ?? {}
  assert.equal(state, 'waiting')
  assert.ok(Math.abs(Date.now() / 1000 - (readingSince ?? 0)) < 60)
})

for (const code of ['disk-low', 'clock-held'] as const) {
  test(`a mailbox whose messages wait for the server says so: ${code}`, async (t) => {
    const box = maildir(t, 'box')
    const started = await start(t, [box], {
      list: {
        isTrap: () => false,
        record: () => Promise.reject(new OperationalError(code, 'not now')),
      },
    })
    await hasState(started, 'box', 'failing')
    assert.match(statusOf(started, 'box')?.lastError ?? '', new RegExp(`^${code}: not recorded: `))
    assert.deepEqual(readdirSync(join(box.path ?? '', 'new')), ['0.a.host'])
  })
}

test('a Maildir with more messages than the thread has memory for their names is read', async (t) => {
  const path = folder(t)
  const first = join(path, 'new', '1764300000.M0000000P1.a-host-with-a-name.example.org')
  copyFileSync(sample, first)
  for (let at = 1; at < 60_000; at++) linkSync(first, first.replace(/M0{7}/, `M${1e7 + at}`))
  const resourceLimits = { maxOldGenerationSizeMb: 12, maxYoungGenerationSizeMb: 4 }
  const started = await start(t, [{ ...maildir(t, 'large', 0), path, allTraps: false }], {
    mailboxThread: { resourceLimits },
  })
  const now = async () => statusOf(started, 'large')
  const status = await until(now, (each) => each?.passedOver !== 0, 60_000)
  assert.ok(status !== undefined && status.passedOver > 0)
  assert.deepEqual(started.log, [])
})

test('a message of a million quoted From lines does not end the thread', async (t) => {
  const path = join(folder(t), 'mbox')
  const lines = '>From \n'.repeat(1_400_000)
  writeFileSync(path, `From a Tue Nov 24 11:24:44 2026\nSubject: a\n\n${lines}\n`)
  const started = await start(t, [
    { name: 'box', type: 'mbox', path, schedule: once, allTraps: true },
  ])
  await hasState(started, 'box', 'ok')
  assert.equal(started.recorded.length, 1)
})

test('a server that has news by the thousand is told of once for each reading', async (t) => {
  const news = Array.from({ length: 5000 }, (_, at) => `* ${at + 2} EXISTS\r\n`).join('')
  const port = await oddImap(t, { odd: { IDLE: `+ idling\r\n${news}` } })
  const passwordFile = join(folder(t), 'password')
  writeFileSync(passwordFile, 'secret\n')
  const url = `imap://trap@127.0.0.1:${port}`
  const mailboxes = [{ name: 'box', type: 'imap', url, passwordFile, schedule: once }]
  const entry = new URL('../../../src/traps/mailbox-thread.ts', import.meta.url)
  const thread = new Worker(entry, { workerData: { mailboxes } })
  t.after(() => thread.terminate())
  let wakes = 0
  const answered = new Map<number, () => void>()
  thread.on('message', (message: { wake?: string; id?: number }) => {
    if (message.wake !== undefined) wakes++
    answered.get(message.id ?? 0)?.()
  })
  const call = (name: string, id: number, ...args: readonly unknown[]) =>
    new Promise<void>((resolve) => {
      answered.set(id, resolve)
      thread.postMessage({ call: name, mailbox: 'box', id, args })
    })
  for (const reading of [1, 2]) {
    await call('begin', 10 * reading, undefined)
    await call('next', 10 * reading + 1)
    await call('finish', 10 * reading + 2)
    await until(
      async () => wakes,
      (count) => count >= reading,
      60_000,
    )
    // More of them would come now.
    await new Promise((next) => setTimeout(next, 300))
    assert.equal(wakes, reading)
  }
})

test('without a mailbox there is no thread', async (t) => {
  const entry = new URL('file:///nonexistent/thread.ts')
  const { traps } = await start(t, [], { mailboxThread: { entry } })
  assert.deepEqual(traps.mailboxes(), [])
})
