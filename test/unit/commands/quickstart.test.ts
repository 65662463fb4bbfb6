// What quickstart writes and prints: sound configurations without a needless key, the records for each layout of name servers,
// and a clear line for each wrong argument.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse } from 'smol-toml'
import { requireSound } from '../../../src/commands/check-config.ts'
import { formatConfiguration } from '../../../src/commands/quickstart/configuration.ts'
import { requireFolder } from '../../../src/commands/quickstart/install.ts'
import { formatInstructions } from '../../../src/commands/quickstart/instructions.ts'
import {
  type ListingChoice,
  makePlan,
  type Plan,
  readRequest,
} from '../../../src/commands/quickstart/plan.ts'
import { declaration } from '../../../src/config/keys.ts'
import { type Config, loadConfig } from '../../../src/config/load.ts'
import type { Fields } from '../../../src/config/schema.ts'
import { OperationalError } from '../../../src/errors.ts'
import { temporaryDirectory } from '../../support/door.ts'

const zone = 'bl.example.org'
const trapDomain = 'trap.example.net'
const outside = ['ns1.example.org=192.0.2.53', 'ns2.example.org=198.51.100.53']
const inside = ['NS1.bl.example.org=192.0.2.53', 'ns1.bl.example.org=2001:DB8:0::53']
const ownAddresses = ['127.0.0.1', '::1', '192.0.2.53', '2001:db8::53']

function plan({
  ns = outside,
  own = ownAddresses,
  listing = 'two-traps' as ListingChoice,
  isLmtp = false,
  traps = [trapDomain],
} = {}): Plan {
  return makePlan(readRequest(zone, ns, traps), { listing, isLmtp }, own)
}

async function load(t: TestContext, text: string): Promise<Config> {
  const folder = temporaryDirectory(t)
  mkdirSync(join(folder, 'data'))
  const file = join(folder, 'backscatterd.toml')
  writeFileSync(file, text, { mode: 0o640 })
  const config = loadConfig({ file, env: {}, cwd: '/' })
  await requireSound(config)
  return config
}

/** The keys of a file that have their default value there. */
function needlessKeys(raw: Readonly<Record<string, unknown>>, fields: Fields, path = ''): string[] {
  return Object.entries(raw).flatMap(([key, value]) => {
    const node = fields[key]
    assert.ok(node, path + key)
    if (node.node === 'setting') {
      return JSON.stringify(node.initial) === JSON.stringify(value) ? [path + key] : []
    }
    const items = (Array.isArray(value) ? value : [value]) as Record<string, unknown>[]
    return items.flatMap((item) => needlessKeys(item, node.fields, `${path}${key}.`))
  })
}

test('every choice makes a sound configuration without a warning and without a needless key', async (t) => {
  for (const listing of ['two-traps', 'hold', 'fast'] as const) {
    for (const isLmtp of [false, true]) {
      for (const ns of [outside, inside]) {
        for (const own of [ownAddresses, ['127.0.0.1']]) {
          const text = formatConfiguration(plan({ ns, own, listing, isLmtp }), 'data/list.db')
          const config = await load(t, text)
          assert.deepEqual(config.warnings, [], text)
          assert.deepEqual(needlessKeys(parse(text), declaration.fields), [], text)
        }
      }
    }
  }
})

test('the choice of listing decides on thresholds and holdFor', async (t) => {
  const policyOf = async (listing: ListingChoice) => {
    const { policy } = await load(t, formatConfiguration(plan({ listing }), 'data/list.db'))
    return [policy.threshold.dsn.traps, policy.holdFor]
  }
  assert.deepEqual(await policyOf('two-traps'), [2, 0])
  assert.deepEqual(await policyOf('hold'), [1, 3600])
  assert.deepEqual(await policyOf('fast'), [1, 0])
})

test('the server listens on the addresses of name servers that the machine has, else on all', async (t) => {
  const listens = async (ns: string[], own: string[]) => {
    const config = await load(t, formatConfiguration(plan({ ns, own }), 'data/list.db'))
    return [config.dns.listen, config.trapSmtp?.listen]
  }
  assert.deepEqual(await listens(outside, ownAddresses), [['192.0.2.53:53'], ['192.0.2.53:25']])
  assert.deepEqual(await listens(inside, ownAddresses), [
    ['192.0.2.53:53', '[2001:db8::53]:53'],
    ['192.0.2.53:25', '[2001:db8::53]:25'],
  ])
  assert.deepEqual(await listens(outside, ['127.0.0.1', '::1']), [
    ['0.0.0.0:53', '[::]:53'],
    ['0.0.0.0:25', '[::]:25'],
  ])
  assert.deepEqual(await listens(outside, ['127.0.0.1']), [['0.0.0.0:53'], ['0.0.0.0:25']])
})

test('with LMTP the listener is on loopback and lets the mail server name the clients', async (t) => {
  const { trapSmtp } = await load(t, formatConfiguration(plan({ isLmtp: true }), 'data/list.db'))
  assert.deepEqual(
    [trapSmtp?.lmtp, trapSmtp?.listen, trapSmtp?.proxies],
    [true, ['127.0.0.1:2525'], ['127.0.0.1']],
  )
})

test('a name server in the zone has its addresses in the zone', async (t) => {
  const ns = [...inside, 'bl.example.org=192.0.2.54']
  const { zone: written } = await load(t, formatConfiguration(plan({ ns }), 'data/list.db'))
  assert.deepEqual(written.nameservers, ['ns1.bl.example.org', 'bl.example.org'])
  assert.deepEqual(written.records, ['ns1 A 192.0.2.53', 'ns1 AAAA 2001:db8::53', '@ A 192.0.2.54'])
})

test('a listed address is answered with the link of its page, and the name in it has an address', async (t) => {
  const { zone: written, admin } = await load(t, formatConfiguration(plan({}), 'data/list.db'))
  assert.deepEqual(written.records, ['@ A 192.0.2.53'])
  assert.equal(admin?.publicUrl, 'https://bl.example.org')
  assert.equal(written.text, 'Backscatter source; see https://bl.example.org/lookup/{ip}')
  assert.ok(
    formatInstructions(plan({})).includes('bl.example.org {\n  reverse_proxy 127.0.0.1:8053'),
  )
})

/** The records that are printed, with one blank between the words. */
function records(given: Plan): string[] {
  const rows = formatInstructions(given).matchAll(/^(\S+\.) +(NS|A|AAAA|MX) +(.*)$/gm)
  return [...rows].map((row) => row.slice(1).join(' '))
}

test('the records delegate the zone, give each name server its address, and lead the traps here', () => {
  assert.deepEqual(records(plan({ ns: inside })), [
    'bl.example.org. NS ns1.bl.example.org.',
    'ns1.bl.example.org. A 192.0.2.53',
    'ns1.bl.example.org. AAAA 2001:db8::53',
    'trap.example.net. MX 10 mx.trap.example.net.',
    'mx.trap.example.net. A 192.0.2.53',
    'mx.trap.example.net. AAAA 2001:db8::53',
  ])
  // Behind a translating router, where the machine does not have the address.
  const far = ['ns1.other.example=192.0.2.53', 'ns2.example.org=198.51.100.53']
  assert.deepEqual(records(plan({ ns: far, own: ['10.0.0.2'] })), [
    'bl.example.org. NS ns1.other.example.',
    'bl.example.org. NS ns2.example.org.',
    'ns2.example.org. A 198.51.100.53',
    'ns1.other.example. A 192.0.2.53',
    'trap.example.net. MX 10 mx.trap.example.net.',
    'mx.trap.example.net. A 192.0.2.53',
  ])
})

test('lines for other mail servers name the zone, and the handing over comes with LMTP alone', () => {
  const [direct, handed] = [plan(), plan({ isLmtp: true })].map(formatInstructions)
  for (const line of [
    'smtpd_data_restrictions = check_sender_access inline:{ {<> = reject_rbl_client bl.example.org=127.0.0.2} }',
    'dnslists = bl.example.org=127.0.0.2',
    'rbl = "bl.example.org";',
  ]) {
    assert.ok(direct?.includes(line), line)
  }
  assert.doesNotMatch(direct ?? '', /lmtp/)
  assert.match(handed ?? '', /^lmtp_send_xforward_command = yes$/m)
  assert.match(handed ?? '', /check_recipient_access inline:\{ \{trap\.example\.net = permit\} \}/)
})

test('each trap domain becomes a trap, has its own MX, and is handed over', async (t) => {
  const second = 'other.example.com'
  const given = plan({ traps: [trapDomain, second, 'TRAP.example.net'], isLmtp: true })
  const { trap, trapSmtp } = await load(t, formatConfiguration(given, 'data/list.db'))
  assert.deepEqual(
    trap.map(({ address }) => address),
    [`@${trapDomain}`, `@${second}`],
  )
  assert.equal(trapSmtp?.hostname, `mx.${trapDomain}`)
  assert.deepEqual(
    records(given).filter((record) => record.includes(' MX ')),
    [trapDomain, second].map((domain) => `${domain}. MX 10 mx.${domain}.`),
  )
  const lines = formatInstructions(given)
  assert.match(lines, /^virtual_mailbox_domains = trap\.example\.net, other\.example\.com$/m)
  assert.match(lines, /\{trap\.example\.net = permit\}, \{other\.example\.com = permit\}/)
})

test('a wrong argument is named, with what was expected', () => {
  const refused = (why: RegExp, ...given: Parameters<typeof readRequest>): void =>
    assert.throws(
      () => readRequest(...given),
      (error) => {
        assert.ok(error instanceof OperationalError)
        assert.equal(error.code, 'usage-invalid')
        assert.match(error.message, why)
        return true
      },
    )
  refused(/^the zone: expected a domain name such as .*, not "bl example"/, 'bl example', outside, [
    trapDomain,
  ])
  refused(/^the zone: .*is an address/, '192.0.2.1', outside, [trapDomain])
  refused(/^bl: give a name below a domain of yours/, 'bl', outside, [trapDomain])
  refused(/--ns ns1\.example\.org=192\.0\.2\.53/, zone, undefined, [trapDomain])
  refused(/^--ns ns1\.example\.org: expected NAME=ADDRESS/, zone, ['ns1.example.org'], [trapDomain])
  refused(/^--ns =192\.0\.2\.1: expected a domain name/, zone, ['=192.0.2.1'], [trapDomain])
  refused(
    /^--ns ns1\.example\.org=nowhere: "nowhere"/,
    zone,
    ['ns1.example.org=nowhere'],
    [trapDomain],
  )
  refused(/--trap-domain trap\.example\.net/, zone, outside, undefined)
  refused(/^--trap-domain a@b\.example: expected a domain name/, zone, outside, ['a@b.example'])
  refused(/lies in the zone bl\.example\.org/, zone, outside, ['trap.bl.example.org'])
  refused(/hostmaster@example\.org, which gets real mail/, zone, outside, ['example.org'])
  refused(/^--ns ns1=192\.0\.2\.1: give a whole domain name/, zone, ['ns1=192.0.2.1'], [trapDomain])
  refused(/^--trap-domain net: give a whole domain name/, zone, outside, [trapDomain, 'net'])
})

test('the trap domain is refused if a public name of the list lies in it', () => {
  const revealing = [
    [zone, ['ns1.trap.example.net=192.0.2.53']],
    ['bl.list.trap.example.net', outside],
  ] as const
  for (const [origin, ns] of revealing) {
    assert.throws(
      () => readRequest(origin, ns, [trapDomain]),
      /everybody sees that .*, which belongs to the list, lies in it; choose another/,
    )
  }
})

test('a name server that is given twice has one record', () => {
  const [first = ''] = outside
  assert.equal(plan({ ns: [first, first] }).nameServers.length, 1)
})

test('a folder that cannot be used is told in words', (t) => {
  const folder = temporaryDirectory(t)
  const file = join(folder, 'file')
  writeFileSync(file, '')
  assert.throws(() => requireFolder(file), /file is a file: name a folder$/)
  assert.throws(() => requireFolder(join(folder, 'a/b')), /a does not exist: make it first/)
  requireFolder(join(folder, 'a'))
})
