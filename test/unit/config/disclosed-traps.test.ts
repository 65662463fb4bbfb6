// A configuration that would tell a trap to others is warned of, and neither a warning nor an error repeats it.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Config, loadConfig } from '../../../src/config/load.ts'
import { OperationalError } from '../../../src/errors.ts'
import { mailServer } from '../../../src/traps/mail-server.ts'

const zone = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
`

function fileOf(t: TestContext, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'a.toml')
  writeFileSync(file, content)
  return file
}

function load(t: TestContext, content: string): Config {
  return loadConfig({ file: fileOf(t, content), env: {}, cwd: '/' })
}

const trap = (address: string): string => `[[trap]]\naddress = "${address}"\n`
const mailbox = (name: string): string =>
  `[[mailbox]]\nname = "${name}"\ntype = "maildir"\npath = "/m/${name}"\n`

test('a mailbox’s name that tells a trap', (t) => {
  const cases: [address: string, name: string, isTold: boolean][] = [
    ['Quiet.Heron42@hidden.example', 'quiet.heron42', true],
    ['quiet.heron42@hidden.example', 'IMAP-Quiet.Heron42-2', true],
    ['quiet.heron42@hidden.example', 'hidden.example', true],
    ['@hidden.example', 'all-of-hidden.example', true],
    ['*@*.hidden.example', 'hidden.example', true],
    ['abc@hidden.example', 'my-abc', true],
    ['abc@hidden.example', 'abcdef', false],
    ['quiet.heron42@hidden.example', 'imap', false],
    ['@hidden.example', 'hidden', false],
  ]
  for (const [address, name, isTold] of cases) {
    const { warnings } = load(t, zone + trap(address) + mailbox('first') + mailbox(name))
    const paths = warnings.map(({ path }) => path)
    assert.deepEqual(paths, isTold ? ['mailbox[2].name'] : [], `${address} ${name}`)
    assert.doesNotMatch(JSON.stringify(warnings), /heron|hidden|abc/i)
  }
})

test('texts that others see, with a trap in them', (t) => {
  const more =
    zone.replace('hostmaster.test.example', 'quiet.hidden.example') +
    'text = "mail Quiet@Hidden.example"\n[dns]\nnsid = "quiet@hidden.example"\n' +
    '[[policy.exempt]]\nprefix = "192.0.2.0/28"\nnote = "relay of quiet@hidden.example"\n' +
    '[trapSmtp]\nhostname = "mx.hidden.example"\n'
  const told = load(t, more + trap('quiet@hidden.example')).warnings
  assert.deepEqual(
    told.map(({ path }) => path),
    ['zone.text', 'zone.hostmaster', 'dns.nsid', 'policy.exempt[1].note'],
  )
  assert.doesNotMatch(JSON.stringify(told), /quiet|hidden/i)
  assert.deepEqual(load(t, more + trap('loud@hidden.example')).warnings, [])
})

test('a trap in another form than plain is told all the same', (t) => {
  const warned = (text: string, address: string): boolean => {
    const { warnings } = load(t, `${zone}text = '${text}'\n${trap(address)}`)
    assert.doesNotMatch(JSON.stringify(warnings), /info|hidden/)
    return warnings.some(({ path }) => path === 'zone.text')
  }
  const written = [
    'caught by info=hidden.example@x {ip}',
    'https://x/?to=Info%40Hidden.example',
    'https://x/?to=%69nfo%40hidden%2eexample',
    'to=info=40hidden.example',
    'info%hidden.example@relay.example',
    '"info"@hidden.example',
    'in\\fo@hidden.example',
    'info.hidden.example',
  ]
  for (const text of written) {
    assert.equal(warned(text, 'info@hidden.example'), true, text)
    assert.equal(warned(text, 'other@hidden.example'), false, text)
  }
  assert.equal(warned('caught by info=hidden.example@x', '@hidden.example'), true)
  assert.equal(warned('see https://x/?zone=hidden.example', '@hidden.example'), false)
})

test('a file with traps that everybody may read', (t) => {
  const file = fileOf(t, zone + trap('@hidden.example'))
  const warnings = (folderMode: number, mode: number): string[] => {
    chmodSync(file, mode)
    chmodSync(join(file, '..'), folderMode)
    return loadConfig({ file, env: {}, cwd: '/' }).warnings.map(({ path }) => path)
  }
  assert.deepEqual(warnings(0o755, 0o644), ['trap'])
  assert.deepEqual(warnings(0o755, 0o640), [])
  assert.deepEqual(warnings(0o750, 0o644), [])
  writeFileSync(file, zone)
  assert.deepEqual(warnings(0o755, 0o644), [])
})

test('a mailbox’s URL that cannot be decoded is a fault like any other', () => {
  for (const url of ['imap://a%zz@h/x', 'imap://a@h/%ff', 'imap://h/x', 'imap://a:b@h/x']) {
    assert.throws(
      () => mailServer('imap', { name: 'box', url }),
      /^OperationalError: mailbox box: url: expected imaps:\/\/USER@HOST\/FOLDER, without a password$/,
    )
  }
})

test('no fault of a configuration repeats a trap or where its mail lies', (t) => {
  const secret = 'quiet.heron42@hidden.example'
  const cases = [
    `[[trap]]\naddress = "${secret}@"\n`,
    `[[trap]]\naddress = ["${secret}"]\n`,
    `[[trap]]\n"${secret}" = true\n`,
    `trap = ["${secret}"]\n${zone}`,
    `"${secret}" = 1\n${zone}`,
    `[trap]\n"${secret}" = 1\n`,
    `[[trap]]\naddress = "${secret}\n`,
    `[[trap]]\naddress = "${secret}" "\n`,
    `[[trap]]\n"${secret}" = 1\n"${secret}" = 2\n`,
    `[[trap]]\naddress = ${secret}\n`,
    ...['path', 'url', 'name', 'passwordFile', 'caFile', 'moveTo'].map(
      (key) => `[[mailbox]]\nname = "a"\ntype = "mbox"\n${key} = ["${secret}"]\n`,
    ),
    `[[mailbox]]\nname = "${secret}"\ntype = "mbox"\npath = "m"\n`,
    `[[mailbox]]\nname = "a"\ntype = "mbox"\npath = "${secret}\\u0000"\n`,
    ['a', 'b']
      .map((name) => `[[mailbox]]\nname = "${name}"\ntype = "mbox"\npath = "/${secret}"\n`)
      .join(''),
  ]
  for (const each of cases) {
    const content = each.includes('[zone]') ? each : zone + each
    assert.throws(
      () => load(t, content),
      (error: unknown) => {
        assert.ok(error instanceof OperationalError)
        const said = `${error.message} ${JSON.stringify(error.keys)}`
        assert.doesNotMatch(said, /heron|hidden/i, each)
        return true
      },
      each,
    )
  }
})
