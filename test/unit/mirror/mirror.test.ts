// A mirror in this process, with a primary that does as the test wants: what it shows, keeps, asks for and logs.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Logger } from '../../../src/errors.ts'
import { type FetchOptions, framed } from '../../../src/mirror/fetch-zone.ts'
import { Mirror, type MirrorOptions } from '../../../src/mirror/mirror.ts'
import { openReader } from '../../../src/tree/open-reader.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { types } from '../../support/dns-query.ts'
import {
  type Answering,
  answering,
  host,
  optionsFor,
  send,
  sendForever,
  soa,
  status,
  wrongPrimaries,
  zone,
  zoneOrigin,
} from '../../support/hostile-primary.ts'

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
} as Logger

/** A mirror with its own tree, on this file. */
function mirrorOn(
  t: TestContext,
  options: FetchOptions,
  path: string,
  others: Partial<MirrorOptions> = {},
) {
  const tree = new TreeWriter(16 * 1024 ** 2)
  const reader = openReader(tree.buffer, 0)
  const { promise: shown, resolve } = Promise.withResolvers<void>()
  const all: MirrorOptions = {
    ...options,
    path,
    tree,
    log: silent,
    now: () => Math.floor(Date.now() / 1000),
    onZone: async () => resolve(),
    ...others,
  }
  const mirror = new Mirror(all)
  t.after(() => mirror.close())
  const state = () => {
    reader.enter()
    const isListed = (last: number): boolean =>
      reader.find(4, 0xc633_6400 | last | 0, 0, 0, 0, -1) >= 0
    const listed = Array.from({ length: 10 }, (_, last) => last).filter(isListed)
    const { serial, validUntil } = reader
    reader.leave()
    return { serial, listed, validUntil }
  }
  return { mirror, shown, state }
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'list.db-zone')
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2400 && !isSo(); tries++) await setTimeout(25)
  assert.ok(isSo())
}

test('whole zones and differences are kept on disk', async (t) => {
  const path = folderFor(t)
  const old = host(1)
  const answers = [
    zone(1, [1, 2]),
    [soa(2), soa(1), status(1), ...old, soa(2), status(2), ...host(3), soa(2)],
  ]
  const options = await optionsFor(t, (query, socket) => send(answers.shift() ?? [])(query, socket))
  const { mirror, shown, state } = mirrorOn(t, options, path)
  assert.equal(await mirror.load(), undefined)
  mirror.ask()
  await shown
  await until(() => state().serial === 1)
  assert.deepEqual(state().listed, [1, 2])
  mirror.ask()
  await until(() => state().serial === 2)
  assert.deepEqual(state().listed, [2, 3])
  mirror.close()

  const second = mirrorOn(t, options, path)
  assert.equal((await second.mirror.load())?.serial, 2)
  assert.deepEqual(second.state().listed, [2, 3])
})

/** After serial 5. */
const wrongDifferences: readonly (readonly [RegExp, Answering])[] = [
  [/older/, send(zone(4, [7]))],
  [/./, send([soa(9), soa(5), status(5), soa(9), ...lasts(100).flatMap(host)])],
  [
    /no end/,
    (query, socket) => {
      const next = answering(query)
      socket.write(framed(next([soa(2 ** 30), soa(5)])))
      let serial = 5
      const step = () => {
        serial += 1
        const [old, later] = serial % 2 === 0 ? [[], host(7)] : [host(7), []]
        return [...old, soa(serial), ...later, soa(serial)]
      }
      sendForever(socket, () => next(Array.from({ length: 60 }, step).flat()))
    },
  ],
]

function lasts(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 10)
}

test('after nonsense the old zone stays, in the tree and on disk', async (t) => {
  const path = folderFor(t)
  let answer: Answering = send(zone(5, [1, 2]))
  const options = await optionsFor(t, (query, socket) => answer(query, socket))
  const begunAt = performance.now()
  const warnings: object[] = []
  const log = { ...silent, warn: (fields: object) => warnings.push(fields) }
  const { mirror, state } = mirrorOn(t, options, path, { log })
  mirror.ask()
  await until(() => state().serial === 5)
  const kept = readFileSync(path).subarray(20)
  for (const [, wrong] of [...Object.values(wrongPrimaries), ...wrongDifferences]) {
    let isOver = false
    answer = (query, socket) => {
      socket.once('close', () => {
        isOver = true
      })
      wrong(query, socket)
    }
    mirror.ask()
    await until(() => isOver)
    assert.equal(state().serial, 5)
    assert.deepEqual(state().listed, [1, 2])
    assert.deepEqual(readFileSync(path).subarray(20), kept)
  }
  const minutes = Math.floor((performance.now() - begunAt) / 60_000)
  assert.ok(warnings.length >= 1 && warnings.length <= 1 + minutes, `${warnings.length} warnings`)
  answer = send(zone(6, [3]))
  mirror.ask()
  await until(() => state().serial === 6)
  assert.deepEqual(state().listed, [3])
  assert.ok(existsSync(path))
})

/** The type that a query asks for. */
function typeOf(query: Uint8Array): number {
  return query[12 + zoneOrigin.length + 1] ?? 0
}

/** A mirror whose clock stands still but for what the test adds to it. */
function withClock(t: TestContext, options: FetchOptions, path: string) {
  const clock = { now: 1_767_225_600 }
  const errors: string[] = []
  const log = { ...silent, error: (_: object, message: string) => errors.push(message) }
  return { clock, errors, ...mirrorOn(t, options, path, { log, now: () => clock.now }) }
}

test('a zone expires, also over a restart, and is valid again when the primary answers', async (t) => {
  const path = folderFor(t)
  const whole = [soa(1, [1, 1, 100]), status(1), ...host(1), soa(1, [1, 1, 100])]
  let answer: Answering = send(whole)
  const options = await optionsFor(t, (query, socket) => answer(query, socket))
  const first = withClock(t, options, path)
  const begun = first.clock.now
  first.mirror.ask()
  await until(() => first.state().serial === 1)
  assert.equal(first.state().validUntil, begun + 100)

  // The primary answers that nothing is new: that counts as heard of.
  answer = send([soa(1, [1, 1, 100])])
  first.clock.now += 60
  first.mirror.ask()
  await until(() => first.state().validUntil === begun + 160)

  answer = (_, socket) => socket.end()
  first.clock.now += 101
  first.mirror.ask()
  await until(() => first.errors.length > 0)
  assert.match(first.errors[0] ?? '', /the zone has expired/)
  assert.deepEqual(first.state().listed, [1])
  first.mirror.close()

  const second = withClock(t, options, path)
  second.clock.now = begun + 161
  await second.mirror.load()
  assert.equal(second.state().validUntil, begun + 160)
  assert.deepEqual(second.state().listed, [1])
  answer = send([soa(1, [1, 1, 100])])
  second.mirror.ask()
  await until(() => second.state().validUntil === begun + 261)
})

test('without NOTIFY the mirror asks by the timers of the SOA record, and again after a failure', async (t) => {
  const asked: number[] = []
  const whole = [soa(1, [1, 1, 100]), status(1), ...host(1), soa(1, [1, 1, 100])]
  const answers: Answering[] = [
    send(whole),
    (_, socket) => socket.end(),
    send([soa(2, [1, 1, 100]), status(2), ...host(2), soa(2, [1, 1, 100])]),
  ]
  const options = await optionsFor(t, (query, socket) => {
    asked.push(typeOf(query))
    answers.shift()?.(query, socket)
  })
  const { mirror, state } = mirrorOn(t, options, folderFor(t))
  mirror.ask()
  await until(() => state().serial === 2)
  assert.deepEqual(state().listed, [2])
  // A query that got no answer is no reason for the whole zone.
  assert.deepEqual(asked, [types.AXFR, types.IXFR, types.IXFR])
})

test('where differences cannot be used, the whole zone is asked for', async (t) => {
  const asked: number[] = []
  const answers: Answering[] = [
    send(zone(1, [1])),
    send([soa(2), soa(1), status(1), ...host(9), soa(2), status(2), soa(2)]),
    send(zone(2, [2])),
  ]
  const options = await optionsFor(t, (query, socket) => {
    asked.push(typeOf(query))
    answers.shift()?.(query, socket)
  })
  const { mirror, state } = mirrorOn(t, options, folderFor(t))
  mirror.ask()
  await until(() => state().serial === 1)
  mirror.ask()
  await until(() => state().serial === 2)
  assert.deepEqual(asked, [types.AXFR, types.IXFR, types.AXFR])
})
