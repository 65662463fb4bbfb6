// What every stored mailbox owes, whatever it is made of, with real stores and a real Dovecot: nothing is lost before
// its evidence is committed, and nothing counts twice after it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { Collector } from '../../../src/traps/collect.ts'
import type { Mailbox, MailboxMessage, MailboxOptions } from '../../../src/traps/mailbox.ts'
import { mailboxOf } from '../../../src/traps/mailbox-thread.ts'
import { Poller } from '../../../src/traps/poller.ts'
import { needs } from '../../support/debian.ts'
import { temporaryDirectory } from '../../support/door.ts'
import { Dovecot } from '../../support/dovecot.ts'
import { reading } from '../../support/reading.ts'

const log = { error: noop, warn: noop, info: noop, debug: noop }
function noop(): void {}

const sample = readFileSync('test/bounces/dsn/stored-exim-4.eml', 'latin1')
const maxBytes = 20_000

/** A message of its own for each number, with LF line ends as they lie in files. */
function message(number: number, body = ''): string {
  const recipient = number < 100 ? 'a@trap.example' : 'a@person.example'
  const text = sample
    .replaceAll('\r\n', '\n')
    .replace(/^Received: /m, `X-Number: ${number}\nReceived: `)
  return `Delivered-To: ${recipient}\n${text}${body}`
}

interface Kind {
  readonly options: Omit<MailboxOptions, 'name' | 'schedule' | 'allTraps'>
  deliver(raw: string): void
}

const kinds: Record<string, (t: TestContext) => Promise<Kind>> = {
  maildir: async (t) => {
    const path = temporaryDirectory(t)
    for (const each of ['new', 'cur', 'tmp']) mkdirSync(join(path, each))
    let delivered = 0
    const deliver = (raw: string): void =>
      writeFileSync(join(path, 'new', `${1000 + ++delivered}.M.host`), raw, 'latin1')
    return { options: { type: 'maildir', path }, deliver }
  },
  mbox: async (t) => {
    const path = join(temporaryDirectory(t), 'mbox')
    writeFileSync(path, '')
    const deliver = (raw: string): void => appendFileSync(path, entry(raw), 'latin1')
    return { options: { type: 'mbox', path }, deliver }
  },
  'mbox, gzipped': async (t) => {
    const path = join(temporaryDirectory(t), 'mbox.gz')
    writeFileSync(path, '')
    const deliver = (raw: string): void =>
      appendFileSync(path, gzipSync(Buffer.from(entry(raw), 'latin1')))
    return { options: { type: 'mbox', path }, deliver }
  },
  'imap, TLS': dovecotKind('imap', 'imaps'),
  'imap, STARTTLS': dovecotKind('imap', 'imap'),
  'pop3, TLS': dovecotKind('pop3', 'pop3s'),
  'pop3, STLS': dovecotKind('pop3', 'pop3'),
}

function dovecotKind(type: 'imap' | 'pop3', scheme: 'imap' | 'imaps' | 'pop3' | 'pop3s') {
  return async (t: TestContext): Promise<Kind> => {
    const dovecot = await Dovecot.start(t)
    const { passwordFile, caFile } = dovecot
    return {
      options: { type, url: dovecot.url(scheme), passwordFile, caFile },
      deliver: (raw) => dovecot.deliver(Buffer.from(raw, 'latin1')),
    }
  }
}

function entry(raw: string): string {
  return `From MAILER-DAEMON Tue Nov 24 11:24:44 2026\n${raw.replace(/^(>*From )/gm, '>$1')}\n`
}

/** One mailbox over several lives of the process: what is committed outlives each, what is in memory does not. */
class Lives {
  readonly kind: Kind
  readonly recorded: Evidence[] = []
  readonly traps = new Set(['a@trap.example'])
  readonly #t: TestContext
  /** The position that was kept last. */
  position: string | undefined

  constructor(t: TestContext, kind: Kind) {
    this.#t = t
    this.kind = kind
  }

  async mailbox(): Promise<Mailbox> {
    const mailbox = await mailboxOf(
      { ...this.kind.options, name: 'box', schedule: '', allTraps: false, maxBytes },
      {
        trapsAmong: async (addresses) => new Set(addresses.filter((each) => this.traps.has(each))),
        wake: () => undefined,
        log,
      },
    )
    this.#t.after(() => mailbox.close?.())
    return mailbox
  }

  /** The end of a reading that no poller does. */
  async finish(mailbox: Mailbox): Promise<void> {
    this.position = (await mailbox.finish?.()) ?? this.position
  }

  /** One reading by a new process that records and accepts as serve does. */
  async read(given?: Mailbox): Promise<Poller> {
    const mailbox = given ?? (await this.mailbox())
    const poller = new Poller({
      ...{ name: 'box', type: 'box', allTraps: false, mailbox, log, now: () => Date.now() / 1000 },
      positions: {
        get: () => this.position,
        set: (_, position) => {
          this.position = position
        },
      },
      collector: new Collector({
        relays: { names: [], addresses: [] },
        list: {
          isTrap: (address) => this.traps.has(address),
          record: async (evidence) => {
            // As the store does: once for each client, recipient and content.
            for (const each of evidence)
              if (!this.recorded.some(isSame(each))) this.recorded.push(each)
            return evidence.map(() => ({ decision: 'counted' }))
          },
        },
        ...{ now: () => Date.now() / 1000, log, ...reading() },
      }),
    })
    await poller.poll()
    assert.equal(poller.status().lastError, null)
    return poller
  }
}

/** The message's content as the evidence has it: CRLF, without what its delivery added. */
function digest(raw: string): string {
  const text = raw.replaceAll('\n', '\r\n').replace(/^Delivered-To: .*\r\n/, '')
  const own = /^Received: .*\r\n([ \t].*\r\n)*/m
  const added = /^(Return-path|Envelope-to|X-Original-To): .*\r\n/gim
  const headerEnd = text.indexOf('\r\n\r\n') + 2
  const header = text.slice(0, headerEnd).replace(own, '').replace(added, '')
  return createHash('sha256')
    .update(Buffer.from(header + text.slice(headerEnd), 'latin1'))
    .digest('hex')
}

function isSame(a: Evidence) {
  return (b: Evidence): boolean => a.recipient === b.recipient && a.content === b.content
}

async function firstOf(lives: Lives, mailbox: Mailbox): Promise<MailboxMessage | undefined> {
  for await (const each of mailbox.messages(lives.position)) return each
  return undefined
}

async function all(lives: Lives): Promise<MailboxMessage[]> {
  const found: MailboxMessage[] = []
  const mailbox = await lives.mailbox()
  for await (const each of mailbox.messages(lives.position)) found.push(each)
  await lives.finish(mailbox)
  return found
}

for (const [name, make] of Object.entries(kinds)) {
  const isDovecot = /^(imap|pop3)/.test(name)
  const options = isDovecot
    ? needs('dovecot', name.startsWith('imap') ? 'dovecot-imapd' : 'dovecot-pop3d')
    : {}

  test(
    `${name}: what a process that died had read, but not recorded, comes again`,
    options,
    async (t) => {
      const lives = new Lives(t, await make(t))
      for (const number of [1, 2, 3]) lives.kind.deliver(message(number))
      const dead = await lives.mailbox()
      const first = await firstOf(lives, dead)
      assert.ok(first && 'raw' in first)
      await lives.finish(dead)
      await dead.close?.()
      await lives.read()
      assert.equal(lives.recorded.length, 3)
    },
  )

  test(
    `${name}: what was recorded before a crash is no second evidence after it`,
    options,
    async (t) => {
      const lives = new Lives(t, await make(t))
      for (const number of [1, 2, 3]) lives.kind.deliver(message(number))
      const mailbox = await lives.mailbox()
      // Recorded, and dead before anything was accepted.
      mailbox.accept = async () => undefined
      mailbox.finish = async () => null
      await lives.read(mailbox)
      assert.equal(lives.recorded.length, 3)
      await mailbox.close?.()
      await lives.read()
      assert.equal(lives.recorded.length, 3)
      assert.deepEqual(await all(lives), [])
    },
  )

  test(`${name}: accepted messages do not come again, and new ones do`, options, async (t) => {
    const lives = new Lives(t, await make(t))
    lives.kind.deliver(message(1))
    await (await lives.read()).stop()
    lives.kind.deliver(message(2))
    const poller = await lives.read()
    assert.equal(poller.status().recorded, 1)
    await poller.pollNow()
    assert.equal(poller.status().recorded, 1)
    await poller.stop()
    assert.equal(lives.recorded.length, 2)
    assert.deepEqual(await all(lives), [])
  })

  test(`${name}: a failure of the store leaves the message where it is`, options, async (t) => {
    const lives = new Lives(t, await make(t))
    for (const number of [1, 2]) lives.kind.deliver(message(number))
    const mailbox = await lives.mailbox()
    for await (const each of mailbox.messages(lives.position)) {
      // The second one is recorded, the first one never was.
      if ('raw' in each && Buffer.from(each.raw).includes('X-Number: 2')) await mailbox.accept(each)
    }
    await lives.finish(mailbox)
    await mailbox.close?.()
    await lives.read()
    assert.ok(lives.recorded.some(({ content }) => content === digest(message(1))))
    assert.deepEqual(await all(lives), [])
  })

  test(`${name}: mail for others is left alone until one of them is a trap`, options, async (t) => {
    const lives = new Lives(t, await make(t))
    lives.kind.deliver(message(101))
    lives.kind.deliver(message(1))
    const mailbox = await lives.mailbox()
    const poller = await lives.read(mailbox)
    assert.deepEqual([poller.status().recorded, poller.status().passedOver], [1, 1])
    await poller.pollNow()
    assert.equal(poller.status().passedOver, 1)
    lives.traps.add('a@person.example')
    await poller.pollNow()
    assert.deepEqual(lives.recorded.map(({ recipient }) => recipient).sort(), [
      'a@person.example',
      'a@trap.example',
    ])
    await poller.stop()
  })

  test(`${name}: what is too big is said once, and stops nothing`, options, async (t) => {
    const lives = new Lives(t, await make(t))
    lives.kind.deliver(message(1, 'x'.repeat(70).concat('\n').repeat(800)))
    lives.kind.deliver(message(2))
    const poller = await lives.read()
    assert.deepEqual([poller.status().refused, poller.status().recorded], [1, 1])
    await poller.pollNow()
    assert.equal(poller.status().refused, 1)
    await poller.stop()
  })

  test(`${name}: the same message is the same evidence, wherever it lies`, options, async (t) => {
    const lives = new Lives(t, await make(t))
    const raw = message(1, '\nFrom here on the quotes matter.\n>From there too.\n.\n..\n\xe9\n')
    lives.kind.deliver(raw)
    await lives.read()
    assert.equal(lives.recorded[0]?.content, digest(raw))
  })
}
