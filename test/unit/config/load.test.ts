import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exampleFile, exampleToml, guideFile, withTables } from '../../../scripts/config-docs.ts'
import { type Config, demoConfig, findConfig, loadConfig } from '../../../src/config/load.ts'
import { OperationalError } from '../../../src/errors.ts'
import { temporaryDirectory } from '../../support/door.ts'

const least = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
`

function load(t: TestContext, content: string): Config {
  const file = join(temporaryDirectory(t), 'a.toml')
  writeFileSync(file, content)
  return loadConfig({ file, env: {}, cwd: '/' })
}

/** The faults of a configuration, without the file's name in front. */
function faults(t: TestContext, content: string): string[] {
  try {
    load(t, content)
  } catch (error) {
    assert.ok(error instanceof OperationalError && error.code === 'config-invalid')
    return error.message.split('\n').map((line) => line.replace(/^.*a\.toml: /, ''))
  }
  return []
}

test('the least configuration has the defaults of the interface', (t) => {
  const config = load(t, least)
  assert.deepEqual(config.dns.listen, ['127.0.0.1:5300'])
  assert.equal(config.zone.ttl, 300)
  assert.equal(config.zone.validFor, 86_400)
  assert.equal(config.dns.capacity, 1024 ** 3)
  assert.equal(config.policy.firstListing, 7 * 86_400)
  assert.equal(config.policy.longestListing, 28 * 86_400)
  assert.deepEqual(config.policy.publish, [
    'dsn',
    'auto-reply',
    'challenge-response',
    'content-notice',
  ])
  assert.equal(config.policy.likely, 'count')
  assert.deepEqual(config.policy.threshold.dsn, { messages: 2, traps: 1, window: 7 * 86_400 })
  assert.deepEqual(config.policy.threshold['auto-reply'], {
    messages: 3,
    traps: 2,
    window: 7 * 86_400,
  })
  assert.deepEqual(config.policy.threshold.callout, { messages: 5, traps: 2, window: 7 * 86_400 })
  assert.equal(config.trapSmtp, undefined)
  assert.deepEqual(config.mailbox, [])
})

test('relative paths start from the folder of the file, and the socket stands beside the database', (t) => {
  const config = load(t, `${least}[store]\npath = "state/list.db"\n`)
  assert.match(config.store.path, /^\/.*\/state\/list\.db$/)
  assert.equal(config.control.socket, resolve(config.store.path, '../backscatterd.sock'))
})

test('faults that no single key shows', (t) => {
  assert.deepEqual(faults(t, `${least}[control]\nsocket = "/${'x'.repeat(107)}"\n`), [
    `control.socket: /${'x'.repeat(107)} has 108 octets; a Unix socket's path holds at most 107`,
  ])
  assert.deepEqual(faults(t, `${least}[policy]\nfirstListing = "40d"\n`), [
    'policy.firstListing: longer than policy.longestListing',
  ])
  for (const keep of ['28d', '20d']) {
    assert.deepEqual(faults(t, `${least}[evidence]\nkeep = "${keep}"\n`), [
      'evidence.keep: not longer than policy.longestListing',
    ])
  }
  assert.deepEqual(faults(t, `${least}[evidence]\nkeep = "29d"\n`), [])
  const mailbox = '[[mailbox]]\nname = "a"\ntype = "maildir"\npath = "m"\n'
  assert.deepEqual(faults(t, least + mailbox + mailbox.replace('"m"', '"n"')), [
    'mailbox[2].name: the same as in mailbox[1]',
  ])
})

test('a text that can outgrow a TXT string, names that are none, and traps that match nothing', (t) => {
  const zone = (line: string): string[] => faults(t, `${least}${line}\n`)
  assert.match(zone(`text = "${'x'.repeat(217)}{ip}"`)[0] ?? '', /^zone\.text: may have 256 octets/)
  assert.deepEqual(zone(`text = "${'x'.repeat(216)}{ip}"`), [])
  assert.match(
    faults(t, least.replace('bl.test', 'bl..test'))[0] ?? '',
    /^zone\.origin: expected a domain name/,
  )
  assert.match(
    faults(t, `${least}[[trap]]\naddress = "nobody"\n`)[0] ?? '',
    /^trap\[1\]\.address: a trap is user@example\.org/,
  )
})

test('a zone too long for its entries, and addresses where names belong', (t) => {
  const label = `${'x'.repeat(62)}.`
  const origin = (length: number): string[] =>
    faults(t, least.replace('bl.test.example', `${label.repeat(3).slice(0, length - 1)}x`))
  assert.deepEqual(origin(189), [])
  assert.match(origin(190)[0] ?? '', /^zone\.origin: has 190 characters; at most 189 /)
  assert.deepEqual(
    faults(t, least.replace('"ns1.test.example"', '"ns1.test.example", "192.0.2.1"')),
    [
      'zone.nameservers: entry 2: "192.0.2.1" is an address; expected a domain name such as "bl.example.org"',
    ],
  )
  assert.deepEqual(faults(t, least.replace('hostmaster.test.example', '192.0.2.1.')), [
    'zone.hostmaster: "192.0.2.1." is an address; expected a domain name such as "bl.example.org"',
  ])
})

test('an IPv4-mapped address to listen on is a fault, a wildcard without batches is warned of', (t) => {
  const dns = (lines: string): string => `${least}[dns]\n${lines}\n`
  for (const address of ['[::ffff:127.0.0.1]:53', '[::FFFF:7f00:1]:53']) {
    assert.deepEqual(faults(t, dns(`listen = ["[::1]:53", "${address}"]`)), [
      `dns.listen: entry 2: "${address}" is IPv4-mapped: write the IPv4 address`,
    ])
  }
  const listen = 'listen = ["0.0.0.0:53", "[::]:53", "[0:0::0]:54", "127.0.0.1:54", "[::1]:53"]'
  assert.deepEqual(load(t, dns(listen)).warnings, [])
  const { warnings } = load(t, dns(`batch = false\n${listen}`))
  assert.deepEqual(
    warnings.map(({ path, why }) => [path, /"(.*)" may answer from/.exec(why)?.[1]]),
    ['0.0.0.0:53', '[::]:53', '[0:0::0]:54'].map((address) => ['dns.listen', address]),
  )
})

test('access rules: actions by their words, one rule a prefix; an NSID fits every answer', (t) => {
  const rule = (client: string, action: string) =>
    `[[dns.access]]\nclient = "${client}"\naction = "${action}"\n`
  const both = rule('10.0.0.0/8', 'refuse') + rule('2001:db8::/32', 'drop')
  assert.deepEqual(load(t, least + both).dns.access, [
    { client: '10.0.0.0/8', action: 'refuse' },
    { client: '2001:db8::/32', action: 'drop' },
  ])
  assert.match(
    faults(t, least + rule('10.0.0.0/8', 'deny'))[0] ?? '',
    /^dns\.access\[1\]\.action: /,
  )
  assert.match(
    faults(t, least + rule('10.0.0.0/8', 'drop') + rule('10.0.0.0/8', 'allow'))[0] ?? '',
    /^dns\.access\[2\]\.client: the same as in dns\.access\[1\]$/,
  )
  assert.match(faults(t, `${least}[dns]\nnsid = "${'n'.repeat(129)}"\n`)[0] ?? '', /^dns\.nsid: /)
})

test('a file that is no TOML is an error with line and column', (t) => {
  assert.match(faults(t, '[zone\norigin = 3\n')[0] ?? '', /^line 1, column \d+: /)
})

test('keys that this version does not do are errors', (t) => {
  const zone = least.replace('[zone]', '[zone]\ndomainOrigin = "dbl.example.org"')
  assert.deepEqual(faults(t, zone), ['zone.domainOrigin: not supported by this version'])
})

test('a transfer that names a key that is not there, and a key given twice, are errors', (t) => {
  const key = '[[dns.key]]\nname = "mirror1"\nsecretFile = "a.key"\n'
  const transfer =
    '[[dns.transfer]]\naddress = "192.0.2.54"\nallow = "192.0.2.54"\nkey = "Mirror1"\n'
  assert.deepEqual(faults(t, least + key + transfer), [])
  assert.deepEqual(faults(t, least + transfer), [
    'dns.transfer[1].key: there is no dns.key named Mirror1',
  ])
  assert.deepEqual(faults(t, least + key + key), ['dns.key[2].name: the same as in dns.key[1]'])
})

const secondary = (address: string, allow = '192.0.2.54') =>
  `[[dns.transfer]]\naddress = "${address}"\nallow = "${allow}"\n`

test('a catalog zone needs a secondary, and lies outside the list’s zone', (t) => {
  const zone = (name: string) => `${least}[dns]\ncatalog = "${name}"\n`
  const more = secondary('192.0.2.54')
  assert.deepEqual(faults(t, zone('catalog.example.org') + more), [])
  assert.deepEqual(faults(t, zone('catalog.example.org')), [
    'dns.catalog: has no meaning without dns.transfer',
  ])
  for (const name of ['bl.test.example', 'Catalog.bl.test.example']) {
    assert.deepEqual(faults(t, zone(name) + more), [
      'dns.catalog: must not lie in the zone bl.test.example',
    ])
  }
})

test('a secondary or a primary that is this server itself is an error', (t) => {
  const listen = (...own: string[]) => `${least}[dns]\nlisten = ${JSON.stringify(own)}\n`
  const own = listen('192.0.2.53:53', '[2001:db8::53]:53', '0.0.0.0:5300')
  for (const address of ['192.0.2.53', '[2001:db8:0::53]:53', '127.0.0.2:5300']) {
    assert.match(
      faults(t, own + secondary(address))[0] ?? '',
      /^dns\.transfer\[1\]\.address: .* is this server itself \(dns\.listen\)$/,
      address,
    )
  }
  for (const address of ['192.0.2.53:5353', '[::1]:5300', '192.0.2.54:5300']) {
    assert.deepEqual(faults(t, own + secondary(address)), [], address)
  }
  const mirror = own.replace('[zone]', '[zone]\nprimary = "192.0.2.53"')
  assert.deepEqual(faults(t, mirror), [
    'zone.primary: 192.0.2.53:53 is this server itself (dns.listen)',
  ])
})

test('a secondary that may be anywhere and needs no key brings a warning', (t) => {
  const key = '[[dns.key]]\nname = "mirror1"\nsecretFile = "a.key"\n'
  const anywhere = secondary('192.0.2.54', '::/0')
  const warnings = (content: string) =>
    load(t, content).warnings.map((each) => `${each.path}: ${each.why}`)
  const why = '::/0 without a key lets everybody copy the whole list'
  assert.deepEqual(warnings(least + anywhere), [`dns.transfer[1].allow: ${why}`])
  assert.deepEqual(warnings(`${least + key + anywhere}key = "mirror1"\n`), [])
  assert.deepEqual(warnings(least + secondary('192.0.2.54', '192.0.2.0/24')), [])
})

test('the configuration is found in the order that the interface names', (t) => {
  const cwd = temporaryDirectory(t)
  const systemFile = join(cwd, 'etc.toml')
  mkdirSync(join(cwd, 'sub'))
  assert.equal(findConfig({ env: {}, cwd, systemFile }), undefined)
  writeFileSync(systemFile, '')
  assert.equal(findConfig({ env: {}, cwd, systemFile }), systemFile)
  writeFileSync(join(cwd, 'backscatterd.toml'), '')
  assert.equal(findConfig({ env: {}, cwd, systemFile }), join(cwd, 'backscatterd.toml'))
  const env = { BACKSCATTERD_CONFIG: 'sub/b.toml' }
  assert.equal(findConfig({ env, cwd }), join(cwd, 'sub/b.toml'))
  assert.equal(findConfig({ file: 'c.toml', env, cwd }), join(cwd, 'c.toml'))
})

test('without any configuration the demonstration is not served: the error says how to make one', (t) => {
  const cwd = temporaryDirectory(t)
  const load = () => loadConfig({ env: {}, cwd, systemFile: join(cwd, 'etc.toml') })
  assert.throws(load, (error: OperationalError) => {
    assert.equal(error.code, 'config-invalid')
    assert.match(
      error.message,
      /^there is no configuration: [^\n]*"backscatterd quickstart --help"/,
    )
    return true
  })
})

test('a configuration that exists and cannot be read is an error, and never passed over', (t) => {
  const cwd = temporaryDirectory(t)
  const here = join(cwd, 'backscatterd.toml')
  const systemFile = join(cwd, 'etc.toml')
  const fails = (file: string, why: RegExp) => {
    assert.throws(
      () => loadConfig({ env: {}, cwd, systemFile }),
      (error: OperationalError) => error.message.startsWith(`${file}: `) && why.test(error.message),
    )
  }
  // Not even root can read these: a folder, and a link to nothing.
  mkdirSync(systemFile)
  fails(systemFile, /cannot be read: it is not a file/)
  symlinkSync(join(cwd, 'nothing'), here)
  fails(here, /cannot be read: there is no such file/)
  // A folder that may not be looked into, as /etc/backscatterd is to most: here a name that is too long to be looked for.
  rmSync(here)
  const hidden = join(cwd, 'x'.repeat(300), 'backscatterd.toml')
  const found = findConfig({ env: {}, cwd, systemFile: hidden })
  assert.equal(found, hidden)
})

test('npm start, npm run dev and npm run sample name the demonstration, and nothing is served in place of it', () => {
  const { scripts } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
  )
  assert.equal(scripts.start, 'exec node src/main.ts --config data/demo.toml serve')
  assert.match(scripts.dev, / src\/main\.ts --config data\/demo\.toml serve$/)
  assert.match(scripts.sample, / --config data\/demo\.toml$/)
})

test('the default text of a listed address names nobody’s domain', (t) => {
  assert.equal(load(t, least).zone.text, 'Backscatter source: {ip}')
  assert.doesNotMatch(exampleToml(), /^text = .*\.\w/m)
})

test('with a public URL the text of a listed address names its page, unless the file has another text', (t) => {
  const admin = '[admin]\npublicUrl = "https://bl.example.org/"\n'
  const text = 'Backscatter source; see https://bl.example.org/lookup/{ip}'
  assert.equal(load(t, `${least}\n${admin}`).zone.text, text)
  const own = least.replace('[zone]', '[zone]\ntext = "ours"')
  assert.equal(load(t, `${own}\n${admin}`).zone.text, 'ours')
})

test('the demonstration and the example file are valid', () => {
  for (const file of [demoConfig, exampleFile]) {
    const config = loadConfig({ file, env: {}, cwd: '/' })
    assert.deepEqual(config.warnings, [])
  }
})

test('the guide’s tables and the example file are those of the declaration (npm run config-docs)', () => {
  const page = readFileSync(guideFile, 'utf8')
  assert.equal(page, withTables(page))
  assert.equal(readFileSync(exampleFile, 'utf8'), exampleToml())
})

test('the example file with its optional parts switched on is valid too', (t) => {
  const content = exampleToml().replaceAll(/^#(?=\[|\w+ = )/gm, '')
  const config = load(t, content)
  assert.equal(config.trapSmtp?.hostname, 'mx.trap.example.org')
  assert.equal(config.mailbox[0]?.type, 'maildir')
  assert.equal(config.policy.exempt[0]?.note, 'our own relays')
})

test('keys that every object has by birth are unknown keys like any other', (t) => {
  for (const key of ['constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    assert.deepEqual(faults(t, `${least}[${key}]\na = 1\n`), [`${key}: unknown key`])
  }
})

test('one folder for two mailboxes, one address for two listeners, and an empty path', (t) => {
  const mailbox = (name: string): string =>
    `[[mailbox]]\nname = "${name}"\ntype = "maildir"\npath = "/m"\n`
  assert.deepEqual(faults(t, least + mailbox('a') + mailbox('b')), [
    'mailbox[2].path: the same as in mailbox[1]',
  ])
  const smtp = '[trapSmtp]\nlisten = ["127.0.0.1:5300"]\nhostname = "mx.test.example"\n'
  assert.deepEqual(faults(t, least + smtp), [
    'trapSmtp.listen: "127.0.0.1:5300" is already used by dns.listen',
  ])
  assert.deepEqual(faults(t, `${least}[store]\npath = ""\n`), ['store.path: expected a path'])
})

test('the database’s default stands beside the configuration, wherever the command is given', (t) => {
  const config = load(t, least)
  assert.equal(config.store.path, join(dirname(config.file), 'backscatterd.db'))
  assert.equal(config.control.socket, join(dirname(config.file), 'backscatterd.sock'))
})

test('a name server in the zone without an address is warned of', (t) => {
  const inZone = least.replace('"ns1.test.example"', '"ns1.bl.test.example"')
  assert.deepEqual(load(t, inZone).warnings, [
    {
      path: 'zone.nameservers',
      why: 'ns1.bl.test.example lies in the zone and has no address in zone.records',
    },
  ])
  assert.deepEqual(load(t, `${inZone}records = ["ns1 A 192.0.2.53"]\n`).warnings, [])
})
