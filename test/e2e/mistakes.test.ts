// Mistakes that operators make: each message names what is wrong and says how to mend it.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needs } from '../support/debian.ts'
import { oddImap } from '../support/odd-mail-servers.ts'
import { type Finished, main, runCommand, Site, until } from '../support/server.ts'

const nobody = 65_534
const asRoot =
  process.geteuid?.() === 0
    ? needs('setpriv', 'util-linux')
    : { skip: 'only root can become another user' }

/** The configuration of a site with `from` replaced by `to`. */
function siteWith(t: TestContext, from: string | RegExp, to: string): Site {
  const site = new Site(t)
  const before = readFileSync(site.configFile, 'utf8')
  const after = before.replace(from, to)
  assert.notEqual(after, before)
  writeFileSync(site.configFile, after)
  return site
}

const asNobody = ['setpriv', '--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups']

/** Runs a command as user nobody, who may look into the site's folder. */
function runAsNobody(site: Site, ...args: string[]): Finished {
  chmodSync(site.folder, 0o755)
  const [program = '', ...before] = [...asNobody, process.execPath, main]
  const child = spawnSync(program, [...before, '--config', site.configFile, ...args], {
    cwd: site.folder,
    encoding: 'utf8',
  })
  return { code: child.status, stdout: child.stdout, stderr: child.stderr }
}

const wrongSettings: Readonly<
  Record<string, readonly [from: string | RegExp, to: string, says: RegExp]>
> = {
  'a key is mistyped': [
    'listen =',
    'lisen =',
    /: dns\.lisen: unknown key; did you mean listen\?\n/,
  ],
  'a value has the wrong type': [
    'workers = 1',
    'workers = "one"',
    /: dns\.workers: expected a whole number from 0 to 60, not "one"\n/,
  ],
  'a file that is named is missing': [
    '[dns]',
    '[dns]\ncookieSecretFile = "cookies"',
    /: dns\.cookieSecretFile: \S+\/cookies: there is no such file \(ENOENT\)\n/,
  ],
  'a text is too long for TXT': [
    '[zone]',
    `[zone]\ntext = "${'x'.repeat(230)} {ip}"`,
    /: zone\.text: may have 270 octets once \{ip\} is filled in; .* at most 255: shorten it by 15\n/,
  ],
  'the hostmaster has an @': [
    'hostmaster.test.example',
    'hostmaster@test.example',
    /: zone\.hostmaster: write a dot in place of the @: "hostmaster\.test\.example"\n/,
  ],
  'the hostmaster has an @ and a dot before it': [
    'hostmaster.test.example',
    'host.master@test.example',
    /: zone\.hostmaster: choose an address without a dot before the @/,
  ],
}

for (const [name, [from, to, says]] of Object.entries(wrongSettings)) {
  test(name, async (t) => {
    const site = siteWith(t, from, to)
    const { code, stderr } = await site.run('check-config')
    assert.equal(code, 2)
    assert.match(stderr, says)
  })
}

const here = { skip: existsSync('/etc/backscatterd') && 'this machine has a configuration' }

test('there is no configuration', here, async (t) => {
  const site = new Site(t)
  const { code, stderr } = await runCommand(['status'], join(site.folder, 'maildir'))
  assert.equal(code, 2)
  assert.match(stderr, /^there is no configuration: .*"backscatterd quickstart --help" tells how/)
})

test('the configuration is missing, a folder or a FIFO', async (t) => {
  const site = new Site(t)
  execFileSync('mkfifo', [join(site.folder, 'fifo')])
  const says = {
    'nothing.toml':
      /nothing\.toml: cannot be read: there is no such file \(ENOENT\); --config names/,
    maildir: /maildir: cannot be read: it is not a file; --config names another file\n$/,
    fifo: /fifo: cannot be read: it is not a file; --config names another file\n$/,
  }
  for (const [file, why] of Object.entries(says)) {
    const { code, stderr } = await runCommand(['--config', file, 'check-config'], site.folder)
    assert.equal(code, 2)
    assert.match(stderr, why)
  }
})

test('the configuration may not be read', asRoot, (t) => {
  const site = new Site(t)
  chmodSync(site.configFile, 0o600)
  const { code, stderr } = runAsNobody(site, 'status')
  assert.equal(code, 2)
  assert.match(stderr, /cannot be read: this user may not read it: .*\(chown, chmod\) \(EACCES\)/)
})

for (const [key, from] of [
  ['dns.listen', /(?<=\[dns\]\nlisten = \[)"[^"]*"/],
  ['trapSmtp.listen', /(?<=\[trapSmtp\]\nlisten = \[)"[^"]*"/],
  ['admin.listen', /(?<=\[admin\]\nlisten = )"[^"]*"/],
] as const) {
  test(`the port of ${key} is taken`, async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    t.after(() => other.close())
    await once(other, 'listening')
    const bound = other.address()
    assert.ok(bound !== null && typeof bound === 'object')
    const site = new Site(t)
    const configuration = site.configuration('[admin]\nlisten = "127.0.0.1:0"\n')
    writeFileSync(site.configFile, configuration.replace(from, `"127.0.0.1:${bound.port}"`))
    const { code, stderr } = await site.run('serve')
    assert.equal(code, 1)
    const says = `^backscatterd: ${key}:? .*127.0.0.1:${bound.port}: another process uses this port: "ss -lnptu" `
    assert.match(stderr, new RegExp(says, 'm'))
  })
}

test('the database belongs to root', asRoot, async (t) => {
  const site = new Site(t)
  await site.run('add', '20.0.0.1')
  chownSync(site.folder, nobody, nobody)
  const { code, stderr } = runAsNobody(site, 'add', '20.0.0.2')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /list\.db cannot be written to: it belongs to root, and this is user 65534; /,
  )
  const mend = /as root, run "(chown [^"]*)"/.exec(stderr)?.[1] ?? ''
  execFileSync('sh', ['-c', mend])
  assert.equal(runAsNobody(site, 'add', '20.0.0.2').stderr, '')
})

test('the database is in use', async (t) => {
  const site = new Site(t)
  const { pid } = await site.start()
  const { code, stderr } = await site.run('serve')
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`in use by process ${pid}: .*, so end that one first\n$`))
})

test('a prefix is too short', async (t) => {
  const { code, stderr } = await new Site(t).run('add', '8.0.0.0/8')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^backscatterd: 8\.0\.0\.0\/8 is shorter than policy\.shortest4 \(16\): list longer prefixes in it, or lower that key\n$/,
  )
})

test('an address is for special purposes', async (t) => {
  const { code, stderr } = await new Site(t).run('add', '192.168.1.1')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /is in 192\.168\.0\.0\/16 .*, which is listed only if policy\.allowSpecial names it\n$/,
  )
})

test('a list is emptied', async (t) => {
  const site = new Site(t)
  const file = join(site.folder, 'list.txt')
  writeFileSync(file, '20.0.0.1\n20.0.0.2\n')
  await site.run('import', '--list', 'theirs', file)
  writeFileSync(file, '')
  const { code, stderr } = await site.run('import', '--list', 'theirs', file)
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^backscatterd: nothing was changed: .* all 2 entries of list theirs would be removed; use --force if that is intended\n$/,
  )
})

test('a command is mistyped', async (t) => {
  const { code, stderr } = await new Site(t).run('stauts')
  assert.equal(code, 2)
  assert.match(
    stderr,
    /^backscatterd: unknown command 'stauts' \(Did you mean status\?\) \(see backscatterd --help\)\n$/,
  )
})

/** The first mailbox as `status` shows it once it has been read. */
async function firstMailbox(site: Site) {
  const ask = async (): Promise<{ lastReadAt: string | null; lastError: string | null }> => {
    const { stdout } = await site.run('status', '--json')
    return stdout === '' ? { lastReadAt: null, lastError: null } : JSON.parse(stdout).mailboxes[0]
  }
  return await until(ask, ({ lastReadAt }) => lastReadAt !== null, 120_000)
}

test('the password of a mailbox is wrong', async (t) => {
  const port = await oddImap(t, { odd: { LOGIN: 'TAG NO [AUTHENTICATIONFAILED] no\r\n' } })
  const site = siteWith(
    t,
    'type = "maildir"\npath = "maildir"',
    `type = "imap"\nurl = "imap://trap@127.0.0.1:${port}/INBOX"\npasswordFile = "password"`,
  )
  writeFileSync(join(site.folder, 'password'), 'wrong')
  await site.start()
  const { lastError } = await firstMailbox(site)
  assert.match(
    lastError ?? '',
    /^authentication-failed: .*: check the user in url, and passwordFile$/,
  )
})

test('messages may not be read', asRoot, async (t) => {
  const site = new Site(t)
  const message = join(site.folder, 'maildir/new/1.a.host')
  writeFileSync(message, 'From: a@b.example\n\n', { mode: 0 })
  for (const path of ['.', 'maildir', 'maildir/new', 'maildir/cur', 'maildir/tmp']) {
    chownSync(join(site.folder, path), nobody, nobody)
  }
  chmodSync(site.folder, 0o755)
  await site.start({}, asNobody)
  const { lastError } = await firstMailbox(site)
  assert.match(lastError ?? '', /^messages-unreadable: .*; run `backscatterd doctor` as root/)
})

test('the sandbox makes a Maildir read-only', {
  ...asRoot,
  ...needs('unshare', 'util-linux'),
}, async (t) => {
  const site = new Site(t)
  const maildir = join(site.folder, 'maildir')
  writeFileSync(join(maildir, 'new/1.a.host'), 'From: a@b.example\n\n')
  const mount = `mount --bind ${maildir} ${maildir}; mount -o remount,bind,ro ${maildir}; exec "$@"`
  await site.start({}, ['unshare', '--mount', 'sh', '-c', mount, 'sh'])
  const { lastError } = await firstMailbox(site)
  assert.match(lastError ?? '', /^read-only: .*: add it to ReadWritePaths= of the systemd unit$/)
})
