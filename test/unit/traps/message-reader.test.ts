// One message must not stop the others: the thread that reads them is ended at a message that takes too much of its own
// processor time, fills its heap or ends it, and every other message is read by the next thread.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Delivered } from '../../../src/traps/delivery.ts'
import { MessageReader, type MessageReaderOptions } from '../../../src/traps/message-reader.ts'
import { ReadingMark } from '../../../src/traps/reading-mark.ts'

const entry = new URL('../../support/faulty-reader-thread.ts', import.meta.url)
const now = 1_800_000_000

interface Logged {
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

function readerFor(t: TestContext, options: Partial<MessageReaderOptions> = {}) {
  const logged: Logged[] = []
  const write = (fields: object, message: string): void => {
    logged.push({ fields: { ...fields }, message })
  }
  const log = { error: write, warn: write, info: write, debug: write }
  const reader = new MessageReader({ log, ...options })
  t.after(() => reader.close())
  const read = (text: string, source = 'box') =>
    reader.read({
      raw: Buffer.from(text),
      delivered: delivered(source),
      isStored: source !== 'smtp',
      now,
    })
  return { reader, read, logged }
}

function delivered(source: string): Delivered {
  const trace = { client: null, newestTime: null, recipients: [], believed: [] }
  return { trace, recipients: ['a@trap.example'], seenAt: now, source }
}

const faults: Readonly<Record<string, string>> = {
  loop: 'it took too much processor time',
  'fill the heap': 'it took too much memory',
  exit: 'the thread died while reading it',
  throw: 'the thread died while reading it',
}

for (const [fault, why] of Object.entries(faults)) {
  test(`a message at which the thread comes to ${fault} is unreadable, and no other is`, async (t) => {
    const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }
    // A slow processor takes long to fill the heap.
    const maxCpuSeconds = fault === 'loop' ? 0.4 : 60
    const { read, logged } = readerFor(t, { entry, maxCpuSeconds, resourceLimits: limits })
    const outcomes = await Promise.all(
      ['before', fault, 'after', 'later'].map((text) => read(text)),
    )
    assert.deepEqual(
      outcomes.map(({ isStopped }) => isStopped),
      [false, true, false, false],
    )
    const content = createHash('sha256').update(fault).digest('hex')
    const { classification, evidence } = outcomes[1] ?? assert.fail()
    assert.equal(classification.kind, null)
    assert.equal(classification.rule, 'unreadable-message')
    assert.deepEqual(
      evidence.map((each) => [each.recipient, each.kind, each.content]),
      [['a@trap.example', null, content]],
    )
    assert.deepEqual(
      logged.map(({ fields }) => fields),
      [{ source: 'box', octets: fault.length, why }],
    )
  })
}

test('no message is to blame for a file of Message-IDs that is larger than the thread’s heap', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const messageIdFile = join(folder, 'ids')
  const lines = Array.from(
    { length: 400_000 },
    (_, number) => `<${number}.20261128@mail.example.org>\n`,
  )
  writeFileSync(messageIdFile, lines.join(''))
  const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }
  const { read } = readerFor(t, {
    resourceLimits: limits,
    authenticity: { servers: [], messageIdFile },
  })
  const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
  const { evidence, isStopped } = await read(bounce, 'smtp')
  assert.equal(isStopped, false)
  assert.equal(evidence[0]?.kind, 'dsn')
})

test('a thread that stands still does not make its message slow', async (t) => {
  const { read } = readerFor(t, { entry, maxCpuSeconds: 0.4 })
  const outcomes = await Promise.all(['sleep', 'after'].map((text) => read(text)))
  assert.deepEqual(
    outcomes.map(({ isStopped }) => isStopped),
    [false, false],
  )
})

test('a source with many messages does not keep another one waiting', async (t) => {
  const { read } = readerFor(t, { entry })
  const order: string[] = []
  const many = Array.from({ length: 20 }, async (_, each) => {
    await read(`${each}`, 'busy')
    order.push('busy')
  })
  const one = read('other', 'quiet').then(() => order.push('quiet'))
  await Promise.all([...many, one])
  assert.ok(order.indexOf('quiet') <= 9, `${order}`)
})

test('a thread that dies while it reads nothing gives its messages back unread', async (t) => {
  const { read, logged } = readerFor(t, { entry })
  await assert.rejects(read('exit unnamed'), { code: 'mail-deferred' })
  assert.ok(
    logged.every(({ message }) => message.startsWith('the thread that reads messages died')),
  )
  assert.equal((await read('after')).isStopped, false)
})

test('what is not read when the drain is over is given back unread', async (t) => {
  const { reader, read } = readerFor(t, { entry, maxCpuSeconds: 60 })
  const outcomes = ['loop', 'after'].map((text) =>
    assert.rejects(read(text), { code: 'mail-deferred' }),
  )
  reader.drain(100)
  await Promise.all(outcomes)
  await assert.rejects(read('late'), { code: 'mail-deferred' })
})

test('the octets of a message stay the caller’s', async (t) => {
  const { reader } = readerFor(t)
  const whole = Buffer.from('xxFrom: a@b.example\r\n\r\nHello')
  const raw = whole.subarray(2)
  await reader.read({ raw, delivered: delivered('box'), isStored: false, now })
  assert.equal(whole.toString(), 'xxFrom: a@b.example\r\n\r\nHello')
})

function markPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'reading-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'list.db-reading')
}

test('a stored message at which the process died twice is unreadable at the third start', async (t) => {
  const path = markPath(t)
  const text = 'From: a@b.example\r\n\r\nDeadly'
  for (const death of [1, 2]) {
    const mark = new ReadingMark(path)
    assert.deepEqual(mark.condemned, [], `before death ${death}`)
    // As it stands when the process is killed.
    mark.name(Buffer.from(text))
  }
  const { reader, read, logged } = readerFor(t, { mark: new ReadingMark(path) })
  const [deadly, other] = await Promise.all([read(text), read('From: a@b.example\r\n\r\nOther')])
  assert.deepEqual([deadly?.isStopped, other?.isStopped], [true, false])
  assert.equal(logged[0]?.fields['why'], 'the process died twice while reading it')
  await reader.close()
  // It may come again; it is still not read.
  assert.equal(new ReadingMark(path).condemned.length, 1)
})

test('a stored message that takes long is named while it is read, and no other is', async (t) => {
  const path = markPath(t)
  const mark = new ReadingMark(path)
  const name = mark.name.bind(mark)
  const written: string[] = []
  t.mock.method(mark, 'name', (raw: Uint8Array) => {
    name(raw)
    written.push(readFileSync(path, 'latin1').slice(0, 64))
  })
  const { read } = readerFor(t, { entry, mark, maxCpuSeconds: 2 })
  await read('sound')
  assert.equal((await read('loop')).isStopped, true)
  assert.deepEqual(written, [createHash('sha256').update('loop').digest('hex')])
  assert.equal(readFileSync(path, 'latin1').trim(), '')
})

test('a mark that is a FIFO is not waited for, and nothing is written where a link leads to', (t) => {
  const path = markPath(t)
  assert.equal(spawnSync('mkfifo', [path]).status, 0)
  new ReadingMark(path).close()
  const precious = `${path}-precious`
  writeFileSync(precious, 'kept')
  symlinkSync(precious, path)
  new ReadingMark(path).close()
  assert.equal(readFileSync(precious, 'utf8'), 'kept')
})

test('messages are read although the mark cannot be written', async (t) => {
  const mark = new ReadingMark(join(markPath(t), 'no-such-folder'))
  const { read } = readerFor(t, { mark })
  assert.equal((await read('From: a@b.example\r\n\r\nHello')).isStopped, false)
  mark.close()
})

test('a stop that was asked for counts as no death', async (t) => {
  const path = markPath(t)
  const mark = new ReadingMark(path)
  const { reader, read } = readerFor(t, { entry, mark, maxCpuSeconds: 60 })
  const given = assert.rejects(read('loop'), { code: 'mail-deferred' })
  mark.name(Buffer.from('loop'))
  reader.drain(50)
  await given
  await reader.close()
  assert.throws(() => readFileSync(path), { code: 'ENOENT' })
})
