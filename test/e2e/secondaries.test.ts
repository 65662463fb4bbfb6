// Knot DNS, NSD, BIND and PowerDNS as secondaries, set up as data/guide/transfers.md says: they get the zone, follow each change,
// catch up after their own or our server's death, and answer as our server does.
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { lookup } from '../../src/resolver/lookup.ts'
import { type Answer, ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { rcodes } from '../support/dns-query.ts'
import { inside, randomAddress, randomPrefix } from '../support/random-list.ts'
import { startResolver } from '../support/resolvers.ts'
import {
  blockOf,
  needsSecondaries,
  prepareFleet,
  runDig,
  type Secondary,
  secondaryKinds,
} from '../support/secondaries.ts'
import { randomLines, seeded } from '../support/seeded.ts'
import { origin, type Server, type Site, until } from '../support/server.ts'
import { readMessage } from '../support/transfer-client.ts'

const patienceMs = 180_000
/** How many questions are asked, about; more by the environment. */
const questions = Number(process.env['DNSBL_QUESTIONS'] ?? 500)

async function serialOf(address: string): Promise<number | undefined> {
  const answer = await ask(address, origin, 'SOA').catch(() => undefined)
  return answer?.rcode === 0 ? answer.serial : undefined
}

/** Waits until the secondary has the server's serial, and asserts that it has. */
async function followed(server: Server, secondary: Secondary): Promise<void> {
  const both = async () => [await serialOf(server.dns), await serialOf(secondary.address)]
  const isSame = ([ours, theirs]: (number | undefined)[]) => ours !== undefined && ours === theirs
  const [ours, theirs] = await until(both, isSame, patienceMs)
  assert.equal(theirs, ours, `${secondary.kind}: serial`)
}

/** Waits until a secondary that has our serial answers so: a process of NSD that is about to end answers as before. */
async function assertListed(secondary: Secondary, listed: string, wanted = true): Promise<void> {
  const name = reversed(listed, origin)
  const find = async () => (await ask(secondary.address, name)).a.includes('127.0.0.2')
  const found = await until(find, (is) => is === wanted, patienceMs)
  assert.equal(found, wanted, `${secondary.kind}: ${listed}`)
}

async function add(site: Site, prefix: string): Promise<void> {
  const { code, stderr } = await site.run('add', prefix, '--kind', 'dsn')
  assert.equal(code, 0, stderr)
}

/** One transfer was sent: the records of the address, `_status`, and the SOA record as RFC 1995 §4 has it. */
function assertOnlyAdded(address: string, messages: readonly Buffer[]): void {
  const transfers = messages
    .map((message) => readMessage(message).records)
    .filter(({ length }) => length > 1)
  const [soa, status, name] = [`${origin} 6`, `_status.${origin} 16`, reversed(address, origin)]
  assert.deepEqual(
    transfers.map((records) => records.map(({ owner, type }) => `${owner} ${type}`)),
    [[soa, soa, status, soa, status, `${name} 1`, `${name} 1`, `${name} 16`, soa]],
  )
}

for (const kind of secondaryKinds) {
  test(
    `${kind} follows changes, and catches up after each restart`,
    needsSecondaries([kind]),
    async (t) => {
      const { site, secret, secondaries, passage } = await prepareFleet(t, [kind])
      const [secondary] = secondaries
      assert.ok(secondary)
      let server = await site.start()
      await add(site, '198.51.100.0/25')
      secondary.start()
      await followed(server, secondary)
      await assertListed(secondary, '198.51.100.9')
      // The commands by which the page has the transfer tried, and the serials compared.
      const primary = { host: secondary.host, port: passage.port, secret }
      assert.match(await runDig('sh secondary', secondary, primary), /\sSOA\s[\s\S]*\sSOA\s/)
      const [ours, theirs] = (await runDig('sh both', secondary, primary)).trim().split('\n')
      assert.match(ours ?? '', /^ns1\.test\.example\. /)
      assert.equal(theirs, ours)

      passage.takeMessages()
      await add(site, '203.0.113.7')
      await followed(server, secondary)
      if (kind !== 'powerdns') assertOnlyAdded('203.0.113.7', passage.takeMessages())

      await site.run('exclude', '198.51.100.9')
      await followed(server, secondary)
      await assertListed(secondary, '203.0.113.7')
      await assertListed(secondary, '198.51.100.9', false)

      // The secondary was off while the list changed.
      await secondary.stop()
      await add(site, '203.0.113.8')
      secondary.start()
      await followed(server, secondary)
      await assertListed(secondary, '203.0.113.8')

      // The list changed while no server ran, so no journal leads on.
      await server.kill('SIGTERM')
      await add(site, '203.0.113.9')
      server = await site.start()
      await followed(server, secondary)
      await assertListed(secondary, '203.0.113.9')

      // The server goes back to a copy: what came after it is gone, but the serial grows.
      const copy = join(site.folder, 'copy.db')
      const backup = await site.run('backup', copy)
      assert.equal(backup.code, 0, backup.stderr)
      await add(site, '203.0.113.10')
      await followed(server, secondary)
      const before = (await serialOf(server.dns)) ?? 0
      await server.kill('SIGKILL')
      for (const end of ['', '-wal', '-shm'])
        rmSync(join(site.folder, `list.db${end}`), { force: true })
      copyFileSync(copy, join(site.folder, 'list.db'))
      server = await site.start()
      await followed(server, secondary)
      await assertListed(secondary, '203.0.113.10', false)
      await assertListed(secondary, '203.0.113.9')
      const after = (await serialOf(server.dns)) ?? 0
      assert.ok(after > before, `serial ${before}, then ${after}`)
    },
  )
}

test('all secondaries follow changes over IPv6', needsSecondaries(secondaryKinds), async (t) => {
  const { site, secondaries } = await prepareFleet(t, secondaryKinds, blockOf, '::1')
  const server = await site.start()
  for (const secondary of secondaries) secondary.start()
  for (const secondary of secondaries) await followed(server, secondary)
  await add(site, '203.0.113.7')
  for (const secondary of secondaries) {
    await followed(server, secondary)
    await assertListed(secondary, '203.0.113.7')
  }
})

const resolvers = {
  skip: needs('unbound', 'unbound').skip || needs('pdns_recursor', 'pdns-recursor').skip,
}

test('each secondary, and resolvers in front of it, answer as the server does', {
  skip: needsSecondaries(secondaryKinds).skip || resolvers.skip,
}, async (t) => {
  const { site, secondaries } = await prepareFleet(t, secondaryKinds)
  const configuration = readFileSync(site.configFile, 'utf8')
  writeFileSync(site.configFile, configuration.replace('[policy]', '[policy]\nshortest4 = 8'))
  const random = seeded(1711)
  const addresses = Array.from({ length: questions / 5 }, () => randomAddress(random))
  const prefixes = addresses.map((address) => randomPrefix(random, address))
  const kinds = ['', 'dsn', 'auto-reply', 'dsn challenge-response', 'callout']
  const list = join(site.folder, 'list.csv')
  const lines = prefixes.map((prefix) => `${prefix},${kinds[random() % kinds.length]}`)
  // Single octets as in 2.6.0.0/16 beside 2620::/16.
  const special = ['2.6.0.0/16,dsn', '2620:0000::/32,', '9.0.0.0/8,']
  writeFileSync(list, `${['prefix,kinds', ...special, ...lines].join('\n')}\n`)
  const server = await site.start()
  const imported = await site.run('import', list, '--list', 'partners')
  assert.equal(imported.code, 0, imported.stderr)
  const holes = prefixes.slice(0, 30).map((prefix) => inside(prefix, random)[2] ?? '')
  for (const end of [0, 1]) {
    const some = holes.filter((_, index) => index % 2 === end)
    for (const hole of some) {
      const done = await site.run(end === 0 ? 'exclude' : 'exempt', hole)
      assert.equal(done.code, 0, done.stderr)
    }
  }
  for (const secondary of secondaries) secondary.start()
  for (const secondary of secondaries) await followed(server, secondary)

  const asked = [
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((last) => `127.0.0.${last}`),
    `${'0000:'.repeat(5)}ffff:7f00:0001`,
    `${'0000:'.repeat(5)}ffff:7f00:0002`,
    ...holes,
    ...prefixes.flatMap((prefix) => inside(prefix, random)),
    ...addresses,
    ...Array.from({ length: questions / 5 }, () => randomAddress(random)),
  ]
  const listed: string[] = []
  for (const address of new Set(asked)) {
    const name = reversed(address, origin)
    for (const type of ['A', 'TXT'] as const) {
      const ours = answerOf(await ask(server.dns, name, type))
      const isSame = (answer: unknown) => isDeepStrictEqual(answer, ours)
      const theirs = secondaries.map(async ({ address: server }) => {
        // As in assertListed.
        return await until(async () => answerOf(await ask(server, name, type)), isSame, patienceMs)
      })
      for (const [index, answer] of (await Promise.all(theirs)).entries()) {
        assert.deepEqual(answer, ours, `${secondaries[index]?.kind}: ${address} ${type}`)
      }
      if (ours.a.length > 0) listed.push(address)
    }
  }
  assert.ok(listed.length > questions / 3, `${listed.length} listed`)
  t.diagnostic(`${new Set(asked).size} addresses, ${listed.length} of them listed`)

  const servers = [{ kind: 'backscatterd', address: server.dns }, ...secondaries]
  for (const { kind, address: authority } of servers) {
    for (const program of ['unbound', 'recursor'] as const) {
      const resolver = await startResolver(t, program, authority)
      const find = (address: string) => found(resolver, address)
      await until(() => find('127.0.0.2'), Boolean, patienceMs)
      for (const address of listed) {
        const isFound = await until(
          () => find(address),
          (is) => is !== undefined,
          patienceMs,
        )
        assert.equal(isFound, true, `${program} before ${kind}: ${address}`)
      }
    }
  }
})

function answerOf({ rcode, a, txt }: Answer): Pick<Answer, 'rcode' | 'a' | 'txt'> {
  return { rcode, a: a.toSorted(), txt }
}

/** Whether a resolver finds the address listed. undefined: it, or the server that it asks, gave no answer in time. */
async function found(resolver: string, address: string): Promise<boolean | undefined> {
  const name = reversed(address, origin)
  const question = { server: resolver, name, type: 'A', timeoutMs: 20_000 } as const
  const answer = await lookup(question).catch(() => undefined)
  if (answer === undefined || answer.rcode === rcodes.SERVFAIL) return undefined
  return answer.answers.includes('127.0.0.2')
}

test(
  'all secondaries catch up when the server is killed in the middle of a transfer',
  needsSecondaries(secondaryKinds),
  async (t) => {
    const { site, secondaries, passage } = await prepareFleet(t, secondaryKinds)
    const list = join(site.folder, 'list.txt')
    writeFileSync(list, randomLines(20_000))
    let server = await site.start()
    const imported = await site.run('import', list, '--list', 'partners')
    assert.equal(imported.code, 0, imported.stderr)
    const killed = passage.after(300_000, async () => await server.kill('SIGKILL'))
    for (const secondary of secondaries) secondary.start()
    await killed
    for (const { address } of secondaries) assert.equal(await serialOf(address), undefined)
    server = await site.start()
    for (const secondary of secondaries) await followed(server, secondary)
    const [first = ''] = randomLines(1).split('\n')
    for (const secondary of secondaries) await assertListed(secondary, first)
  },
)
