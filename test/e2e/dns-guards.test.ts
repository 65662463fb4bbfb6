// What an operator sets around DNS answers, through the configuration of a running server: NSID, access, rate limit,
// cookies with their secrets in a file, the query log, and what status says of it all.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  buildQuery,
  optionCodes,
  rcodes,
  readOptions,
  reversed,
  types,
} from '../support/dns-query.ts'
import { ask, exchangeUdp, type Subject } from '../support/dns-subject.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

const listed = reversed('127.0.0.2')

function subjectOf(server: Server): Subject {
  const [host = '', port = ''] = server.dns.split(':')
  return { zone: origin, host, port: Number(port), isOurs: true, close: async () => undefined }
}

/** A site with further keys under [dns], and tables behind everything. */
function siteWith(t: TestContext, keys: string, tables = ''): Site {
  const site = new Site(t)
  const configuration = site.configuration(tables)
  writeFileSync(site.configFile, configuration.replace('workers = 1', `workers = 1\n${keys}`))
  return site
}

test('NSID, access rules, the query log, and status counting what was answered', async (t) => {
  const site = siteWith(
    t,
    'nsid = "ns1-ams"\nqueryLog = 1',
    '[[dns.access]]\nclient = "127.0.0.0/8"\naction = "refuse"\n[[dns.access]]\nclient = "127.0.0.1"\naction = "allow"\n',
  )
  const server = await site.start()
  const subject = subjectOf(server)
  const wanting = { edns: { options: [{ code: optionCodes.nsid, data: [] }] } }
  const response = await ask(subject, listed, types.A, wanting)
  assert.equal(readOptions(response.octets).get(optionCodes.nsid)?.toString(), 'ns1-ams')
  assert.equal((await ask(subject, reversed('127.0.0.9'), types.TXT)).rcode, rcodes.NXDOMAIN)
  const line =
    /"client":"127\.0\.0\.0\/24","name":"9\.0\.0\.127\.bl\.test\.example","type":"TXT","rcode":"NXDOMAIN","outcome":"notListed"/
  const log = await until(
    async () => server.stderr(),
    (text) => line.test(text),
    120_000,
  )
  assert.match(log, line)
  const { code, stdout } = await site.run('status', '--json')
  assert.equal(code, 0)
  const { dns, tree } = JSON.parse(stdout)
  assert.deepEqual(dns.queries, { udp: 2, tcp: 0 })
  assert.equal(dns.outcomes.listed, 1)
  assert.equal(dns.outcomes.notListed, 1)
  assert.deepEqual(dns.codes, { '127.0.0.2': 1 })
  assert.equal(tree.nearlyFull, false)
  assert.match(
    (await site.run('status')).stdout,
    /DNS queries +2 UDP, 0 TCP\n +1 listed\n +1 not listed/,
  )
})

test('the rate limit of the configuration holds', async (t) => {
  const site = siteWith(t, '', '[dns.rateLimit]\nresponsesPerSecond = 1\nslip = 1\n')
  const subject = subjectOf(await site.start())
  for (let limited = 0; limited < 2; limited++) {
    const { isTruncated } = await until(
      () => ask(subject, listed, types.A),
      (answer) => answer.isTruncated,
      120_000,
    )
    assert.ok(isTruncated)
  }
})

test('cookies by the secrets of a file, read again on SIGHUP; a wrong file is named', async (t) => {
  const site = siteWith(t, 'cookieSecretFile = "cookies"')
  const secrets = join(site.folder, 'cookies')
  const [old, fresh] = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210']
  writeFileSync(secrets, 'short\n')
  const refused = await site.run('check-config')
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /dns\.cookieSecretFile: .*line 1: expected 32 hexadecimal digits/)
  writeFileSync(secrets, `# the only one\n${old}\n`)
  assert.equal((await site.run('check-config')).code, 0)
  const server = await site.start()
  const subject = subjectOf(server)
  const cookieFor = async (cookie: readonly number[]) => {
    const options = [{ code: optionCodes.cookie, data: cookie }]
    const query = buildQuery(`${listed}.${origin}`, types.A, { edns: { options } })
    const response = await exchangeUdp(subject, query)
    assert.ok(response)
    return [...(readOptions(response).get(optionCodes.cookie) ?? [])]
  }
  const cookie = await cookieFor([1, 2, 3, 4, 5, 6, 7, 8])
  assert.equal(cookie.length, 24)
  assert.deepEqual(await cookieFor(cookie), cookie)
  const reload = async (content: string) => {
    writeFileSync(secrets, content)
    const before = server.stderr().split('\n').length
    process.kill(server.pid, 'SIGHUP')
    await until(
      async () =>
        server
          .stderr()
          .split('\n')
          .slice(before - 1)
          .join('\n'),
      (text) => /reloaded/.test(text),
      120_000,
    )
  }
  // The new secret second: made and accepted as before. First: the old cookie is accepted and renewed.
  await reload(`${old}\n${fresh}\n`)
  assert.deepEqual(await cookieFor(cookie), cookie)
  await reload(`${fresh}\n${old}\n`)
  const renewed = await cookieFor(cookie)
  assert.notDeepEqual(renewed, cookie)
  await reload('nonsense\n')
  assert.deepEqual(await cookieFor(renewed), renewed)
})
