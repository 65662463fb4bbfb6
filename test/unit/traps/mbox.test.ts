// mbox files as mailers and people leave them: separators and quotes, rewriting, sizes; and the splitter, whose
// messages do not depend on how the file comes in pieces.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { MailboxMessage } from '../../../src/traps/mailbox.ts'
import { MboxSplitter } from '../../../src/traps/mbox-splitter.ts'
import fc from '../../support/properties.ts'
import { KeptMbox } from './mbox-writers.ts'

const from = 'From MAILER-DAEMON Tue Nov 24 11:24:44 2026\n'

function contents(
  text: string,
  pieces: readonly number[] = [],
  maxBytes = 1_000_000,
): (string | null)[] {
  const splitter = new MboxSplitter(0, maxBytes)
  const octets = Buffer.from(text, 'latin1')
  const found = []
  let at = 0
  for (const length of [...pieces, octets.length]) {
    found.push(...splitter.push(octets.subarray(at, at + length)))
    at += length
  }
  found.push(...splitter.end())
  return found.map(({ content }) => content && Buffer.from(content).toString('latin1'))
}

test('each From line after an empty line begins a message', () => {
  assert.deepEqual(contents(`${from}A: 1\n\na\n\n${from}B: 2\n\nb\n\n`), [
    'A: 1\n\na\n',
    'B: 2\n\nb\n',
  ])
  assert.deepEqual(contents(`${from}\n${from}`), ['', ''])
  assert.deepEqual(contents(`${from}A: 1\n\nno line end`), ['A: 1\n\nno line end'])
  assert.deepEqual(contents(''), [])
  assert.deepEqual(contents('this is no mbox\n'), [])
})

test('CRLF line ends are content as they stand', () => {
  const crlf = from.replace('\n', '\r\n')
  assert.deepEqual(contents(`${crlf}A: 1\r\n\r\na\r\n\r\n${crlf}B: 2\r\n\r\nb\r\n\r\n`), [
    'A: 1\r\n\r\na\r\n',
    'B: 2\r\n\r\nb\r\n',
  ])
})

test('From lines as writers write them', () => {
  for (const line of [
    'From MAILER-DAEMON Tue Nov 24 11:24:44 2026',
    'From MAILER-DAEMON  Tue Nov  3 11:24 2026',
    'From a@b.example Tue Nov 24 11:24:44 CET 2026',
    'From a@b.example Tue Nov 24 11:24:44 2026 +0100',
    'From "a b"@c.example Tue Nov 24 11:24:44 2026 remote from uu',
    'From - Tue Nov 24 11:24:44 2026',
  ]) {
    assert.deepEqual(
      contents(`${line}\nA: 1\n\na\n\n${line}\nB: 2\n\n`),
      ['A: 1\n\na\n', 'B: 2\n'],
      line,
    )
  }
})

test('a sentence that begins with From is none, quoted or not', () => {
  const body = 'A: 1\n\nFrom here on.\n\nFrom there, at 10:30, in 2026 words\n\nFrom x\n'
  assert.deepEqual(contents(`${from}${body}\n`)[0], body)
  assert.deepEqual(contents(`${from}A: 1\n\n>From a\n>>From b\n>>>From c\n>FromX\n> From d\n\n`), [
    'A: 1\n\nFrom a\n>From b\n>>From c\n>FromX\n> From d\n',
  ])
  assert.deepEqual(contents(`${from}A: 1\n\na\n${from}b\n`), [`A: 1\n\na\n${from}b\n`])
})

test('what is too large is counted, not kept', () => {
  const splitter = new MboxSplitter(0, 100)
  const found = [
    ...splitter.push(Buffer.from(`${from}${'x'.repeat(5000)}`)),
    ...splitter.push(Buffer.from(`${'y'.repeat(5000)}\n\n${from}small\n\n`)),
    ...splitter.end(),
  ]
  assert.deepEqual(
    found.map(({ size, content }) => [size, content === null]),
    [
      [10_002, true],
      [7, false],
    ],
  )
})

test('the messages are the same however the file comes in pieces', () => {
  const lines = fc.constantFrom(
    from,
    '\n',
    '\r\n',
    '>From x\n',
    'From \n',
    'a\n',
    'F',
    'From',
    '\n\n',
  )
  const texts = fc.array(lines, { maxLength: 40 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(
      texts,
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
      (text, pieces) => {
        assert.deepEqual(contents(text, pieces), contents(text))
      },
    ),
    { numRuns: 500 },
  )
})

interface Box {
  readonly path: string
  readonly source: KeptMbox
  readonly log: string[]
  readonly kept: () => string | undefined
}

/** Of a file that nobody has written to for a while. */
function rewrite(path: string, text: string): void {
  writeFileSync(path, text)
  utimesSync(path, 1, 1)
}

function append(path: string, text: string): void {
  appendFileSync(path, text)
  utimesSync(path, 1, 1)
}

function box(t: TestContext, initial: string): Box {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-mbox-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'mbox')
  rewrite(path, initial)
  const log: string[] = []
  const write = (_: object, message: string): void => void log.push(message)
  const source = new KeptMbox({
    ...{ name: 'box', path, maxBytes: 1_000_000, trapsAmong: async () => new Set<string>() },
    wake: () => undefined,
    log: { error: write, warn: write, info: write, debug: write },
  })
  return { path, source, log, kept: () => source.position }
}

async function readAll(source: KeptMbox): Promise<string[]> {
  const found: MailboxMessage[] = []
  for await (const each of source.messages()) {
    found.push(each)
    await source.accept(each)
  }
  await source.finish()
  return found.map((each) => ('raw' in each ? Buffer.from(each.raw).toString('latin1') : 'refused'))
}

/** As Dovecot writes it: it quotes no From line, and says how long the body is. */
function stated(body: string, length = body.length, fields = ''): string {
  return `${from}${fields}A: 1\nContent-Length: ${length}   \n\n${body}`
}

/** All that a file holds which nobody writes to any more. */
async function readSettled(t: TestContext, text: string): Promise<string[]> {
  return await readAll(box(t, text).source)
}

const forged = `a\n\n${from}Received: from b (b [192.0.2.1]) by c\n\nforged\n`
const other = `${from}B: 2\n\nb\n\n`

test('a From line in a body that Content-Length says goes beyond it begins no message', async (t) => {
  for (const after of ['', '\n', `\n${other}`]) {
    const found = await readSettled(t, stated(forged) + after)
    assert.equal(found.length, after.includes('B: 2') ? 2 : 1, JSON.stringify(after))
    assert.ok(found[0]?.includes('\nforged\n'))
  }
  const manyFields = await readSettled(t, stated(forged, forged.length, 'X: y\n'.repeat(3000)))
  assert.equal(manyFields.length, 1)
  const large = 'x\n'.repeat(1_000_000) + forged
  assert.deepEqual(await readSettled(t, `${stated(large)}\n${other}`), ['refused', 'B: 2\n\nb\n'])
})

test('a Content-Length that leads to no message’s end is not believed', async (t) => {
  for (const length of [0, 1, other.length - 1, other.length + 5, 1_000_000, 9e14]) {
    const found = await readSettled(t, `${stated('a\n\n', length)}${other}${other}`)
    assert.equal(found.length, 3, `${length}`)
  }
})

test('a file that grows is read on from where it ended', async (t) => {
  const { path, source } = box(t, `${from}A: 1\n\n`)
  assert.deepEqual(await readAll(source), ['A: 1\n'])
  append(path, `${from}B: 2\n\n`)
  assert.deepEqual(await readAll(source), ['B: 2\n'])
  assert.deepEqual(await readAll(source), [])
})

test('a file from which somebody has removed a message is read again', async (t) => {
  const { path, source, log } = box(t, `${from}A: 1\n\n${from}B: 2\n\n`)
  assert.equal((await readAll(source)).length, 2)
  rewrite(path, `${from}B: 2\n\n${from}C: 3\n\n`)
  assert.deepEqual(await readAll(source), ['B: 2\n', 'C: 3\n'])
  assert.deepEqual(log, ['mbox was rewritten; reading it again from the start'])
  rewrite(path, '')
  assert.deepEqual(await readAll(source), [])
})

test('a file that is rewritten between reading and finishing is not taken for read', async (t) => {
  const { path, source } = box(t, `${from}A: 1\n\n${from}B: 2\n\n`)
  for await (const each of source.messages()) await source.accept(each)
  rewrite(path, `${from}B: 2\n\n${from}C: 3 and more\n\n`)
  await source.finish()
  assert.deepEqual(await readAll(source), ['B: 2\n', 'C: 3 and more\n'])
})

test('reading stops in the middle: what was not reached comes at the next reading', async (t) => {
  const { source } = box(t, [1, 2, 3, 4].map((number) => `${from}N: ${number}\n\n`).join(''))
  for await (const each of source.messages()) {
    await source.accept(each)
    break
  }
  await source.finish()
  assert.deepEqual(await readAll(source), ['N: 2\n', 'N: 3\n', 'N: 4\n'])
})

test('a position that is broken, or from another file, is no crash', async (t) => {
  const { source } = box(t, `${from}A: 1\n\n`)
  await readAll(source)
  const other = box(t, `${from}Z: 26\n\nlonger than the other one\n\n`)
  assert.equal((await readAll(other.source)).length, 1)
  assert.match(other.kept() ?? '', /"offset":\d+/)
  assert.equal(readFileSync(other.path, 'latin1').startsWith(from), true)
})
