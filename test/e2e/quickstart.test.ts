// quickstart as an operator runs it: in a folder, where its configuration is then served; on a terminal, which is asked; and as
// root on a whole system, in namespaces that nothing of this machine is changed through.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { install } from '../../src/commands/quickstart/install.ts'
import { makePlan, readRequest } from '../../src/commands/quickstart/plan.ts'
import { needs } from '../support/debian.ts'
import { temporaryDirectory } from '../support/door.ts'
import { needsAsRoot } from '../support/offenders.ts'
import { main, runCommand, Site } from '../support/server.ts'
import { runOnWholeSystem } from '../support/whole-system.ts'

const words = [
  ...['quickstart', 'bl.example.org', '--ns', 'ns1.example.org=127.0.0.1'],
  ...['--trap-domain', 'trap.example.net'],
]
const isRoot = process.getuid?.() === 0

function modes(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      (statSync(join(folder, name)).mode & 0o777).toString(8),
    ]),
  )
}

test('a machine that is named with IPv6 alone is told who cannot reach it', async (t) => {
  const site = new Site(t)
  const given = ['--trap-domain', 'trap.example.net', '--listing', 'fast', '--lmtp', '--dry-run']
  const tried = async (...ns: string[]) =>
    await runCommand(
      ['quickstart', 'bl.example.org', ...ns.flatMap((each) => ['--ns', each]), ...given],
      site.folder,
    )
  const alone = await tried('ns1.example.org=2001:db8::53')
  assert.match(alone.stderr, /^This machine has only 2001:db8::53 here: hosts without IPv6 /m)
  const both = await tried('ns1.example.org=2001:db8::53', 'ns1.example.org=192.0.2.53')
  assert.doesNotMatch(both.stderr, /IPv6/)
})

test('a configuration in a folder passes check-config and is served', async (t) => {
  const site = new Site(t)
  rmSync(site.configFile)
  const made = await runCommand([...words, '--lmtp', '--dir', '.'], site.folder)
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stderr, /^Without --listing, two-traps is used\. [^\n]+\n$/)
  assert.match(made.stdout, /^bl\.example\.org\. +NS +ns1\.example\.org\.$/m)
  assert.ok(made.stdout.includes(`--config ${site.configFile} serve\n`), made.stdout)
  const { maildir: _, ...files } = modes(site.folder)
  assert.deepEqual(files, {
    'backscatterd.service': '644',
    'backscatterd.toml': '640',
    data: '750',
  })
  const unit = readFileSync(join(site.folder, 'backscatterd.service'), 'utf8')
  assert.match(unit, new RegExp(`^ReadWritePaths=${site.folder}/data$`, 'm'))
  assert.match(unit, new RegExp(`^ExecStart=.*${main} --config ${site.configFile} serve$`, 'm'))
  const checked = await site.run('check-config')
  assert.deepEqual([checked.code, checked.stderr], [0, ''])

  const text = readFileSync(site.configFile, 'utf8')
  const free = 'lmtp = true\nlisten = ["127.0.0.1:0"]'
  writeFileSync(
    site.configFile,
    text
      .replace('"127.0.0.1:53"', '"127.0.0.1:0"')
      .replace('lmtp = true', free)
      .replace('[admin]', '[admin]\nlisten = "127.0.0.1:0"')
      .replace('[store]', '[store]\nminFree = "0 B"'),
  )
  const server = await site.start()
  const [zone, host] = ['bl.example.org', server.dns]
  const entry = await site.run('lookup', '127.0.0.2', '--server', host, '--zone', zone)
  assert.equal(entry.code, 3, entry.stderr)
  assert.deepEqual(await answersTo(server.smtp, 'a@trap.example.net', 'a@example.net'), [
    '250',
    '550',
  ])
  assert.ok(existsSync(join(site.folder, 'data', 'list.db')))
})

test('the unit in a folder is valid as it stands', {
  ...needs('systemd-analyze', 'systemd'),
}, async (t) => {
  const folder = temporaryDirectory(t)
  assert.equal((await runCommand([...words, '--dir', folder], folder)).code, 0)
  const unit = join(folder, 'backscatterd.service')
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.ok(!stderr.includes(unit), stderr)
})

/** The reply codes to RCPT of each recipient, over LMTP. */
async function answersTo(address: string, ...recipients: readonly string[]): Promise<string[]> {
  const socket = connect(Number(address.slice(address.lastIndexOf(':') + 1)), '127.0.0.1')
  const lines = createInterface(socket)[Symbol.asyncIterator]()
  const say = async (command: string): Promise<string> => {
    socket.write(`${command}\r\n`)
    for (;;) {
      const { value = '' } = await lines.next()
      if (/^\d{3}(?: |$)/.test(value)) return value.slice(0, 3)
    }
  }
  await lines.next()
  await say('LHLO mail.example.org')
  await say('MAIL FROM:<>')
  const codes: string[] = []
  for (const each of recipients) codes.push(await say(`RCPT TO:<${each}>`))
  await say('QUIT')
  socket.destroy()
  return codes
}

test('nothing is overwritten: a file that exists is named before anything is made', async (t) => {
  const folder = temporaryDirectory(t)
  const file = join(folder, 'backscatterd.service')
  writeFileSync(file, 'mine')
  const { code, stdout, stderr } = await runCommand([...words, '--dir', folder], folder)
  assert.deepEqual([code, stdout], [1, ''])
  assert.ok(stderr.includes(`${file}: exists`), stderr)
  assert.deepEqual(
    [readdirSync(folder), readFileSync(file, 'utf8')],
    [['backscatterd.service'], 'mine'],
  )
})

test('what was made is taken away when the rest cannot be made', async (t) => {
  const folder = temporaryDirectory(t)
  const pieces = [
    { path: join(folder, 'new'), mode: 0o750, ownership: 'service' },
    { path: join(folder, 'new', 'a'), mode: 0o640, ownership: 'service', content: () => 'a' },
    { path: join(folder, 'nowhere', 'b'), mode: 0o640, ownership: 'service', content: () => 'b' },
  ] as const
  const layout = { folder, user: 'somebody', configFile: 'a', pieces }
  const request = readRequest(
    'bl.example.org',
    ['ns1.example.org=192.0.2.53'],
    ['trap.example.net'],
  )
  const plan = makePlan(request, { listing: 'fast', isLmtp: false }, [])
  assert.throws(() => install(layout, plan), /^OperationalError: \S+\/nowhere\/b: ENOENT/)
  assert.deepEqual(readdirSync(folder), [])
})

test('--dry-run prints everything and makes nothing', async (t) => {
  const folder = temporaryDirectory(t)
  const target = join(folder, 'new')
  const { code, stdout } = await runCommand([...words, '--dir', target, '--dry-run'], folder)
  assert.equal(code, 0)
  assert.deepEqual(readdirSync(folder), [])
  for (const line of [
    `  0640  ${userName()}  ${target}/backscatterd.toml`,
    '  origin = "bl.example.org"',
    '  ProtectSystem=strict',
    'trap.example.net.     MX  10 mx.trap.example.net.',
  ]) {
    assert.ok(stdout.split('\n').includes(line), line)
  }
  const system = await runCommand([...words, '--dry-run'], folder)
  assert.equal(system.code, 0)
  assert.match(
    system.stdout,
    /^ {2}0640 {2}root:backscatterd +\/etc\/backscatterd\/backscatterd\.toml$/m,
  )
})

test('--dry-run says what the command itself would refuse', async (t) => {
  const folder = temporaryDirectory(t)
  const target = join(folder, 'missing', 'new')
  const { code, stderr } = await runCommand([...words, '--dir', target, '--dry-run'], folder)
  assert.equal(code, 0)
  assert.match(stderr, /^Without --dry-run this is refused: \S+\/missing does not exist/m)
})

function userName(): string {
  return execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()
}

test('wrong arguments are exit code 2 and one line', async () => {
  const cases: [args: string[], why: RegExp][] = [
    [['quickstart'], /missing required argument 'zone'/],
    [['quickstart', 'bl.example.org'], /--ns ns1\.example\.org=192\.0\.2\.53/],
    [[...words, '--ns', 'ns2.example.org'], /expected NAME=ADDRESS/],
    [
      [...words, '--listing', 'soon', '--dry-run'],
      /--listing soon: expected one of two-traps, hold, fast/,
    ],
    [['--config', 'x.toml', ...words], /give --dir DIR in place of --config/],
  ]
  for (const [args, why] of cases) {
    const { code, stdout, stderr } = await runCommand(args, tmpdir())
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, why)
    assert.equal(stderr.indexOf('\n'), stderr.length - 1)
  }
})

test('on a terminal it asks when a host is listed; another word is asked again', {
  ...needs('script', 'bsdutils'),
}, async (t) => {
  const folder = temporaryDirectory(t)
  const command = [process.execPath, main, ...words, '--dir', 'new'].join(' ')
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    ...{ cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] },
  })
  let seen = ''
  const answers = ['soon\r', 'hold\r']
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    seen += chunk
    const asked = seen.match(/\[two-traps\]: /g)?.length ?? 0
    if (asked > 2 - answers.length) child.stdin.write(answers.shift() ?? '')
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 0, seen)
  assert.match(seen, /two-traps\r\n {2}A host is listed once it has bounced/)
  const text = readFileSync(join(folder, 'new', 'backscatterd.toml'), 'utf8')
  assert.match(text, /^holdFor = "1h"$/m)
})

test('as root, what is made in a folder belongs to its owner', {
  skip: isRoot ? false : 'needs root',
}, async (t) => {
  const folder = temporaryDirectory(t)
  const [uid, gid] = [65_534, 65_534]
  chownSync(folder, uid, gid)
  const { code, stderr } = await runCommand([...words, '--dir', folder], folder)
  assert.equal(code, 0, stderr)
  for (const name of readdirSync(folder)) {
    const found = statSync(join(folder, name))
    assert.deepEqual([name, found.uid, found.gid], [name, uid, gid])
  }
})

test('without root and without a folder it says what is missing', {
  ...needs('setpriv', 'util-linux'),
}, () => {
  const drop = isRoot ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : []
  const [program = '', ...args] = [...drop, process.execPath, main, ...words]
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: '/' })
  assert.equal(status, 1, stderr)
  assert.match(stderr, /needs root: use sudo, or try it in a folder of your own with --dir DIR\n$/)
})

const installAndServe = `
quickstart "$@"
stat -c '%a %U:%G %n' /etc/backscatterd /etc/backscatterd/backscatterd.toml /var/lib/backscatterd \\
  /usr/local/bin/backscatterd /usr/local/share/man/man8/backscatterd.8 /etc/systemd/system/backscatterd.service
$as_service backscatterd check-config
serve
backscatterd lookup 127.0.0.2 || echo "lookup: $?"
kill "$server"
wait "$server"
stat -c '%a %U:%G %n' /var/lib/backscatterd/list.db
`

test('as root it installs user, configuration, program and unit, and its user can serve', {
  ...needsAsRoot('ip', 'iproute2'),
}, (t) => {
  const args = [...words.slice(1), '--listing', 'fast']
  const { status, stdout, stderr } = runOnWholeSystem(t, installAndServe, args)
  assert.equal(status, 0, stderr + stdout)
  assert.equal(stderr, '')
  const lines = stdout.split('\n')
  for (const line of [
    '750 root:backscatterd /etc/backscatterd',
    '640 root:backscatterd /etc/backscatterd/backscatterd.toml',
    '750 backscatterd:backscatterd /var/lib/backscatterd',
    '755 root:root /usr/local/bin/backscatterd',
    '644 root:root /usr/local/share/man/man8/backscatterd.8',
    '644 root:root /etc/systemd/system/backscatterd.service',
    '/etc/backscatterd/backscatterd.toml: ok',
    'backscatterd ready dns=127.0.0.1:53 admin=127.0.0.1:8053 smtp=127.0.0.1:25',
    'lookup: 3',
    '600 backscatterd:backscatterd /var/lib/backscatterd/list.db',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${stdout}`)
  }
})
