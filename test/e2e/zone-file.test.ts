// `export --format bind`, loaded by a standard name server, answers full names of addresses as our server does: A, TXT and
// rcode, in both families, with exclusions, exemptions and test entries.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { freePort } from '../support/ports.ts'
import { inside, randomAddress, randomPrefix } from '../support/random-list.ts'
import { nsdConfiguration } from '../support/resolver-lab.ts'
import { seeded } from '../support/seeded.ts'
import { origin, Site, until } from '../support/server.ts'

const text = 'Listed, says \\"we\\": see C:\\\\{ip}'

/** NSD with the zone of `file` in the site's folder. */
async function startNsd(t: TestContext, site: Site, file: string): Promise<string> {
  const port = await freePort()
  const configuration = join(site.folder, 'nsd.conf')
  writeFileSync(configuration, nsdConfiguration(site.folder, port, { name: origin, file }))
  const path = `${process.env['PATH']}:/usr/sbin:/sbin`
  const child = spawn('nsd', ['-d', '-c', configuration], {
    stdio: 'ignore',
    env: { ...process.env, PATH: path },
  })
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  const address = `127.0.0.1:${port}`
  const isListed = (answer: Awaited<ReturnType<typeof ask>> | undefined) =>
    answer?.a[0] === '127.0.0.2'
  const test = `2.0.0.127.${origin}`
  await until(() => ask(address, test).catch(() => undefined), isListed, 120_000)
  return address
}

test('a zone file answers as the server does', needs('nsd', 'nsd'), async (t) => {
  const random = seeded(4711)
  const site = new Site(t)
  const configuration = site
    .configuration()
    .replace('[policy]', '[policy]\nshortest4 = 8')
    .replace(
      'hostmaster =',
      `records = ["ns1 A 192.0.2.53", "@ TXT \\"a \\\\\\"list\\\\\\"\\""]\ntext = "${text}"\nhostmaster =`,
    )
  writeFileSync(site.configFile, configuration)
  const server = await site.start()
  const addresses = Array.from({ length: 500 }, () => randomAddress(random))
  const prefixes = addresses.map((address) => randomPrefix(random, address))
  const kinds = ['', 'dsn', 'auto-reply', 'dsn challenge-response', 'callout']
  const lines = prefixes.map((prefix) => `${prefix},${kinds[random() % kinds.length]}`)
  const list = join(site.folder, 'list.csv')
  // Single octets as in 2.6.0.0/16 beside 2620::/16.
  const special = ['2.6.0.0/16,dsn', '2620:0000::/32,', '9.0.0.0/8,']
  writeFileSync(list, `${['prefix,kinds', ...special, ...lines].join('\n')}\n`)
  const imported = await site.run('import', list, '--list', 'partners', '--json')
  assert.equal(imported.code, 0, imported.stderr)
  const holes = prefixes.slice(0, 60).flatMap((prefix) => {
    const [, , middle = ''] = inside(prefix, random)
    return middle === '' ? [] : [middle]
  })
  for (const [index, hole] of holes.entries()) {
    const done = await site.run(index % 2 === 0 ? 'exclude' : 'exempt', hole)
    assert.equal(done.code, 0, done.stderr)
  }
  const exported = await site.run('export', '--format', 'bind')
  assert.equal(exported.code, 0, exported.stderr)
  writeFileSync(join(site.folder, 'bl.zone'), exported.stdout)
  const nsd = await startNsd(t, site, 'bl.zone')

  const asked = new Set([
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((last) => `127.0.0.${last}`),
    `${'0000:'.repeat(5)}ffff:7f00:0001`,
    `${'0000:'.repeat(5)}ffff:7f00:0002`,
    ...addresses,
    ...holes.map((hole) => hole.split('/')[0] ?? ''),
    ...prefixes.flatMap((prefix) => inside(prefix, random)),
    ...Array.from({ length: 300 }, () => randomAddress(random)),
  ])
  let listed = 0
  for (const address of asked) {
    const name = reversed(address, origin)
    for (const type of ['A', 'TXT'] as const) {
      const [ours, theirs] = await Promise.all([ask(server.dns, name, type), ask(nsd, name, type)])
      const { rcode, a, txt } = ours
      assert.deepEqual(
        { rcode: theirs.rcode, a: theirs.a.toSorted(), txt: theirs.txt },
        { rcode, a: a.toSorted(), txt },
        `${address} ${type}`,
      )
      if (a.length > 0) listed += 1
    }
  }
  assert.ok(listed > 500 && listed < asked.size, `${listed} of ${asked.size}`)
  for (const name of [origin, `ns1.${origin}`]) {
    const [ours, theirs] = await Promise.all([ask(server.dns, name, 'TXT'), ask(nsd, name, 'TXT')])
    assert.deepEqual(theirs.txt, ours.txt)
  }
  const soa = await ask(nsd, origin, 'SOA')
  assert.equal(soa.serial, (await ask(server.dns, origin, 'SOA')).serial)
})
