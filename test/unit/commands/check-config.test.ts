// Files that a configuration names: what is missing, or holds something else, is named by its key.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { requireServable, requireSound } from '../../../src/commands/check-config.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { OperationalError } from '../../../src/errors.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { needs } from '../../support/debian.ts'
import { runCommand } from '../../support/server.ts'

const zone = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
`
const tls = `[trapSmtp]
hostname = "mx.test.example"
certificateFile = "cert.pem"
keyFile = "key.pem"
`
const imap = `[[mailbox]]
name = "box"
type = "imap"
url = "imaps://quiet@hidden.example/INBOX"
passwordFile = "quiet.password"
`

class Case {
  readonly folder = mkdtempSync(join(tmpdir(), 'backscatterd-faults-'))

  constructor(t: TestContext) {
    t.after(() => rmSync(this.folder, { recursive: true }))
  }

  put(name: string, content: string): void {
    writeFileSync(join(this.folder, name), content)
  }

  async faults(content: string, check = requireSound): Promise<OperationalError | undefined> {
    this.put('a.toml', zone + content)
    const config = loadConfig({ file: join(this.folder, 'a.toml'), env: {}, cwd: '/' })
    try {
      await check(config)
      return undefined
    } catch (error) {
      assert.ok(error instanceof OperationalError)
      assert.equal(error.code, 'config-invalid')
      for (const line of error.message.split('\n')) assert.ok(line.startsWith(`${config.file}: `))
      return error
    }
  }
}

test('every file that is missing is named by its key, all of them at once', async (t) => {
  const site = new Case(t)
  const error = await site.faults(
    `[dns]\ncookieSecretFile = "cookies"\n[store]\npath = "nowhere/list.db"\n${tls}` +
      `[trace]\nbatvKeyFile = "batv"\nmessageIdFile = "ids"\n${imap}caFile = "hidden.pem"\n`,
  )
  assert.deepEqual(error?.keys, [
    ...['dns.cookieSecretFile', 'store.path', 'trace.batvKeyFile', 'trace.messageIdFile'],
    ...['trapSmtp.certificateFile', 'trapSmtp.keyFile'],
    ...['mailbox[1].passwordFile', 'mailbox[1].caFile'],
  ])
  assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT')
  assert.match(error.message, /: store\.path: there is no folder .*nowhere$/m)
  assert.match(
    error.message,
    /: mailbox\[1\]\.passwordFile: the file cannot be read: there is no such file \(ENOENT\)$/m,
  )
  assert.doesNotMatch(error.message, /quiet|hidden/)
})

test('a secret for BATV tags that is empty', async (t) => {
  const site = new Case(t)
  site.put('batv', '\n')
  const error = await site.faults('[trace]\nbatvKeyFile = "batv"\n')
  assert.deepEqual(error?.keys, ['trace.batvKeyFile'])
})

test('a socket in a folder that is none', async (t) => {
  const error = await new Case(t).faults('[control]\nsocket = "a.toml/socket"\n')
  assert.deepEqual(error?.keys, ['control.socket'])
})

test(
  'a certificate or a key that is none, or not of the other',
  needs('openssl', 'openssl'),
  async (t) => {
    const site = new Case(t)
    const { folder } = site
    makeCertificate(folder)
    assert.equal(await site.faults(tls), undefined)
    mkdirSync(join(folder, 'other'))
    makeCertificate(join(folder, 'other'))
    const cases: [certificate: string, key: string, wrong: string[]][] = [
      ['key.pem', 'key.pem', ['trapSmtp.certificateFile']],
      ['cert.pem', 'cert.pem', ['trapSmtp.keyFile']],
      ['a.toml', 'a.toml', ['trapSmtp.certificateFile', 'trapSmtp.keyFile']],
      ['cert.pem', 'other/key.pem', ['trapSmtp.keyFile']],
    ]
    for (const [certificate, key, wrong] of cases) {
      const content = tls.replace('"cert.pem"', `"${certificate}"`).replace('"key.pem"', `"${key}"`)
      assert.deepEqual((await site.faults(content))?.keys, wrong)
    }
  },
)

test('a mailbox’s password keeps nothing else from being served', async (t) => {
  const site = new Case(t)
  assert.equal(await site.faults(imap, requireServable), undefined)
  site.put('quiet.password', 'secret\n')
  assert.equal(await site.faults(imap), undefined)
})

test('schedules and URLs are named too', async (t) => {
  const error = await new Case(t).faults(
    `${imap.replace('imaps:', 'http:')}schedule = "often"\n`,
    requireServable,
  )
  assert.deepEqual(error?.keys, ['mailbox[1].schedule', 'mailbox[1].url'])
})

test('a mailbox whose path cannot be opened is named by its key, without the path', async (t) => {
  const site = new Case(t)
  const box = (name: string, type: string, path: string) =>
    `[[mailbox]]\nname = "${name}"\ntype = "${type}"\npath = "${path}"\n`
  const boxes = box('a', 'maildir', 'quiet') + box('b', 'mbox', 'quiet.mbox')
  const error = await site.faults(boxes)
  assert.deepEqual(error?.keys, ['mailbox[1].path', 'mailbox[2].path'])
  assert.doesNotMatch(error?.message ?? '', /quiet/)
  assert.equal(await site.faults(boxes, requireServable), undefined)
  mkdirSync(join(site.folder, 'quiet/new'), { recursive: true })
  site.put('quiet.mbox', '')
  assert.equal(await site.faults(boxes), undefined)
})

test('check-config says ok, and what only doctor sees', async (t) => {
  const site = new Case(t)
  site.put('a.toml', zone)
  const { code, stdout } = await runCommand(['--config', 'a.toml', 'check-config'], site.folder)
  assert.equal(code, 0)
  const [first, second] = stdout.split('\n')
  assert.equal(first, `${join(site.folder, 'a.toml')}: ok`)
  assert.match(second ?? '', /^Not checked here: .*ports.*“backscatterd doctor” checks these\.$/)
})
