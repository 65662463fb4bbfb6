// The IMAP source with a real Dovecot: news within seconds, connections that break, folders that are made anew, and
// what others do to the mailbox.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { type MailboxOptions, startTraps, type Traps } from '../../../src/traps/traps.ts'
import { needs } from '../../support/debian.ts'
import { Dovecot } from '../../support/dovecot.ts'
import { until } from '../../support/server.ts'

const dovecotImapd = needs('dovecot', 'dovecot-imapd')
const sample = readFileSync('test/bounces/dsn/stored-exim-4.eml', 'latin1')

function message(number: number): string {
  return sample.replace(/^Received: /m, `X-Number: ${number}\nReceived: `)
}

interface Reader {
  readonly dovecot: Dovecot
  readonly traps: Traps
  readonly recorded: Evidence[]
  /** Decisions in order: 'counted' for new evidence, 'duplicate' for what was there. */
  readonly decisions: string[]
  readonly log: string[]
}

/** A server that reads the mailbox once a year, and at every news of IDLE. */
async function reader(t: TestContext, more: Partial<MailboxOptions> = {}): Promise<Reader> {
  const dovecot = await Dovecot.start(t)
  const positions = new Map<string, string>()
  const [recorded, decisions, log]: [Evidence[], string[], string[]] = [[], [], []]
  const write = (fields: object, text: string): void => {
    log.push(`${text} ${JSON.stringify(fields)}`)
  }
  const traps = await startTraps({
    mailboxes: [
      {
        ...{ name: 'box', type: 'imap', url: dovecot.url('imaps'), schedule: '0 0 1 1 *' },
        ...{ passwordFile: dovecot.passwordFile, caFile: dovecot.caFile, allTraps: true },
        ...more,
      },
    ],
    positions: {
      get: (name) => positions.get(name),
      set: (name, position) => positions.set(name, position),
    },
    trace: { trustedRelays: [] },
    list: {
      isTrap: () => false,
      record: async (evidence) =>
        evidence.map((each) => {
          const isKnown = recorded.some(({ content }) => content === each.content)
          if (!isKnown) recorded.push(each)
          decisions.push(isKnown ? 'duplicate' : 'counted')
          return { decision: decisions.at(-1) ?? '' }
        }),
    },
    now: () => Math.floor(Date.now() / 1000),
    log: { error: write, warn: write, info: write, debug: write },
    onFatal: (error) => assert.fail(error),
  })
  t.after(() => traps.close())
  return { dovecot, traps, recorded, decisions, log }
}

async function hasRecorded({ recorded }: Reader, count: number): Promise<void> {
  await until(
    async () => recorded.length,
    (length) => length >= count,
    60_000,
  )
  assert.equal(recorded.length, count)
}

/** Recorded, and the reading over: its position is kept. */
async function hasRead(box: Reader, count: number): Promise<void> {
  await hasRecorded(box, count)
  await box.traps.poll('box')
}

async function isState({ traps }: Reader, state: string, withinMs = 60_000): Promise<void> {
  const now = async () => traps.mailboxes()[0]?.state
  assert.equal(await until(now, (each) => each === state, withinMs), state)
}

test(
  'IDLE: a new message is read at once, though the next poll is months away',
  dovecotImapd,
  async (t) => {
    const box = await reader(t)
    await isState(box, 'ok')
    for (const number of [1, 2]) {
      box.dovecot.deliver(message(number))
      await hasRecorded(box, number)
    }
  },
)

test(
  'a dropped connection loses and repeats nothing, and comes back by itself',
  dovecotImapd,
  async (t) => {
    const box = await reader(t)
    box.dovecot.deliver(message(1))
    await hasRead(box, 1)
    await box.dovecot.stop()
    box.dovecot.deliver(message(2))
    await isState(box, 'failing')
    const { lastError, lastErrorDetail } = box.traps.mailboxes()[0] ?? {}
    assert.match(lastError ?? '', /^(unreachable|connection-lost): the server /)
    assert.match(lastErrorDetail ?? '', /^cannot be read: /)
    await box.dovecot.start()
    await hasRecorded(box, 2)
    await isState(box, 'ok')
    box.dovecot.deliver(message(3))
    await hasRecorded(box, 3)
    assert.deepEqual(box.decisions, ['counted', 'counted', 'counted'])
  },
)

test(
  'a UIDVALIDITY that has changed loses nothing, and nothing counts twice',
  dovecotImapd,
  async (t) => {
    const box = await reader(t)
    for (const number of [1, 2]) box.dovecot.deliver(message(number))
    await hasRead(box, 2)
    await box.dovecot.stop()
    for (const file of readdirSync(box.dovecot.maildir)) {
      if (file.startsWith('dovecot')) rmSync(join(box.dovecot.maildir, file), { recursive: true })
    }
    // Dovecot makes UIDVALIDITY of the clock's seconds.
    await new Promise((next) => setTimeout(next, 1100))
    box.dovecot.deliver(message(3))
    await box.dovecot.start()
    await hasRecorded(box, 3)
    await until(
      async () => box.decisions.length,
      (length) => length === 5,
      30_000,
    )
    assert.equal(box.decisions.filter((each) => each === 'duplicate').length, 2)
    await box.traps.poll('box')
    assert.equal(box.decisions.length, 5)
    assert.equal(box.traps.mailboxes()[0]?.recorded, 3)
  },
)

test('a message that somebody opens before us is not missed', dovecotImapd, async (t) => {
  const box = await reader(t)
  box.dovecot.deliver(message(1))
  await hasRead(box, 1)
  await box.dovecot.stop()
  writeFileSync(join(box.dovecot.maildir, 'cur', '9999999999.M1.host:2,S'), message(2))
  await box.dovecot.start()
  await hasRecorded(box, 2)
})

test('what was read before us is left alone at the first reading', dovecotImapd, async (t) => {
  const dovecot = await Dovecot.start(t)
  writeFileSync(join(dovecot.maildir, 'cur', '1000000000.M1.host:2,S'), message(1))
  const { url } = { url: dovecot.url('imaps') }
  const { passwordFile, caFile } = dovecot
  const box = await reader(t, { url, passwordFile, caFile })
  await isState(box, 'ok')
  dovecot.deliver(message(2))
  await hasRecorded(box, 1)
  assert.equal(box.decisions.length, 1)
})

test('handled messages are moved where the configuration says', dovecotImapd, async (t) => {
  const box = await reader(t, { moveTo: 'Handled' })
  for (const number of [1, 2, 3]) box.dovecot.deliver(message(number))
  await hasRecorded(box, 3)
  const moved = async () => {
    const folder = join(box.dovecot.maildir, '.Handled')
    const folders = ['cur', 'new'].map((each) => join(folder, each)).filter(existsSync)
    return folders.flatMap((each) => readdirSync(each)).length
  }
  assert.equal(await until(moved, (count) => count === 3, 60_000), 3)
  await until(
    async () => readdirSync(join(box.dovecot.maildir, 'cur')).length,
    (n) => n === 0,
    30_000,
  )
  assert.deepEqual(readdirSync(join(box.dovecot.maildir, 'cur')), [])
})

test(
  'a wrong password shows in the status, is in no log, and is read anew from its file',
  dovecotImapd,
  async (t) => {
    const dovecot = await Dovecot.start(t)
    const wrong = join(dovecot.folder, 'wrong')
    writeFileSync(wrong, 'not-the-secret\n')
    const box = await reader(t, {
      url: dovecot.url('imap'),
      passwordFile: wrong,
      caFile: dovecot.caFile,
    })
    await isState(box, 'failing')
    const { lastError, lastErrorDetail } = box.traps.mailboxes()[0] ?? {}
    assert.match(lastError ?? '', /^authentication-failed: /)
    assert.match(lastErrorDetail ?? '', /Authentication failed/)
    assert.doesNotMatch(box.log.join(), /not-the-secret/)
    writeFileSync(`${wrong}.new`, 'secret')
    renameSync(`${wrong}.new`, wrong)
    await isState(box, 'ok')
  },
)

test('a certificate that nobody known has signed is refused', dovecotImapd, async (t) => {
  const box = await reader(t, { caFile: '' })
  await isState(box, 'failing')
  assert.match(box.traps.mailboxes()[0]?.lastError ?? '', /^tls-failed: .*certificate/)
})
