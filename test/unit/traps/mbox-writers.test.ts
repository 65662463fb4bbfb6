// An mbox while other programs write to it: mailers with and without locks, and mail clients that rewrite, replace or empty
// it. No part of a message is read as a whole one, nothing is lost, nobody waits for ever, and the folder stays as it is.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Collector } from '../../../src/traps/collect.ts'
import type { MailboxMessage } from '../../../src/traps/mailbox.ts'
import { findExtent } from '../../../src/traps/mbox.ts'
import { Poller } from '../../../src/traps/poller.ts'
import { needs } from '../../support/debian.ts'
import { reading } from '../../support/reading.ts'
import { until } from '../../support/server.ts'
import { appendUnder, entry, KeptMbox, type Lock, lockers } from './mbox-writers.ts'

const first = entry(1)
const second = entry(2)
const third = entry(3)
/** Of more than one piece. */
const long = { text: entry(4).text.replace('first', 'long\n'.repeat(40_000).trimEnd()) }

function mbox(t: TestContext, initial: string): { readonly folder: string; readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-locks-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'mbox')
  writeFileSync(path, initial)
  rest(path)
  return { folder, path }
}

function sourceOf(t: TestContext, path: string) {
  const log: string[] = []
  const write = (_: object, message: string): void => void log.push(message)
  const source = new KeptMbox({
    ...{ name: 'box', path, maxBytes: 1_000_000, trapsAmong: async () => new Set<string>() },
    wake: () => undefined,
    log: { error: write, warn: write, info: write, debug: write },
  })
  t.after(() => source.close())
  return { source, log, position: () => source.position }
}

async function readAll(source: KeptMbox, onMessage = (): void => {}): Promise<string[]> {
  const found: string[] = []
  try {
    for await (const each of source.messages()) {
      found.push(
        'raw' in each
          ? Buffer.from(each.raw).toString('latin1')
          : 'refused' in each
            ? each.refused
            : each.detail,
      )
      await source.accept(each)
      onMessage()
    }
  } finally {
    await source.finish()
  }
  return found
}

/** Makes the file one that nobody has written to for a while. */
function rest(path: string): void {
  const longAgo = new Date(Date.now() - 10_000)
  utimesSync(path, longAgo, longAgo)
}

const soon = (milliseconds: number) => new Promise((next) => setTimeout(next, milliseconds))

test('FILE.lock: what a mailer is writing is read when it lets go, and whole', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  const writer = await lockers['FILE.lock'].hold(t, path)
  writer.append(second.text.slice(0, second.text.indexOf('last')))
  let isRead = false
  const reading = readAll(source).finally(() => {
    isRead = true
  })
  await soon(300)
  assert.equal(isRead, false)
  writer.append(second.text.slice(second.text.indexOf('last')))
  await writer.end()
  assert.deepEqual(await reading, [first.content, second.content])
  assert.deepEqual(readdirSync(folder), ['mbox'])
})

for (const name of ['fcntl', 'flock', 'no lock'] as const) {
  const { options, hold } = lockers[name]

  test(
    `${name}: the message that is being written waits, those before it do not`,
    options,
    async (t) => {
      const { folder, path } = mbox(t, first.text)
      const { source } = sourceOf(t, path)
      const writer = await hold(t, path)
      // It stops where the part looks like a whole message.
      writer.append(second.text.slice(0, second.text.indexOf('last')))
      for await (const early of sourceOf(t, path).source.messages()) {
        assert.equal(early.id, '0')
        break
      }
      // Goes on before the file has been still for long.
      const reading = readAll(source)
      writer.append(second.text.slice(second.text.indexOf('last')))
      await writer.end()
      const found = [...(await reading), ...(await readAll(source))]
      assert.deepEqual(found, [first.content, second.content])
      assert.deepEqual(readdirSync(folder), ['mbox'])
    },
  )
}

test('a lock held for ever is an error of its mailbox alone, and only for so long', async (t) => {
  const free = poller(t, mbox(t, second.text).path)
  const { path } = mbox(t, first.text)
  const writer = await lockers['FILE.lock'].hold(t, path)
  const failing = poller(t, path)
  const polling = failing.poll()
  await free.poll()
  assert.deepEqual([free.status().state, free.status().recorded], ['ok', 1])
  await polling
  const { state, lastError, lastErrorDetail, retryAt } = failing.status()
  assert.deepEqual([state, lastError], ['failing', 'locked: another program holds its lock'])
  assert.match(lastErrorDetail ?? '', /^cannot be read: another program holds .*mbox\.lock$/)
  assert.ok((retryAt ?? 0) > Date.now() / 1000)
  await writer.end()
  const again = await until(
    async () => failing.status(),
    (status) => status.state === 'ok',
    20_000,
  )
  assert.deepEqual([again.state, again.recorded, again.lastError], ['ok', 1, null])
})

async function withoutWriting<T>(folder: string, run: () => Promise<T>): Promise<T> {
  const isRoot = process.getuid?.() === 0
  chmodSync(folder, 0o555)
  if (isRoot) process.seteuid?.(65534)
  try {
    return await run()
  } finally {
    if (isRoot) process.seteuid?.(0)
    chmodSync(folder, 0o755)
  }
}

function poller(t: TestContext, path: string): Poller {
  const { source } = sourceOf(t, path)
  const log = { error() {}, warn() {}, info() {}, debug() {} }
  const now = (): number => Date.now() / 1000
  const each = new Poller({
    ...{ name: 'box', type: 'mbox', allTraps: true, mailbox: source, log, now },
    positions: { get: () => undefined, set: () => undefined },
    collector: new Collector({
      ...{ relays: { names: [], addresses: [] }, now, log, ...reading() },
      list: {
        isTrap: () => true,
        record: async (evidence) => evidence.map(() => ({ decision: 'counted' })),
      },
    }),
  })
  t.after(() => each.stop())
  return each
}

const writing: readonly (readonly Lock[])[][] = [
  [['dotlock', 'fcntl'], ['dotlock', 'flock', 'fcntl'], ['dotlock']],
  [['fcntl', 'dotlock']],
  [['fcntl']],
  [['flock']],
  [[]],
]
for (const orders of writing) {
  const name = orders.map((locks) => locks.join(', then ') || 'no lock').join('; ')

  test(`readers at any moment get whole messages, and in the end all of them: ${name}`, {
    ...needs('python3', 'python3'),
  }, async (t) => {
    const { folder, path } = mbox(t, '')
    const { source } = sourceOf(t, path)
    const count = 25
    const expected = orders.flatMap((_, index) =>
      Array.from({ length: count }, (_, number) => entry(100 * index + number).content),
    )
    const writers = await Promise.all(
      orders.map((locks, index) => appendUnder(t, locks, path, { first: 100 * index, count })),
    )
    let isOver = false
    const over = Promise.all(writers.map((each) => each.end())).finally(() => {
      isOver = true
    })
    const readings: Promise<string[]>[] = []
    while (!isOver) {
      readings.push(readAll(sourceOf(t, path).source))
      await soon(20)
    }
    await over
    for (const found of await Promise.all(readings)) {
      assert.equal(new Set(found).size, found.length)
      for (const each of found) assert.ok(expected.includes(each), each)
    }
    assert.deepEqual((await readAll(source)).sort(), expected.sort())
    assert.deepEqual(readdirSync(folder), ['mbox'])
  })
}

test('where nothing may be written, a mailbox is read', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  assert.deepEqual(await withoutWriting(folder, () => readAll(source)), [first.content])
})

test('the last message waits until the file has been still, whatever it ends with', async (t) => {
  const { path } = mbox(t, '')
  writeFileSync(path, `${first.text}${second.text}`)
  const { source } = sourceOf(t, path)
  const reading = source.messages()
  await source.accept((await reading.next()).value as MailboxMessage)
  // Appended before the wait is over: the second message is complete by now, and the third one waits.
  const next = reading.next()
  appendFileSync(path, third.text.slice(0, -4))
  await source.accept((await next).value as MailboxMessage)
  await reading.return(undefined)
  await source.finish()
  assert.deepEqual(await readAll(source), [third.content.slice(0, -3)])
  appendFileSync(path, `${third.text.slice(-4)}${first.text}`)
  rest(path)
  assert.deepEqual(await readAll(source), [first.content])
})

test('what a message that is still being written says of its length is believed for the moment', async (t) => {
  const body = `a\n\n${first.text}b\n`
  const stated = first.text.replace('\n\n', `\nContent-Length: ${body.length}\n\n`)
  const message = stated.slice(0, stated.indexOf('\n\n') + 2) + body
  const { path } = mbox(t, '')
  writeFileSync(path, message.slice(0, -2))
  const { source } = sourceOf(t, path)
  const reading = readAll(source)
  appendFileSync(path, message.slice(-2))
  const found = [...(await reading), ...(await readAll(source))]
  assert.equal(found.length, 1)
  assert.ok(found[0]?.endsWith('b\n'))
})

test('a source that is closed waits for no lock any more', async (t) => {
  const { path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  writeFileSync(`${path}.lock`, '')
  const reading = readAll(source)
  setTimeout(() => source.close(), 100)
  await assert.rejects(reading, ({ fault, cause }) => {
    assert.equal(fault, 'locked')
    assert.equal(cause.cause.name, 'AbortError')
    return true
  })
})

test('a mailbox replaced while its lock is waited for is read as it is then', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  writeFileSync(`${path}.lock`, '')
  const reading = readAll(source)
  await soon(200)
  writeFileSync(join(folder, 'new'), `${first.text}${second.text}`)
  rest(join(folder, 'new'))
  renameSync(join(folder, 'new'), path)
  unlinkSync(`${path}.lock`)
  assert.deepEqual(await reading, [first.content, second.content])
})

test('a mailbox that grows while it is read is read to where it ended, then on from there', async (t) => {
  const { path } = mbox(t, `${first.text}${long.text}`)
  const { source } = sourceOf(t, path)
  let count = 0
  const found = await readAll(source, () => {
    if (++count !== 1) return
    appendFileSync(path, second.text)
    rest(path)
  })
  assert.equal(found.length, 2)
  assert.deepEqual(await readAll(source), [second.content])
})

for (const [how, change] of Object.entries({
  rewritten: (path: string) => writeFileSync(path, `${second.text}${long.text}${third.text}`),
  shortened: (path: string) => truncateSync(path, first.text.length),
})) {
  test(`a mailbox that is ${how} while it is read is read again from its beginning`, async (t) => {
    const { path } = mbox(t, `${first.text}${second.text}${long.text}`)
    const { source } = sourceOf(t, path)
    let count = 0
    const reading = readAll(source, () => {
      if (++count === 2) change(path)
    })
    await assert.rejects(reading, { fault: 'changed' })
    const expected = how === 'shortened' ? [first.content] : [second.content, third.content]
    const found = await readAll(source)
    for (const content of expected) assert.ok(found.includes(content))
  })
}

test('while a rewriting goes on under a lock, nothing of it is read', async (t) => {
  const { path } = mbox(t, `${first.text}${second.text}${long.text}`)
  const { source } = sourceOf(t, path)
  let count = 0
  const reading = readAll(source, () => {
    if (++count !== 2) return
    // The end still stands as it stood, and what was read before it is moved already.
    writeFileSync(`${path}.lock`, '')
    writeFileSync(path, `${second.text}${third.text}`, { flag: 'r+' })
    setTimeout(() => {
      truncateSync(path, second.text.length + third.text.length)
      unlinkSync(`${path}.lock`)
    }, 300)
  })
  await assert.rejects(reading, { fault: 'changed' })
  assert.equal(count, 2)
  assert.deepEqual(await readAll(source), [second.content, third.content])
})

test('a mailbox emptied by its mail client is said once, and what comes then is read', async (t) => {
  const { path } = mbox(t, `${first.text}${second.text}`)
  const { source, log } = sourceOf(t, path)
  await readAll(source)
  truncateSync(path, 0)
  for (let time = 0; time < 3; time++) assert.deepEqual(await readAll(source), [])
  assert.deepEqual(log, ['mbox was rewritten; reading it again from the start'])
  appendFileSync(path, third.text)
  rest(path)
  assert.deepEqual(await readAll(source), [third.content])
})

test('a mailbox that vanishes is an error while it is gone', async (t) => {
  const { path } = mbox(t, `${first.text}${long.text}`)
  const { source } = sourceOf(t, path)
  await assert.rejects(
    readAll(source, () => rmSync(path, { force: true })),
    { fault: 'not-found' },
  )
  await assert.rejects(readAll(source), { fault: 'not-found' })
  writeFileSync(path, second.text)
  rest(path)
  assert.deepEqual(await readAll(source), [second.content])
})

test('a reading that cannot begin takes nothing for read that was left before', async (t) => {
  const { folder, path } = mbox(t, `${first.text}${second.text}`)
  const { source } = sourceOf(t, path)
  for await (const each of source.messages()) if (each.id !== '0') await source.accept(each)
  await source.finish()
  renameSync(path, join(folder, 'away'))
  await assert.rejects(source.messages().next(), { fault: 'not-found' })
  renameSync(join(folder, 'away'), path)
  await source.finish()
  assert.deepEqual(await readAll(source), [first.content, second.content])
})

test('the lock beside a symbolic link counts, and so does the one beside the mailbox', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const link = join(folder, 'link')
  symlinkSync('mbox', link)
  for (const lock of [`${link}.lock`, `${path}.lock`]) {
    const { source } = sourceOf(t, link)
    writeFileSync(lock, '')
    let isHeld = true
    setTimeout(() => {
      isHeld = false
      unlinkSync(lock)
    }, 300)
    assert.deepEqual(await readAll(source), [first.content])
    assert.equal(isHeld, false)
  }
  assert.deepEqual(readdirSync(folder).sort(), ['link', 'mbox'])
})

test('a FILE.lock that a dead mailer left is passed over and stays; one that is no file counts', async (t) => {
  const { folder, path } = mbox(t, first.text)
  mkdirSync(`${path}.lock`)
  const longAgo = new Date(Date.now() - 10 * 60_000)
  utimesSync(`${path}.lock`, longAgo, longAgo)
  assert.deepEqual(await readAll(sourceOf(t, path).source), [first.content])
  assert.deepEqual(readdirSync(folder), ['mbox', 'mbox.lock'])
  rmSync(`${path}.lock`, { recursive: true })
  symlinkSync('nowhere', `${path}.lock`)
  setTimeout(() => unlinkSync(`${path}.lock`), 200)
  assert.deepEqual(await readAll(sourceOf(t, path).source), [first.content])
  assert.deepEqual(readdirSync(folder), ['mbox'])
})

test('no way to fail leaves a file open', {
  skip: process.platform === 'linux' ? false : 'counts what /proc lists',
}, async (t) => {
  const { folder, path } = mbox(t, `${first.text}${long.text}`)
  const open = (): number => readdirSync('/proc/self/fd').length
  const waiting = new AbortController()
  const failures: (() => Promise<unknown>)[] = [
    () => findExtent(join(folder, 'missing')),
    () => findExtent(folder),
    async () => {
      writeFileSync(`${path}.lock`, '')
      const found = findExtent(path, { signal: waiting.signal })
      setTimeout(() => waiting.abort(), 50)
      await found.finally(() => unlinkSync(`${path}.lock`))
    },
    () => readAll(sourceOf(t, path).source, () => writeFileSync(path, long.text)),
  ]
  await readAll(sourceOf(t, path).source)
  const before = open()
  for (const fail of failures) {
    await assert.rejects(fail)
    assert.equal(open(), before)
  }
  for await (const _ of sourceOf(t, path).source.messages()) break
  assert.equal(open(), before)
})
