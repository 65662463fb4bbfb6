// Zone transfers as other programs ask for them: dig, with and without a key, and what it gets against a zone file.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/debian.ts'
import { origin, type Server, Site } from '../support/server.ts'

const secret = randomBytes(32).toString('base64')

function siteWithKey(t: TestContext, allow = '127.0.0.1/32'): Site {
  const site = new Site(t)
  writeFileSync(join(site.folder, 'mirror1.key'), `${secret}\n`)
  const tables = `
[[dns.key]]
name = "mirror1"
secretFile = "mirror1.key"
[[dns.transfer]]
address = "127.0.0.1:9"
allow = "${allow}"
key = "mirror1"
`
  writeFileSync(site.configFile, site.configuration(tables))
  return site
}

/** What dig prints: a record on each line, or why there is none. */
function dig(server: Server, ...more: string[]): string {
  const [host = '', port = ''] = server.dns.split(':')
  const { stdout } = spawnSync('dig', [`@${host}`, '-p', port, origin, ...more], {
    encoding: 'utf8',
  })
  return stdout
}

function records(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';') && !/\sTSIG\s/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' '))
}

const key = ['-y', `hmac-sha256:mirror1:${secret}`]

test(
  'dig gets the zone by AXFR: the records of the zone file',
  needs('dig', 'bind9-dnsutils'),
  async (t) => {
    const site = siteWithKey(t)
    const server = await site.start()
    const added = await site.run('add', '198.51.100.0/25', '2001:db8:7::/64', '--kind', 'dsn')
    assert.equal(added.code, 0, added.stderr)
    await site.run('exclude', '198.51.100.7')
    const transferred = records(dig(server, 'AXFR', ...key))
    const [first = '', ...rest] = transferred
    assert.match(first, / IN SOA /)
    assert.equal(rest.at(-1), first)
    const exported = await site.run('export', '--format', 'bind')
    const fromFile = exported.stdout
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('$') && !/ SOA /.test(line))
      .map((line) => line.replace(/^@ /, `${origin}. `))
      .map((line) => line.replace(/^(\S+[^.\s]) /, `$1.${origin}. `).replace(' ', ' 300 IN '))
    const ofEntries = rest.slice(0, -1).filter((line) => !line.startsWith('_status.'))
    assert.deepEqual(ofEntries.toSorted(), fromFile.toSorted())
    assert.ok(ofEntries.length > 130)
  },
)

test(
  'IXFR with the present serial is one SOA record, over UDP too',
  needs('dig', 'bind9-dnsutils'),
  async (t) => {
    const server = await siteWithKey(t).start()
    const [soa = ''] = records(dig(server, 'AXFR', ...key))
    const serial = soa.split(' ')[6] ?? ''
    for (const transport of ['+tcp', '+notcp']) {
      assert.deepEqual(records(dig(server, `IXFR=${serial}`, transport, ...key)), [soa], transport)
    }
  },
)

test(
  'no key, a wrong key and a wrong address get nothing of the zone',
  needs('dig', 'bind9-dnsutils'),
  async (t) => {
    const server = await siteWithKey(t).start()
    const wrong = ['-y', `hmac-sha256:mirror1:${randomBytes(32).toString('base64')}`]
    const unknown = ['-y', `hmac-sha256:mirror2:${secret}`]
    for (const asked of [[], wrong, unknown]) {
      for (const type of ['AXFR', 'IXFR=1']) {
        assert.deepEqual(records(dig(server, type, ...asked)), [], `${type} ${asked}`)
      }
    }
    assert.match(dig(server, 'SOA', ...wrong), /status: NOTAUTH/)
    assert.match(dig(server, 'SOA', ...wrong), /BADSIG/)
    assert.match(dig(server, 'SOA', ...unknown), /BADKEY/)
    assert.match(dig(server, 'SOA', ...key), /status: NOERROR[\s\S]*mirror1\.\s+0\s+ANY\s+TSIG/)
    const elsewhere = await siteWithKey(t, '192.0.2.1/32').start()
    assert.deepEqual(records(dig(elsewhere, 'AXFR', ...key)), [])
  },
)

const clocks = {
  skip: needs('dig', 'bind9-dnsutils').skip || needs('faketime', 'faketime').skip,
}

test('a client whose clock is wrong gets nothing of the zone', clocks, async (t) => {
  const server = await siteWithKey(t).start()
  const [host = '', port = ''] = server.dns.split(':')
  const ask = (offset: string, type: string) =>
    spawnSync('faketime', ['-f', offset, 'dig', `@${host}`, '-p', port, origin, type, ...key], {
      encoding: 'utf8',
    }).stdout
  // Until the server looks, its own clock goes on: that of a client ahead is then less wrong.
  for (const offset of ['-301s', '+1h']) {
    assert.deepEqual(records(ask(offset, 'AXFR')), [], offset)
    assert.match(ask(offset, 'SOA'), /status: NOTAUTH[\s\S]*BADTIME/, offset)
  }
  assert.ok(records(ask('+250s', 'AXFR')).length > 2)
})
