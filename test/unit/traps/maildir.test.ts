// Real Maildir folders through the poller: what is read, what is moved and when, what is left alone, and what happens
// when a commit fails, the process dies, or the folder is not there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { silent } from '../../../src/errors.ts'
import { formatAddress } from '../../../src/ip/address.ts'
import { parseTrustedRelays } from '../../../src/mail/trace.ts'
import { Collector } from '../../../src/traps/collect.ts'
import type { Mailbox } from '../../../src/traps/mailbox.ts'
import { Maildir } from '../../../src/traps/maildir.ts'
import { Poller } from '../../../src/traps/poller.ts'
import { RemoteMailboxes } from '../../../src/traps/remote-mailboxes.ts'
import { reading } from '../../support/reading.ts'

const now = 1_800_000_000
const sample = readFileSync('test/bounces/dsn/stored-exim-4.eml')
const sampleTime = Date.UTC(2026, 10, 24, 12, 24, 13) / 1000

class Box {
  readonly path: string
  readonly recorded: Evidence[] = []
  readonly log: string[] = []
  traps: string[] = ['realuser@ex.example']
  clock = now
  decision = 'counted'
  /** Called with each piece of evidence before it counts as committed. */
  commit: (evidence: readonly Evidence[]) => Promise<void> = async () => undefined
  readonly collector = new Collector({
    relays: parseTrustedRelays([]),
    list: {
      isTrap: (address) => this.traps.includes(address),
      record: async (evidence) => {
        await this.commit(evidence)
        this.recorded.push(...evidence)
        return evidence.map(() => ({ decision: this.decision }))
      },
    },
    now: () => this.clock,
    log: this.#logger(),
    ...reading(),
  })

  constructor(t: TestContext) {
    const folder = mkdtempSync(join(tmpdir(), 'backscatterd-maildir-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    this.path = join(folder, 'box')
    for (const each of ['new', 'cur', 'tmp']) mkdirSync(join(this.path, each), { recursive: true })
  }

  poller(options: { allTraps?: boolean; maxBytes?: number; mailbox?: Mailbox } = {}): Poller {
    const { allTraps = false, maxBytes = 1_000_000 } = options
    const log = this.#logger()
    const trapsAmong = async (addresses: readonly string[]) =>
      new Set(addresses.filter((each) => this.traps.includes(each)))
    const { path } = this
    const wake = () => undefined
    const own = new Maildir({ name: 'box', path, maxBytes, trapsAmong, wake, log })
    const { mailbox = own } = options
    const { collector } = this
    return new Poller({
      name: 'box',
      type: 'maildir',
      allTraps,
      mailbox,
      positions: { get: () => undefined, set: () => undefined },
      collector,
      now: () => this.clock,
      log,
    })
  }

  drop(name: string | Buffer, content: string | Uint8Array = sample): void {
    const file = Buffer.concat([Buffer.from(join(this.path, 'tmp/')), Buffer.from(name)])
    writeFileSync(file, content)
    renameSync(file, Buffer.concat([Buffer.from(join(this.path, 'new/')), Buffer.from(name)]))
  }

  names(folder: 'new' | 'cur'): string[] {
    return readdirSync(join(this.path, folder)).sort()
  }

  #logger() {
    const write = (fields: object, message: string): void => {
      this.log.push(`${message} ${JSON.stringify(fields)}`)
    }
    return { error: write, warn: write, info: write, debug: () => undefined }
  }
}

test('a message is recorded, then moved to cur as seen, and not read again', async (t) => {
  const box = new Box(t)
  const poller = box.poller()
  assert.equal(poller.status().state, 'waiting')
  box.drop('1.a.host')
  let namesAtCommit: string[] = []
  box.commit = async () => {
    namesAtCommit = box.names('new')
  }
  await poller.poll()
  await poller.poll()
  assert.deepEqual(namesAtCommit, ['1.a.host'])
  assert.deepEqual(box.names('new'), [])
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S'])
  assert.equal(box.recorded.length, 1)
  const [evidence] = box.recorded
  assert.equal(evidence?.client && formatAddress(evidence.client), '198.51.100.10')
  assert.equal(evidence?.recipient, 'realuser@ex.example')
  assert.equal(evidence?.kind, 'dsn')
  assert.equal(evidence?.source, 'box')
  assert.equal(evidence?.seenAt, sampleTime)
  assert.deepEqual(poller.status(), {
    name: 'box',
    type: 'maildir',
    state: 'ok',
    readingSince: null,
    lastReadAt: now,
    lastError: null,
    lastErrorDetail: null,
    retryAt: null,
    recorded: 1,
    passedOver: 0,
    refused: 0,
    unreadable: 0,
  })
  assert.doesNotMatch(box.log.join(), /realuser/)
})

test('a commit that fails moves nothing; the message comes again after a pause', async (t) => {
  const box = new Box(t)
  const poller = box.poller()
  box.drop('1.a.host')
  box.commit = async () => {
    throw new Error('disk full')
  }
  await poller.poll()
  assert.deepEqual(box.names('new'), ['1.a.host'])
  const { state, lastError, lastErrorDetail, retryAt } = poller.status()
  assert.deepEqual([state, retryAt], ['failing', now + 2])
  assert.equal(lastError, 'not-recorded: a message was read but could not be recorded')
  assert.equal(lastErrorDetail, 'reading it: disk full')
  box.commit = async () => undefined
  await poller.poll()
  assert.equal(box.recorded.length, 0)
  box.clock += 2
  await poller.poll()
  assert.equal(box.recorded.length, 1)
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S'])
  assert.equal(poller.status().state, 'ok')
})

test('a process that dies between commit and move gives the message again', async (t) => {
  const box = new Box(t)
  box.drop('1.a.host')
  const dies = box.poller()
  const reached = Promise.withResolvers<void>()
  box.commit = () => {
    reached.resolve()
    return new Promise(() => undefined)
  }
  void dies.poll()
  await reached.promise
  box.commit = async () => undefined
  await box.poller().poll()
  assert.equal(box.recorded.length, 1)
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S'])
})

test('a message for no trap is left alone, and not read at every poll', async (t) => {
  const box = new Box(t)
  box.traps = []
  const poller = box.poller()
  box.drop('1.a.host')
  await poller.poll()
  writeFileSync(join(box.path, 'new/1.a.host'), 'changed behind its back')
  await poller.poll()
  assert.deepEqual(box.names('new'), ['1.a.host'])
  assert.deepEqual(box.names('cur'), [])
  assert.deepEqual([box.recorded.length, poller.status().passedOver], [0, 1])
})

test('a message for no trap counts once its recipient becomes one', async (t) => {
  const box = new Box(t)
  box.traps = []
  const poller = box.poller()
  box.drop('1.a.host')
  await poller.poll()
  box.traps = ['realuser@ex.example']
  await poller.poll()
  assert.equal(box.recorded.length, 1)
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S'])
})

const received =
  'Received: from a (a [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1 for <for@ours.example>; Tue, 24 Nov 2026 12:00:00 +0000\n'
/** Header fields above the Received field, what are traps, and who is recorded; null: nobody. */
const deliveries: Readonly<
  Record<string, readonly [fields: string, traps: string[], string[] | null]>
> = {
  'X-Original-To before aliases': [
    'X-Original-To: trap@ours.example\nDelivered-To: box@ours.example\n',
    ['trap@ours.example', 'box@ours.example'],
    ['trap@ours.example'],
  ],
  'Delivered-To alone': [
    'Delivered-To: box@OURS.example\n',
    ['box@ours.example'],
    ['box@ours.example'],
  ],
  'Envelope-To of several': [
    'Envelope-to: a@ours.example, <b@ours.example>, c@ours.example\n',
    ['a@ours.example', 'b@ours.example'],
    ['a@ours.example', 'b@ours.example'],
  ],
  'Received for': ['', ['for@ours.example'], ['for@ours.example']],
  'none of them': ['Delivered-To: box@ours.example\n', ['x@ours.example'], null],
}

for (const [what, [fields, traps, recipients]] of Object.entries(deliveries)) {
  test(`recipients by ${what}`, async (t) => {
    const box = new Box(t)
    box.traps = traps
    const below =
      'Delivered-To: x@ours.example\nX-Original-To: x@ours.example\nReceived: from b by c for <x@ours.example>\n'
    box.drop('1.a.host', `${fields}${received}${below}To: x@ours.example\nSubject: x\n\nx\n`)
    await box.poller().poll()
    assert.deepEqual(
      box.recorded.length === 0 ? null : box.recorded.map(({ recipient }) => recipient),
      recipients,
    )
  })
}

test('allTraps: every message counts, for whom it was delivered to', async (t) => {
  const box = new Box(t)
  box.traps = []
  const poller = box.poller({ allTraps: true })
  box.drop('1.a.host')
  box.drop('2.a.host', 'Subject: nobody named\n\nx\n')
  await poller.poll()
  assert.deepEqual(box.recorded.map(({ recipient }) => recipient).sort(), [
    'mailbox:box',
    'realuser@ex.example',
  ])
})

test('its time is the trusted Received field’s, else the file’s, and never later than now', async (t) => {
  const box = new Box(t)
  const poller = box.poller({ allTraps: true })
  box.drop('1.a.host', 'Subject: without\nDate: Tue, 24 Nov 2020 12:00:00 +0000\n\nx\n')
  utimesSync(join(box.path, 'new/1.a.host'), 1_700_000_000, 1_700_000_000)
  box.drop('2.a.host', received.replace('2026', '2090'))
  box.drop('3.a.host', 'Subject: from the future\n\nx\n')
  utimesSync(join(box.path, 'new/3.a.host'), 1_900_000_000, 1_900_000_000)
  await poller.poll()
  assert.deepEqual(box.recorded.map(({ seenAt }) => seenAt).sort(), [1_700_000_000, now, now])
})

test('names of any octets, flags and hidden files', async (t) => {
  const box = new Box(t)
  const odd = Buffer.from([0x31, 0x2e, 0xff, 0xfe, 0x20, 0x0a, 0x27])
  box.drop(odd)
  box.drop('2.a.host:2,RF')
  box.drop('.hidden')
  await box.poller().poll()
  const cur = readdirSync(join(box.path, 'cur'), { encoding: 'buffer' }).map((name) =>
    name.toString('latin1'),
  )
  assert.deepEqual(cur.sort(), [`${odd.toString('latin1')}:2,S`, '2.a.host:2,FRS'].sort())
  assert.deepEqual(box.names('new'), ['.hidden'])
})

test('a name that cur has already replaces nothing there', async (t) => {
  const box = new Box(t)
  writeFileSync(join(box.path, 'cur/1.a.host:2,S'), 'older')
  box.drop('1.a.host')
  await box.poller().poll()
  assert.equal(readFileSync(join(box.path, 'cur/1.a.host:2,S'), 'utf8'), 'older')
  assert.equal(box.names('cur').length, 2)
  assert.ok(box.names('cur').every((name) => name.endsWith(':2,S')))
})

test('what vanishes meanwhile is nobody’s fault', async (t) => {
  const box = new Box(t)
  const poller = box.poller()
  for (let each = 0; each < 30; each++) box.drop(`${each}.a.host`)
  box.commit = async () => {
    for (const name of box.names('new')) unlinkSync(join(box.path, 'new', name))
  }
  await poller.poll()
  assert.equal(poller.status().state, 'ok')
  assert.ok(box.recorded.length >= 1)
  assert.deepEqual(box.names('cur'), [])
})

test('an oversize message is moved unread, and said to be refused', async (t) => {
  const box = new Box(t)
  const poller = box.poller({ maxBytes: 10_000 })
  box.drop('1.a.host', 'x')
  truncateSync(join(box.path, 'new/1.a.host'), 1_000_000_000)
  box.drop('2.a.host')
  await poller.poll()
  assert.equal(box.recorded.length, 1)
  assert.equal(poller.status().refused, 1)
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S', '2.a.host:2,S'])
  assert.match(box.log.join(), /message refused .*1000000000 octets/)
})

test('of a file that grows while it is read, no more is taken than was looked at', async (t) => {
  const box = new Box(t)
  box.drop('1.a.host')
  const file = join(box.path, 'new', '1.a.host')
  await using handle = await open(file)
  const prototype = Object.getPrototypeOf(handle) as Pick<FileHandle, 'stat'>
  const { stat } = prototype
  t.mock.method(prototype, 'stat', async function (this: FileHandle) {
    const found = await stat.call(this)
    appendFileSync(file, Buffer.alloc(1_000_000))
    return found
  })
  const trapsAmong = async () => new Set<string>()
  const log = { error() {}, warn() {}, info() {}, debug() {} }
  const options = { name: 'box', path: box.path, maxBytes: 500_000 }
  const mailbox = new Maildir({ ...options, trapsAmong, wake: () => undefined, log })
  const sizes: number[] = []
  for await (const each of mailbox.messages()) if ('raw' in each) sizes.push(each.raw.length)
  assert.deepEqual(sizes, [sample.length])
})

test('what is no regular file is skipped, said once, and stops nothing', async (t) => {
  const box = new Box(t)
  execFileSync('mkfifo', [join(box.path, 'new/0.fifo')])
  mkdirSync(join(box.path, 'new/1.folder'))
  symlinkSync('/etc/hostname', join(box.path, 'new/2.link'))
  box.drop('3.a.host')
  const poller = box.poller()
  await poller.poll()
  await poller.poll()
  assert.equal(box.recorded.length, 1)
  assert.deepEqual(box.names('new'), ['0.fifo', '1.folder', '2.link'])
  const skipped = box.log.filter((line) => line.startsWith('message skipped {'))
  assert.equal(skipped.length, 3)
  // A file's name is free text, which the default log must not repeat.
  for (const line of skipped)
    assert.match(line, /"message":"inode \d+","why":"not a regular file"}$/)
})

/** Runs `work` as a user who is not root and owns the box: root could read everything. */
async function unprivileged(box: Box, work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return await work()
  for (const folder of ['', 'new', 'cur', 'tmp']) chownSync(join(box.path, folder), 64_123, 64_123)
  chmodSync(join(box.path, '..'), 0o755)
  process.seteuid?.(64_123)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}

test('messages that may not be read make the mailbox fail with their number; the others are read', async (t) => {
  const box = new Box(t)
  for (const name of ['1.a.host', '2.secret.host', '3.b.host', '4.secret.host']) box.drop(name)
  for (const name of ['2.secret.host', '4.secret.host']) chmodSync(join(box.path, 'new', name), 0)
  const poller = box.poller()
  await unprivileged(box, async () => {
    await poller.poll()
    await poller.poll()
  })
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S', '3.b.host:2,S'])
  const { state, unreadable, lastError, lastErrorDetail, retryAt } = poller.status()
  assert.deepEqual([state, unreadable, retryAt], ['failing', 2, null])
  assert.match(lastError ?? '', /^messages-unreadable: .*backscatterd doctor/)
  assert.match(lastErrorDetail ?? '', /EACCES.*2\.secret/)
  const logged = box.log.filter((line) => line.startsWith('messages cannot be read or moved'))
  assert.equal(logged.length, 1)
  assert.match(logged[0] ?? '', /"messages":2/)
  assert.doesNotMatch(box.log.join(), /secret/)
  for (const name of ['2.secret.host', '4.secret.host']) unlinkSync(join(box.path, 'new', name))
  await poller.poll()
  assert.deepEqual([poller.status().state, poller.status().unreadable], ['ok', 0])
})

test('messages that may not be moved are recorded once, and moved as soon as that is possible', async (t) => {
  const box = new Box(t)
  box.decision = 'counted'
  for (const name of ['1.a.host', '2.b.host', '3.c.host']) box.drop(name)
  chmodSync(join(box.path, 'cur'), 0o555)
  const poller = box.poller()
  await unprivileged(box, async () => {
    await poller.poll()
    await poller.poll()
  })
  assert.deepEqual(box.names('new'), ['1.a.host', '2.b.host', '3.c.host'])
  assert.equal(box.recorded.length, 3)
  const { state, unreadable, lastErrorDetail } = poller.status()
  assert.deepEqual([state, unreadable], ['failing', 3])
  assert.match(lastErrorDetail ?? '', /^cannot move a message to cur: EACCES/)
  chmodSync(join(box.path, 'cur'), 0o755)
  await unprivileged(box, () => poller.poll())
  assert.equal(box.recorded.length, 3)
  assert.deepEqual(box.names('new'), [])
  assert.deepEqual([poller.status().state, poller.status().unreadable], ['ok', 0])
})

test('messages that may not be moved do not stop the others when the thread reads them', async (t) => {
  const box = new Box(t)
  const remote = new RemoteMailboxes({
    mailboxes: [{ name: 'box', type: 'maildir', path: box.path, schedule: '', allTraps: false }],
    list: { isTrap: (address) => box.traps.includes(address) },
    wake: () => undefined,
    log: silent,
  })
  t.after(() => remote.close())
  const poller = box.poller({ mailbox: remote.mailbox('box') })
  // Starts the thread while it may still read its own code.
  await poller.poll()
  const names = Array.from({ length: 40 }, (_, at) => `${at}.a.host`)
  for (const name of names) box.drop(name)
  chmodSync(join(box.path, 'cur'), 0o555)
  await unprivileged(box, () => poller.poll())
  assert.equal(box.recorded.length, names.length)
  const { unreadable, lastError, lastErrorDetail, retryAt } = poller.status()
  assert.deepEqual([unreadable, retryAt], [names.length, null])
  assert.match(lastError ?? '', /^messages-unreadable: /)
  assert.match(lastErrorDetail ?? '', /^cannot move a message to cur: EACCES/)
})

test('a folder that is not there fails with growing pauses, and is found again', async (t) => {
  const box = new Box(t)
  rmSync(box.path, { recursive: true })
  const poller = box.poller()
  const pauses: number[] = []
  for (let round = 0; round < 10; round++) {
    await poller.poll()
    const { state, lastError, lastErrorDetail, retryAt } = poller.status()
    assert.equal(state, 'failing')
    assert.equal(lastError, 'not-found: there is no such file or folder')
    assert.match(lastErrorDetail ?? '', /^cannot read the folder new of .*ENOENT/)
    pauses.push((retryAt ?? 0) - box.clock)
    box.clock = retryAt ?? 0
  }
  assert.deepEqual(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
  mkdirSync(join(box.path, 'new'), { recursive: true })
  writeFileSync(join(box.path, 'new/1.a.host'), sample)
  await poller.poll()
  assert.equal(poller.status().state, 'ok')
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S'])
})

test('what was recorded before is accepted, and not counted again', async (t) => {
  const box = new Box(t)
  const poller = box.poller()
  box.drop('1.a.host')
  await poller.poll()
  box.decision = 'duplicate'
  box.drop('2.a.host')
  await poller.poll()
  assert.deepEqual(box.names('new'), [])
  assert.equal(poller.status().recorded, 1)
})

test('many messages share their commits, and each is recorded once', async (t) => {
  const box = new Box(t)
  let atOnce = 0
  let most = 0
  const shared = Promise.withResolvers<void>()
  box.commit = async () => {
    most = Math.max(most, ++atOnce)
    if (atOnce > 1) shared.resolve()
    await shared.promise
    await new Promise((next) => setTimeout(next, 2))
    atOnce--
  }
  for (let each = 0; each < 200; each++) box.drop(`${each}.a.host`)
  const poller = box.poller()
  await Promise.all([poller.poll(), poller.poll()])
  assert.equal(box.recorded.length, 200)
  assert.equal(box.names('cur').length, 200)
  assert.ok(most > 1 && most <= 8, `${most} at once`)
})

test('stop() finishes what has begun and begins nothing more', async (t) => {
  const box = new Box(t)
  for (let each = 0; each < 100; each++) box.drop(`${each}.a.host`)
  const poller = box.poller()
  const begun = Promise.withResolvers<void>()
  const stopping = Promise.withResolvers<void>()
  box.commit = () => {
    begun.resolve()
    return stopping.promise
  }
  const polled = poller.poll()
  await begun.promise
  const stopped = poller.stop()
  stopping.resolve()
  await Promise.all([stopped, polled])
  const done = box.recorded.length
  assert.ok(done > 0 && done < 100)
  assert.equal(box.names('cur').length, done)
  await poller.poll()
  assert.equal(box.recorded.length, done)
})

test('a name with no room for the flag is recorded once and stays, and holds nothing up', async (t) => {
  const box = new Box(t)
  const long = `0.${'x'.repeat(252)}`
  box.drop(long)
  box.drop('1.a.host', Buffer.concat([sample, Buffer.from('\nanother\n')]))
  const poller = box.poller()
  await poller.poll()
  await poller.poll()
  assert.equal(poller.status().state, 'ok')
  assert.equal(box.recorded.length, 2)
  assert.deepEqual(box.names('new'), [long])
  assert.deepEqual(box.names('cur'), ['1.a.host:2,S'])
  assert.equal(box.log.filter((line) => line.startsWith('message left in new')).length, 1)
})
