// A mirror is killed at random instants, in a first transfer, in differences, while it reads or writes its file. After each
// restart it answers its last zone at once, and catches up.
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { ask, reversed } from '../support/ask.ts'
import { rcodes } from '../support/dns-query.ts'
import { caughtUp, mirrorPair } from '../support/mirror-pair.ts'
import { randomLines, seeded } from '../support/seeded.ts'
import { origin, type Server } from '../support/server.ts'

/** More by the environment. */
const rounds = Number(process.env['KILL_ROUNDS'] ?? 4)
const seed = Number(process.env['KILL_SEED'] ?? 17)
const names = 30_000

/** Which of these addresses, the newest changes, the server lists, as text. */
async function listedAmong(server: Server, addresses: readonly string[]): Promise<string> {
  const answers = addresses.map(async (each) => (await ask(server.dns, reversed(each, origin))).a)
  return (await Promise.all(answers)).map((a) => (a.length > 0 ? 'x' : '-')).join('')
}

/**
 * The newest serial that the server answers with until it is killed; 0 if it has no zone by then. The last question ends with it:
 * the next server on its port might answer.
 */
async function newestShown(server: Server, killed: AbortSignal): Promise<number> {
  let newest = 0
  while (!killed.aborted) {
    const answer = await ask(server.dns, origin, 'SOA', killed).catch(() => undefined)
    newest = Math.max(newest, answer?.serial ?? 0)
  }
  return newest
}

test('a mirror that is killed at any instant answers its last zone and catches up', async (t) => {
  const random = seeded(seed)
  const { primary: site, mirror: mirrorSite } = await mirrorPair(t)
  const list = join(site.folder, 'list.txt')
  const lines = randomLines(names)
  writeFileSync(list, lines)
  const primary = await site.start()
  const imported = await site.run('import', list, '--list', 'partners')
  assert.equal(imported.code, 0, imported.stderr)
  const file = join(mirrorSite.folder, 'list.db-zone')
  const counts = { withFile: 0, without: 0 }
  const watched: string[] = []
  for (let round = 0; round < rounds; round++) {
    if (random() % 4 === 0) rmSync(file, { force: true })
    const doomed = await mirrorSite.start()
    // The changes come while it loads, fetches or waits.
    const killing = new AbortController()
    const shown = newestShown(doomed, killing.signal)
    const kill = setTimeout(random() % 1500).then(async () => {
      killing.abort()
      await doomed.kill('SIGKILL')
    })
    for (let change = 0; change < 2; change++) {
      const address = `192.0.2.${(round * 2 + change) % 254}`
      const done = await site.run('add', address)
      assert.equal(done.code, 0, done.stderr)
      watched.push(address)
      if (watched.length > 8) watched.shift()
    }
    await kill

    const hadFile = existsSync(file)
    const server = await mirrorSite.start()
    const first = await ask(server.dns, origin, 'SOA')
    assert.ok((first.serial ?? 0) >= (await shown), `round ${round}, seed ${seed}: ${first.serial}`)
    if (hadFile) {
      counts.withFile += 1
      assert.equal(first.rcode, rcodes.NOERROR, `round ${round}, seed ${seed}: ${server.stderr()}`)
      assert.doesNotMatch(server.stderr(), /fetched anew/)
      const [some = ''] = lines.split('\n', 1)
      assert.deepEqual((await ask(server.dns, reversed(some, origin))).a, ['127.0.0.2'])
    } else counts.without += 1
    await caughtUp(primary, server)
    assert.equal(await listedAmong(server, watched), await listedAmong(primary, watched))
    await server.kill('SIGKILL')
  }
  t.diagnostic(`${counts.withFile} restarts with a zone on disk, ${counts.without} without`)
})
