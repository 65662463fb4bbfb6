// SIGKILL at any moment under load by SMTP, API, import and backup: what was acknowledged is there once, a list is whole,
// a repeated request is not done again, and the next start answers all of it. KILLS says how often, KILL_SEED where the
// random moments begin.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { ask, reversed } from '../support/ask.ts'
import {
  acknowledge,
  call,
  deliver,
  Ledger,
  listVersion,
  loadUntilKilled,
  repeat,
} from '../support/kill-load.ts'
import { seeded } from '../support/seeded.ts'
import { origin, type Server, Site } from '../support/server.ts'

const { KILLS = '20', KILL_SEED = '1' } = process.env
const kills = Number(KILLS)
const seed = Number(KILL_SEED)
/** Only a start that hangs takes so long. */
const startDeadlineMs = 600_000

test(`${kills} SIGKILLs under load lose, double and break nothing`, async (t) => {
  const site = new Site(t)
  const random = seeded(seed)
  const ledger = new Ledger()
  let server = await startInTime(site)
  for (let kill = 1; kill <= kills; kill++) {
    const { promise: killed, resolve: isKilled } = Promise.withResolvers<void>()
    const load = loadUntilKilled(site, server, ledger, random, killed)
    const afterMs = 200 + (random() % 1500)
    await Promise.race([load, new Promise((next) => setTimeout(next, afterMs))])
    isKilled()
    await server.kill('SIGKILL')
    await load
    const begun = performance.now()
    server = await startInTime(site)
    const startMs = Math.round(performance.now() - begun)
    const { done, unanswered, unansweredMail, version } = ledger
    t.diagnostic(
      `kill ${kill} after ${afterMs} ms: start ${startMs} ms, ${done.length} changes and ${ledger.heard.size} hosts ` +
        `so far acknowledged, ${unanswered.length + unansweredMail.length} under way, list ${version}`,
    )
    await check(site, server, ledger, random)
    ledger.beginLife()
  }
  assert.equal((await server.kill('SIGTERM')).code, 0)
})

async function startInTime(site: Site): Promise<Server> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('the server does not start')), startDeadlineMs).unref()
  })
  return await Promise.race([site.start(), late])
}

async function check(site: Site, server: Server, ledger: Ledger, random: () => number) {
  const { serial = 0 } = await ask(server.dns, origin, 'SOA')
  assert.ok((serial - ledger.serial) >> 0 >= 0, `serial ${ledger.serial} became ${serial}`)
  ledger.serial = serial
  await checkList(site, server, ledger)
  await finishUnanswered(site, server, ledger)
  await checkRepeats(site, ledger)
  await checkListings(site, ledger)
  await checkEvidence(site, ledger)
  await checkAnswers(server, ledger, random)
  for (const file of ledger.backups) checkBackup(file)
}

/** The list is the version acknowledged last, or the next one if that was on its way; never a mixture. */
async function checkList(site: Site, server: Server, ledger: Ledger): Promise<void> {
  const { status, text } = await call(site, 'GET', '/v1/export?list=feed')
  const lines = status === 404 ? [] : text.split('\n').filter((line) => line !== '')
  const held = lines.map((line) => line.replace('/32', ''))
  const old = ledger.version === 0 ? [] : listVersion(ledger.version)
  const next = listVersion(ledger.version + 1)
  const isNew = ledger.isImporting && `${held}` === `${next}`
  assert.ok(isNew || `${held}` === `${old}`, `${held.length} entries from ${held[0]} on`)
  if (isNew) ledger.version++
  const edges = [old[0], next[0], next.at(-1)].filter((each) => each !== undefined)
  for (const address of edges) {
    const { a } = await ask(server.dns, reversed(address, origin))
    assert.equal(a.length > 0, held.includes(address), `DNS and the list on ${address}`)
  }
}

/** What was under way is sent again, as its sender would: it is done now, and was not done before without a trace. */
async function finishUnanswered(site: Site, server: Server, ledger: Ledger): Promise<void> {
  for (const sent of ledger.unanswered) {
    const { status, text } = await repeat(site, sent)
    assert.equal(status, sent.status, `repeated: ${sent.path} ${text}`)
    acknowledge(ledger, sent)
    ledger.done.push(sent)
  }
  for (const path of ledger.unansweredRemovals) {
    const { status } = await call(site, 'DELETE', path)
    assert.ok(status === 200 || status === 404, `${path}: ${status}`)
    const address = path.slice(path.indexOf('=') + 1)
    if (path.startsWith('/v1/listings')) ledger.delisted.add(address)
    else ledger.unexempt.add(address)
  }
  for (const client of ledger.unansweredMail) {
    await deliver(server, client)
    ledger.heard.add(client)
  }
}

/** Each request of this life, sent again with its key, gets its first answer, and is not in the audit log twice. */
async function checkRepeats(site: Site, ledger: Ledger): Promise<void> {
  for (const sent of ledger.done) {
    const { status, isReplayed } = await repeat(site, sent)
    assert.deepEqual([status, isReplayed], [sent.status, true], sent.path)
  }
  const { items } = JSON.parse((await call(site, 'GET', '/v1/audit?limit=1000')).text)
  const made = (items as { target: string; before: unknown }[])
    .filter(({ target, before }) => target.endsWith('/32') && before === null)
    .map(({ target }) => target)
  const twice = made.filter((target, index) => made.indexOf(target) !== index)
  assert.deepEqual(twice, [])
}

async function allItems(site: Site, path: string): Promise<{ prefix: string }[]> {
  const items: { prefix: string }[] = []
  for (let cursor = ''; ; ) {
    const { text } = await call(site, 'GET', `${path}limit=1000${cursor}`)
    const page = JSON.parse(text)
    items.push(...page.items)
    if (page.nextCursor === null) return items
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`
  }
}

/** Everything that was acknowledged is there once, and what was taken away is gone. */
async function checkListings(site: Site, ledger: Ledger): Promise<void> {
  for (const [path, there] of [
    ['/v1/listings?state=listed&origin=manual&', ledger.listed],
    ['/v1/listings?state=listed&origin=trap&', ledger.heard],
    ['/v1/exemptions?', ledger.exempt],
  ] as const) {
    const prefixes = (await allItems(site, path)).map(({ prefix }) => prefix)
    assert.deepEqual(prefixes.sort(), [...there].map((address) => `${address}/32`).sort(), path)
  }
}

async function checkEvidence(site: Site, ledger: Ledger): Promise<void> {
  const messages = ledger.done.filter(({ path }) => path.startsWith('/v1/messages'))
  const recent = [...ledger.heard].slice(-30)
  for (const address of new Set([...recent, ...messages.map((sent) => sent.address)])) {
    const { text } = await call(site, 'GET', `/v1/lookup/${address}`)
    assert.equal(JSON.parse(text).evidence.length, 1, `evidence on ${address}`)
  }
}

/** DNS agrees with the ledger: on what is new in it, and on some of what is old. */
async function checkAnswers(server: Server, ledger: Ledger, random: () => number): Promise<void> {
  for (const addresses of [ledger.heard, ledger.listed, ledger.delisted, ledger.exempt]) {
    const all = [...addresses]
    const old = Array.from({ length: 10 }, () => all[random() % Math.max(all.length, 1)] ?? '')
    for (const address of new Set([...all.slice(-20), ...old])) {
      if (address === '') continue
      const { a } = await ask(server.dns, reversed(address, origin))
      assert.equal(a.length > 0, ledger.isAnswered(address), `DNS on ${address}`)
    }
  }
}

function checkBackup(file: string): void {
  const database = new Database(file, { readonly: true })
  try {
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok')
  } finally {
    database.close()
  }
  rmSync(file)
}
