// All sources of a configuration together: schedules that tick, one broken mailbox beside a sound one, and the end.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { isSchedule, startSchedule } from '../../../src/schedule.ts'
import { type MailboxOptions, startTraps, type Traps } from '../../../src/traps/traps.ts'
import { temporaryDirectory } from '../../support/door.ts'

const log = { error: noop, warn: noop, info: noop, debug: noop }
function noop(): void {}

function folder(t: TestContext): string {
  const path = temporaryDirectory(t)
  for (const each of ['new', 'cur']) mkdirSync(join(path, each))
  return path
}

function mailbox(path: string, more: Partial<MailboxOptions> = {}): MailboxOptions {
  return { name: 'box', type: 'maildir', path, schedule: '* * * * * *', allTraps: true, ...more }
}

async function start(
  t: TestContext,
  mailboxes: MailboxOptions[],
): Promise<{ traps: Traps; recorded: Evidence[] }> {
  const recorded: Evidence[] = []
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
    log,
    onFatal: (error) => assert.fail(error),
  })
  t.after(() => traps.close())
  return { traps, recorded }
}

function drop(path: string, name: string): void {
  copyFileSync('test/bounces/dsn/stored-exim-4.eml', join(path, 'new', name))
}

async function until(test: () => boolean): Promise<void> {
  const end = performance.now() + 60_000
  while (!test() && performance.now() < end) await new Promise((next) => setTimeout(next, 20))
}

test('what lies there at the start is read, and what comes later at the next tick', async (t) => {
  const path = folder(t)
  drop(path, '1.a.host')
  const { recorded } = await start(t, [mailbox(path)])
  await until(() => recorded.length === 1)
  drop(path, '2.a.host')
  await until(() => readdirSync(join(path, 'cur')).length === 2)
  assert.deepEqual(readdirSync(join(path, 'cur')).sort(), ['1.a.host:2,S', '2.a.host:2,S'])
  await new Promise((next) => setTimeout(next, 1100))
  assert.equal(recorded.length, 2)
})

test('a mailbox that fails shows it and stops no other', async (t) => {
  const path = folder(t)
  const { traps, recorded } = await start(t, [
    mailbox('/nonexistent/maildir', { name: 'broken' }),
    mailbox(path, { name: 'sound' }),
  ])
  drop(path, '1.a.host')
  // Recorded before the reading is over.
  const states = () => traps.mailboxes().map(({ name, state }) => `${name} ${state}`)
  const expected = ['broken failing', 'sound ok']
  await until(() => recorded.length === 1 && isDeepStrictEqual(states(), expected))
  assert.deepEqual(states(), expected)
  const { lastError, lastErrorDetail } = traps.mailboxes()[0] ?? {}
  assert.equal(lastError, 'not-found: there is no such file or folder')
  assert.match(lastErrorDetail ?? '', /ENOENT/)
})

test('a mailbox is read when asked, outside its schedule', async (t) => {
  const path = folder(t)
  const { traps, recorded } = await start(t, [mailbox(path, { schedule: '0 0 1 1 *' })])
  drop(path, '1.a.host')
  assert.equal(await traps.poll('box'), true)
  await until(() => recorded.length === 1)
  assert.equal(recorded.length, 1)
  assert.equal(await traps.poll('other'), false)
})

test('after close() nothing is read', async (t) => {
  const path = folder(t)
  const { traps, recorded } = await start(t, [mailbox(path)])
  await traps.close()
  drop(path, '1.a.host')
  await new Promise((next) => setTimeout(next, 1200))
  assert.equal(recorded.length, 0)
})

test('without a listener there is no address', async (t) => {
  const { traps } = await start(t, [])
  assert.deepEqual([traps.addresses, traps.mailboxes()], [[], []])
})

test('a schedule that is none is named', async (t) => {
  await assert.rejects(start(t, [mailbox('/x', { schedule: 'often' })]), {
    code: 'config-invalid',
    message: /^mailbox\[1\]\.schedule: not a cron expression: "often"$/,
  })
})

test('cron expressions, with seconds and without', () => {
  for (const good of ['* * * * *', '*/2 * * * * *', '0 0 1 1 *', '1-5,30 * * * mon']) {
    assert.equal(isSchedule(good), true, good)
  }
  for (const bad of ['', 'often', '* * * *', '61 * * * *', '* * * * * * *']) {
    assert.equal(isSchedule(bad), false, bad)
  }
})

test('a call that is still running makes the next one be left out', async () => {
  let running = 0
  let most = 0
  let calls = 0
  const schedule = startSchedule({
    expression: '* * * * * *',
    run: async () => {
      calls++
      most = Math.max(most, ++running)
      await new Promise((next) => setTimeout(next, 1500))
      running--
    },
  })
  // A second passes while each of them runs.
  await until(() => calls === 2)
  schedule.stop()
  assert.deepEqual([calls, most], [2, 1])
})
