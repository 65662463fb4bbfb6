// Knot DNS, NSD and BIND get the list through its catalog zone (RFC 9432), set up as data/guide/transfers.md says; strangers get
// nothing of it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { signRequest, type TsigKey } from '../../src/transfer/tsig.ts'
import { ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { buildQuery, rcodes, types, wireName } from '../support/dns-query.ts'
import { exchangeTcp, exchangeUdp } from '../support/dns-subject.ts'
import {
  blockOf,
  type Fleet,
  needsSecondaries,
  prepareFleet,
  type SecondaryKind,
} from '../support/secondaries.ts'
import { origin, type Server, until } from '../support/server.ts'

const kinds: readonly SecondaryKind[] = ['knot', 'nsd', 'bind']
const catalog = 'catalog.example.org'
/** As long as the catalog's name. */
const other = 'another.example.org'
const patienceMs = 180_000

/** The page's configuration with the lines of the catalog in place of its zone. */
function block(kind: SecondaryKind): string {
  const page = blockOf(kind)
  const lines = blockOf(`${kind} catalog`)
  if (kind !== 'bind') return page.replace(/^zone:[\s\S]*/m, lines)
  return page
    .replace('options {', `options {\n${lines}`)
    .replace(/^zone [\s\S]*/m, blockOf('bind catalog zone'))
}

async function fleetWithCatalog(
  t: Parameters<typeof prepareFleet>[0],
  of: readonly SecondaryKind[],
): Promise<Fleet> {
  const fleet = await prepareFleet(t, of, block)
  const { configFile } = fleet.site
  const table = blockOf('toml catalog').trim()
  writeFileSync(configFile, readFileSync(configFile, 'utf8').replace('[dns]', table))
  return fleet
}

async function isListed(server: string, address: string): Promise<boolean> {
  const answer = await ask(server, reversed(address, origin)).catch(() => undefined)
  return answer?.a.includes('127.0.0.2') ?? false
}

for (const kind of kinds) {
  test(
    `${kind} gets the list through the catalog, and follows it`,
    needsSecondaries([kind]),
    async (t) => {
      const { site, secondaries } = await fleetWithCatalog(t, [kind])
      const [secondary] = secondaries
      assert.ok(secondary)
      let server = await site.start()
      const follows = async (address: string): Promise<void> => {
        const { code, stderr } = await site.run('add', address, '--kind', 'dsn')
        assert.equal(code, 0, stderr)
        const find = () => isListed(secondary.address, address)
        assert.equal(await until(find, Boolean, patienceMs), true)
      }
      secondary.start()
      // Before it has the zone it refuses NOTIFY, which ends the tries.
      const hasZone = () => isListed(secondary.address, '127.0.0.2')
      assert.equal(await until(hasZone, Boolean, patienceMs), true)
      await follows('198.51.100.9')
      await server.kill('SIGTERM')
      server = await site.start()
      await follows('198.51.100.10')
      assert.equal((await ask(secondary.address, origin, 'SOA')).rcode, 0)
    },
  )
}

function dig(server: Server, ...words: string[]): string {
  const [host = '', port = ''] = server.dns.split(':')
  return spawnSync('dig', [`@${host}`, '-p', port, ...words], { encoding: 'utf8' }).stdout
}

test('the catalog names the zone; only those who may copy it are answered', {
  skip: needsSecondaries(kinds).skip || needs('dig', 'bind9-dnsutils').skip,
}, async (t) => {
  const { site, secret } = await fleetWithCatalog(t, ['knot'])
  const server = await site.start()
  const key = ['-y', `hmac-sha256:mirror1:${secret}`]
  const lines = dig(server, catalog, 'AXFR', '+noall', '+answer', ...key)
    .trim()
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' '))
  const [soa = ''] = lines
  const serial = dig(server, origin, 'SOA', '+short').split(' ')[2]
  assert.match(soa, new RegExp(`^catalog\\.example\\.org\\. 300 IN SOA invalid\\. \\S+ ${serial} `))
  const member = lines.find((line) => line.includes(' PTR ')) ?? ''
  assert.match(
    member,
    /^[0-9a-f]{32}\.zones\.catalog\.example\.org\. 300 IN PTR bl\.test\.example\.$/,
  )
  assert.deepEqual(
    lines.slice(1, -1).toSorted(),
    [member, `${catalog}. 300 IN NS invalid.`, `version.${catalog}. 300 IN TXT "2"`].toSorted(),
  )
  assert.equal(lines.at(-1), soa)
  for (const transport of ['+tcp', '+notcp']) {
    const status = (...words: string[]) =>
      /status: (\w+)/.exec(dig(server, transport, ...words))?.[1]
    for (const type of ['SOA', 'TXT']) {
      assert.equal(status(catalog, type, ...key), 'NOERROR', `${type} ${transport}`)
      assert.equal(status(catalog, type), 'REFUSED', `${type} ${transport}`)
    }
    assert.equal(status(`other.${catalog}`, 'SOA', ...key), 'REFUSED')
    for (const type of ['SOA', `IXFR=${serial}`]) {
      assert.match(dig(server, transport, catalog, type, ...key), /\sSOA\sinvalid/)
      assert.doesNotMatch(dig(server, transport, catalog, type), /\sSOA\sinvalid/)
    }
  }
  assert.match(dig(server, catalog, 'AXFR'), /Transfer failed/)

  // To strangers the catalog looks like a name that is no zone.
  const [host = '', port = ''] = server.dns.split(':')
  const at = { host, port: Number(port) }
  const wrongKey: TsigKey = {
    name: wireName('mirror1'),
    algorithm: 'hmac-sha256',
    secret: randomBytes(32),
  }
  const epochSeconds = Math.floor(Date.now() / 1000)
  const queriesFor = (name: string) => {
    const plain = [
      buildQuery(name, types.AXFR, { id: 1 }),
      buildQuery(name, types.AXFR, { id: 1, edns: {} }),
      buildQuery(name, types.IXFR, { id: 1, edns: {} }),
    ]
    return [...plain, ...plain.map((each) => signRequest(each, wrongKey, epochSeconds).message)]
  }
  const others = queriesFor(other)
  for (const [index, query] of queriesFor(catalog).entries()) {
    for (const exchange of [exchangeTcp, exchangeUdp]) {
      const found = await exchange(at, query)
      const none = await exchange(at, others[index] ?? query)
      assert.equal((found?.readUInt8(3) ?? 0) & 15, rcodes.NOTAUTH)
      assert.ok(found && none)
      assert.equal(found.toString('latin1'), none.toString('latin1').replace('another', 'catalog'))
    }
  }
})
