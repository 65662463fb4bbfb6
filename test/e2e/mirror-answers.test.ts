// A mirror answers random questions as its primary does: after the first transfer, after differences, and through resolvers.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lookup } from '../../src/resolver/lookup.ts'
import { type Answer, ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { caughtUp, mirrorPair } from '../support/mirror-pair.ts'
import { inside, randomAddress, randomPrefix } from '../support/random-list.ts'
import { startResolver } from '../support/resolvers.ts'
import { seeded } from '../support/seeded.ts'
import { origin, type Site, until } from '../support/server.ts'

/** How many questions are asked, about; more by the environment. */
const questions = Number(process.env['DNSBL_QUESTIONS'] ?? 500)
const kinds = ['', 'dsn', 'auto-reply', 'dsn challenge-response', 'callout']
const kindWords = ['dsn', 'auto-reply', 'callout']
const patienceMs = 180_000

async function change(site: Site, ...words: string[]): Promise<void> {
  const { code, stderr } = await site.run(...words)
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
}

function plain({ rcode, a, txt }: Answer) {
  return { rcode, a: a.toSorted(), txt: txt.toSorted() }
}

const skip = needs('unbound', 'unbound').skip || needs('pdns_recursor', 'pdns-recursor').skip

test('a mirror answers random questions as its primary does', { skip }, async (t) => {
  const { primary: site, mirror: mirrorSite } = await mirrorPair(t)
  // A name server within the zone would lead the resolvers to port 53.
  for (const { configFile } of [site, mirrorSite]) {
    const configuration = readFileSync(configFile, 'utf8')
    writeFileSync(configFile, configuration.replace(`"ns1.${origin}"`, '"ns1.test.example"'))
  }
  const seed = Number(process.env['DNSBL_SEED'] ?? 1717)
  const random = seeded(seed)
  const addresses = Array.from({ length: questions / 6 }, () => randomAddress(random))
  const prefixes = addresses.map((address) => randomPrefix(random, address))
  const list = join(site.folder, 'list.csv')
  const lines = prefixes.map((prefix) => `${prefix},${kinds[random() % kinds.length]}`)
  // Single octets as in 2.6.0.0/16 beside 2620::/16.
  const special = ['2.6.0.0/16,dsn', '2620:0000::/32,', '9.0.0.0/8,']
  writeFileSync(list, `${['prefix,kinds', ...special, ...lines].join('\n')}\n`)
  const primary = await site.start()
  await change(site, 'import', list, '--list', 'partners')
  const hole = () => inside(prefixes[random() % prefixes.length] ?? '', random)[2] ?? ''
  const holes = Array.from({ length: 12 }, hole)
  for (const [index, each] of holes.entries()) {
    await change(site, index % 2 === 0 ? 'exclude' : 'exempt', each)
  }
  const mirror = await mirrorSite.start()
  await caughtUp(primary, mirror)

  const fixed = [
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((last) => `127.0.0.${last}`),
    `${'0000:'.repeat(5)}ffff:7f00:0001`,
    `${'0000:'.repeat(5)}ffff:7f00:0002`,
  ]
  const compare = async (more: readonly string[]): Promise<string[]> => {
    const asked = new Set([
      ...fixed,
      ...holes,
      ...more,
      ...prefixes.flatMap((prefix) => inside(prefix, random)),
      ...addresses,
      ...Array.from({ length: questions / 6 }, () => randomAddress(random)),
    ])
    const listed: string[] = []
    for (const address of asked) {
      const name = reversed(address, origin)
      for (const type of ['A', 'TXT'] as const) {
        const [ours, theirs] = await Promise.all([
          ask(primary.dns, name, type),
          ask(mirror.dns, name, type),
        ])
        assert.deepEqual(plain(theirs), plain(ours), `seed ${seed}: ${address} ${type}`)
        if (ours.a.length > 0) listed.push(address)
      }
    }
    t.diagnostic(`${2 * asked.size} questions, ${listed.length} addresses listed`)
    assert.ok(listed.length > questions / 6)
    return listed
  }
  await compare([])

  const changed: string[] = []
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 4; index++) {
      const prefix = randomPrefix(random, randomAddress(random))
      changed.push(...inside(prefix, random))
      // Some are of special networks and refused.
      await site.run('add', prefix, '--kind', kindWords[random() % 3] ?? 'dsn')
      const other = hole()
      changed.push(other)
      await change(site, random() % 2 === 0 ? 'exclude' : 'exempt', other)
    }
    await caughtUp(primary, mirror)
  }
  const listed = await compare(changed)
  const difference = /"isWhole":false/
  const log = await until(
    async () => mirror.stderr(),
    (text) => difference.test(text),
    patienceMs,
  )
  assert.match(log, difference)

  for (const program of ['unbound', 'recursor'] as const) {
    const resolver = await startResolver(t, program, mirror.dns)
    const find = async (address: string): Promise<readonly string[]> => {
      const name = reversed(address, origin)
      const question = { server: resolver, name, type: 'A', timeoutMs: 5000 } as const
      return (await lookup(question).catch(() => undefined))?.answers ?? []
    }
    const isFound = (found: readonly string[]): boolean => found.length > 0
    await until(() => find('127.0.0.2'), isFound, patienceMs)
    for (const address of listed) {
      const found = await until(() => find(address), isFound, patienceMs)
      assert.ok(isFound(found), `${program}: ${address}`)
    }
  }
})
