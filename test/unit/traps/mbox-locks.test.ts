// An mbox under the eyes of other programs: mailers that lock it in their ways, mail clients that rewrite, replace or
// empty it, and those that lock nothing. A torn message is never read, nobody waits for ever, and nothing is left behind.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
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
import { pathToFileURL } from 'node:url'
import { loadFileLocks } from '../../../src/libc/file-locks.ts'
import { Collector } from '../../../src/traps/collect.ts'
import { MboxMailbox } from '../../../src/traps/mbox.ts'
import { findExtent } from '../../../src/traps/mbox-extent.ts'
import { Poller } from '../../../src/traps/poller.ts'
import { needs } from '../../support/debian.ts'
import { reading } from '../../support/reading.ts'
import { until } from '../../support/server.ts'
import { appendUnder, entry, lockers } from './mbox-writers.ts'

const first = entry(1)
const second = entry(2)
const third = entry(3)
/** Of more than one piece. */
const long = { text: entry(4).text.replace('first', 'long\n'.repeat(40_000).trimEnd()) }

const isLockable = (await loadFileLocks()) !== undefined
const onLinux = { skip: isLockable ? false : 'the locks of the kernel are tried on Linux alone' }

function mbox(t: TestContext, initial: string): { readonly folder: string; readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-locks-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'mbox')
  writeFileSync(path, initial)
  return { folder, path }
}

function sourceOf(t: TestContext, path: string) {
  const log: string[] = []
  const write = (_: object, message: string): void => void log.push(message)
  let position: string | undefined
  const source = new MboxMailbox({
    ...{ name: 'box', path, maxBytes: 1_000_000, trapsAmong: async () => new Set<string>() },
    position: {
      get: () => position,
      set: (value) => {
        position = value
      },
    },
    log: { error: write, warn: write, info: write, debug: write },
  })
  t.after(() => source.close())
  return { source, log, position: () => position }
}

async function readAll(source: MboxMailbox, onMessage = (): void => {}): Promise<string[]> {
  const found: string[] = []
  try {
    for await (const each of source.messages()) {
      found.push('raw' in each ? Buffer.from(each.raw).toString('latin1') : each.refused)
      await source.accept(each)
      onMessage()
    }
  } finally {
    await source.finish()
  }
  return found
}

const soon = (milliseconds: number) => new Promise((next) => setTimeout(next, milliseconds))

for (const [name, { options, hold }] of Object.entries(lockers)) {
  const skip = name === 'FILE.lock' ? options : { skip: options.skip || onLinux.skip }

  test(`${name}: what a mailer is writing is read when it lets go, and whole`, skip, async (t) => {
    const { path } = mbox(t, first.text)
    const { source } = sourceOf(t, path)
    const writer = await hold(t, path)
    // It stops where nothing but its lock tells that the message goes on.
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
    assert.deepEqual(readdirSync(join(path, '..')), ['mbox'])
  })

  test(`${name}: where no FILE.lock can be made, it is heeded all the same`, skip, async (t) => {
    const { folder, path } = mbox(t, first.text)
    const writer = await hold(t, path)
    const { source } = sourceOf(t, path)
    writer.append(second.text)
    const reading = await withoutWriting(folder, async () => {
      const begun = { reading: readAll(source) }
      await soon(300)
      assert.equal(existsSync(`${path}.lock`), name === 'FILE.lock')
      return begun
    })
    await writer.end()
    assert.deepEqual(await reading.reading, [first.content, second.content])
  })
}

test('a lock held for ever is an error of its mailbox alone, and only for so long', async (t) => {
  const free = poller(t, mbox(t, second.text).path)
  const all = Object.values(lockers).filter(
    ({ options, hold }) => !options.skip && (isLockable || hold === lockers['FILE.lock']?.hold),
  )
  const held = await Promise.all(
    all.map(async ({ hold }) => {
      const { path } = mbox(t, first.text)
      return { writer: await hold(t, path), failing: poller(t, path) }
    }),
  )
  const polling = held.map(({ failing }) => failing.poll())
  await free.poll()
  assert.deepEqual([free.status().state, free.status().recorded], ['ok', 1])
  await Promise.all(polling)
  for (const { failing } of held) {
    const { state, lastError, lastErrorDetail, retryAt } = failing.status()
    assert.deepEqual([state, lastError], ['failing', 'locked: another program keeps it locked'])
    assert.match(lastErrorDetail ?? '', /^cannot be read: another program holds .*mbox/)
    assert.ok((retryAt ?? 0) > Date.now() / 1000)
  }
  for (const { writer, failing } of held) {
    await writer.end()
    const again = await until(
      async () => failing.status(),
      ({ state }) => state === 'ok',
      20_000,
    )
    assert.deepEqual([again.state, again.recorded, again.lastError], ['ok', 1, null])
  }
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
    collector: new Collector({
      ...{ relays: { names: [], addresses: [] }, isTrap: () => true, now, log, ...reading() },
      record: async (evidence) => evidence.map(() => ({ decision: 'counted' })),
    }),
  })
  t.after(() => each.stop())
  return each
}

test('mailers that take several locks in any order and we get in nobody’s way, and tear nothing', {
  skip: needs('python3', 'python3').skip || onLinux.skip,
}, async (t) => {
  const { path } = mbox(t, '')
  const { source } = sourceOf(t, path)
  // In other orders of the same locks they would keep one another from the mailbox, without us.
  const orders = [['dotlock', 'fcntl'], ['dotlock', 'flock', 'fcntl'], ['dotlock']] as const
  const count = 25
  const writers = await Promise.all(
    orders.map((locks, index) => appendUnder(t, locks, path, { first: 100 * index, count })),
  )
  let isOver = false
  const over = Promise.all(writers.map((each) => each.end())).finally(() => {
    isOver = true
  })
  const found: string[] = []
  while (!isOver) {
    found.push(...(await readAll(source)))
    await soon(2)
  }
  await over
  found.push(...(await readAll(source)))
  const expected = orders.flatMap((_, index) =>
    Array.from({ length: count }, (_, number) => entry(100 * index + number).content),
  )
  assert.deepEqual(found.sort(), expected.sort())
})

for (const order of [
  ['fcntl', 'dotlock'],
  ['flock', 'dotlock'],
] as const) {
  test(`${order.join(', then ')}: a mailer of that order is not kept from the mailbox by a reader`, {
    skip: needs('python3', 'python3').skip || onLinux.skip,
  }, async (t) => {
    const { path } = mbox(t, '')
    const { source } = sourceOf(t, path)
    const writer = await appendUnder(t, order, path, { first: 0, count: 25 })
    let isOver = false
    const over = writer.end().finally(() => {
      isOver = true
    })
    const found: string[] = []
    while (!isOver) found.push(...(await readAll(source)))
    await over
    found.push(...(await readAll(source)))
    assert.deepEqual(
      found,
      Array.from({ length: 25 }, (_, number) => entry(number).content),
    )
  })
}

test('where no FILE.lock can be made, a mailbox that nobody writes to is read', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  assert.deepEqual(await withoutWriting(folder, () => readAll(source)), [first.content])
})

test('a writer that locks nothing: its last message waits for an empty line or 5 s of rest', async (t) => {
  const { path } = mbox(t, `${first.text}${second.text.slice(0, -4)}`)
  const { source } = sourceOf(t, path)
  assert.deepEqual(await readAll(source), [first.content])
  assert.deepEqual(await readAll(source), [])
  const restedAt = new Date(Date.now() - 6000)
  utimesSync(path, restedAt, restedAt)
  assert.deepEqual(await readAll(source), [second.content.slice(0, -3)])
  appendFileSync(path, `${second.text.slice(-4)}${third.text}`)
  assert.deepEqual(await readAll(source), [third.content])
})

test('a source that is closed waits for no lock any more', async (t) => {
  const { path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  writeFileSync(`${path}.lock`, '')
  const reading = readAll(source)
  setTimeout(() => source.close(), 100)
  const begun = performance.now()
  await assert.rejects(reading, { fault: 'locked' })
  assert.ok(performance.now() - begun < 5000)
})

test('a mailbox replaced while its lock is waited for is read as it is then', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const { source } = sourceOf(t, path)
  writeFileSync(`${path}.lock`, '')
  const reading = readAll(source)
  await soon(200)
  writeFileSync(join(folder, 'new'), `${first.text}${second.text}`)
  renameSync(join(folder, 'new'), path)
  unlinkSync(`${path}.lock`)
  assert.deepEqual(await reading, [first.content, second.content])
})

test('a mailbox that grows while it is read is read to where it ended, then on from there', async (t) => {
  const { path } = mbox(t, `${first.text}${long.text}`)
  const { source } = sourceOf(t, path)
  let count = 0
  const found = await readAll(source, () => {
    if (++count === 1) appendFileSync(path, second.text)
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

test('while a rewriting goes on under a lock, nothing of it is read', onLinux, async (t) => {
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
  assert.deepEqual(log, ['mbox was rewritten, it is read again'])
  appendFileSync(path, third.text)
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

test('a symbolic link is locked by its own name and by that of the mailbox', async (t) => {
  const { folder, path } = mbox(t, first.text)
  const link = join(folder, 'link')
  symlinkSync('mbox', link)
  for (const lock of [`${link}.lock`, `${path}.lock`]) {
    const { source } = sourceOf(t, link)
    writeFileSync(lock, '')
    const begun = performance.now()
    setTimeout(() => unlinkSync(lock), 300)
    assert.deepEqual(await readAll(source), [first.content])
    assert.ok(performance.now() - begun >= 280)
  }
  assert.deepEqual(readdirSync(folder).sort(), ['link', 'mbox'])
})

test('a FILE.lock that is no file is no crash, and is waited for no longer than others', async (t) => {
  const { folder, path } = mbox(t, first.text)
  mkdirSync(`${path}.lock`)
  const longAgo = new Date(Date.now() - 10 * 60_000)
  utimesSync(`${path}.lock`, longAgo, longAgo)
  const { source } = sourceOf(t, path)
  await assert.rejects(readAll(source), /wrong-type|permission-denied/)
  rmSync(`${path}.lock`, { recursive: true })
  symlinkSync('nowhere', `${path}.lock`)
  setTimeout(() => unlinkSync(`${path}.lock`), 200)
  assert.deepEqual(await readAll(source), [first.content])
  assert.deepEqual(readdirSync(folder), ['mbox'])
})

test('no way to fail leaves a file open', onLinux, async (t) => {
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

test('a signal that ends the process while it holds FILE.lock ends it after that', (t) => {
  const { path } = mbox(t, first.text)
  const room = pathToFileURL(join(import.meta.dirname, '../../../src/traps/mbox-lock.ts'))
  const program = `
    import { existsSync, openSync } from 'node:fs'
    import { whileLocked } from ${JSON.stringify(room.href)}
    const path = process.argv[1]
    whileLocked(path, openSync(path), undefined, () => {
      process.kill(process.pid, process.argv[2])
      console.log('locked', existsSync(path + '.lock'))
    })
    setTimeout(() => console.log('alive'), 2000)`
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    const args = ['--input-type=module', '-e', program, path, signal]
    const ended = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.deepEqual([ended.stdout, ended.signal], ['locked true\n', signal])
    assert.deepEqual(readdirSync(join(path, '..')), ['mbox'])
  }
})
