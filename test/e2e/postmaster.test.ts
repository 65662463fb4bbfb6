// The postmaster of a listed host asks the public look-up and nothing else, and it is enough: it names the kind of line in the
// host's own log and the setting that ends the backscatter. Postfix and Exim are real, and really bounce.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { submit } from '../../scripts/submit.ts'
import type { Advice } from '../../src/admin/advice.ts'
import type { PublicLookup } from '../../src/admin/schemas/lookup.ts'
import {
  needsAsRoot,
  type Offender,
  relayDomain,
  type StartOffender,
  startExim,
  startPostfix,
} from '../support/offenders.ts'
import { type Server, Site, until } from '../support/server.ts'

const traps = ['anna@trap.example.org', 'berta@trap.example.org']

/** A server whose listing needs both traps, and a badly configured mail server that bounces to it. */
async function listedHost(t: TestContext, startOffender: StartOffender) {
  const site = new Site(t)
  const text = site.configuration('[admin]\nlisten = "127.0.0.1:0"\n')
  writeFileSync(
    site.configFile,
    text
      .replace('allowSpecial = [', 'allowSpecial = ["127.0.0.0/24", ')
      .replace('threshold.dsn = { messages = 1 }', 'threshold.dsn = { messages = 2, traps = 2 }'),
  )
  const server = await site.start()
  const offender = await startOffender(t, server.smtp)
  await awaitHourWithRoom()
  return { site, server, offender }
}

/** The public sees messages of one hour together, so both must come in the same hour. */
async function awaitHourWithRoom(): Promise<void> {
  const leftMs = 3_600_000 - (Date.now() % 3_600_000)
  if (leftMs < 60_000) await setTimeout(leftMs + 1000)
}

/** Sends forged spam to somebody who does not exist. */
async function spam(offender: Offender, sender: string): Promise<string> {
  const message = `From: <${sender}>\nTo: <nobody@${relayDomain}>\nSubject: pills\nDate: Sun, 1 Nov 2026 10:00:00 +0000\nMessage-ID: <${sender}>\n\nBuy.\n`
  return await submit({
    server: offender.smtp,
    from: sender,
    to: [`nobody@${relayDomain}`],
    message,
  })
}

async function publicLookup(server: Server, address: string): Promise<PublicLookup> {
  return (await (await fetch(`http://${server.admin}/v1/lookup/${address}`)).json()) as PublicLookup
}

/** Runs the command of an item, on another file than the one it names. Returns the lines; '' alone where there are none. */
function linesFound({ log }: Advice, file: string): string[] {
  const command = log.command.replace(/\/var\/log\/\S+$/, file)
  assert.notEqual(command, log.command)
  return spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout.trim().split('\n')
}

async function bounces(site: Site, offender: Offender): Promise<number> {
  return JSON.parse((await site.run('show', offender.client, '--json')).stdout).evidence.length
}

/** The beginning of this hour, as the look-up writes it. */
function currentHour(): string {
  return `${new Date().toISOString().slice(0, 13)}:00:00Z`
}

interface Case {
  readonly program: string
  readonly debianPackage: string
  readonly start: StartOffender
  readonly software: string
  /** Makes the settings of the advice into what this host needs: its own file names. */
  readonly adapt: (settings: readonly string[], offender: Offender) => readonly string[]
}

const cases: readonly Case[] = [
  {
    ...{ program: 'postfix', debianPackage: 'postfix', start: startPostfix, software: 'postfix' },
    adapt: (settings, { logFile }) => {
      const table = join(logFile, '../relay_recipients')
      writeFileSync(table, `somebody@${relayDomain} exists\n`)
      execFileSync('postmap', [`hash:${table}`])
      return settings.map((line) => line.replace('/etc/postfix/relay_recipients', table))
    },
  },
  {
    ...{ program: 'exim4', debianPackage: 'exim4-daemon-light', start: startExim },
    software: 'exim',
    adapt: (settings) => settings,
  },
]

for (const { program, debianPackage, start, software, adapt } of cases) {
  test(
    `the public look-up of a bouncing ${program} tells what to look for in its log and what to set`,
    needsAsRoot(program, debianPackage),
    async (t) => {
      const { site, server, offender } = await listedHost(t, start)
      const begun = currentHour()
      for (const trap of traps) assert.match(await spam(offender, trap), /^250 /)
      const found = await until(
        () => publicLookup(server, offender.client),
        ({ listed }) => listed,
        // A bounce that cannot be handed over at once is tried again after a minute or two.
        240_000,
      )
      assert.deepEqual([found.listed, found.kinds], [true, ['dsn']], server.stderr())

      const [evidence] = found.evidence
      assert.deepEqual([evidence?.generator, evidence?.certainty], [software, 'certain'])
      if (begun === currentHour()) assert.deepEqual(evidence?.hours, [begun])

      const [item] = found.advice
      assert.ok(item)
      assert.equal(item.generator, software)
      // Its log may have the line only after our reply to the bounce.
      const lines = await until(
        async () => linesFound(item, offender.logFile),
        ({ length }) => length >= traps.length,
        60_000,
      )
      assert.ok(lines.length >= traps.length, lines.join('\n'))

      await offender.restartWith(adapt(item.settings, offender))
      const before = await bounces(site, offender)
      const linesBefore = linesFound(item, offender.logFile)
      for (const trap of traps) await assert.rejects(spam(offender, trap), /^Error: 550/)
      assert.equal(await bounces(site, offender), before)
      assert.deepEqual(linesFound(item, offender.logFile), linesBefore)
    },
  )
}
