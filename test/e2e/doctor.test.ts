// doctor finds each planted fault, and nothing on a sound installation. The tests run in a network and a mount namespace of
// their own: this file starts itself there.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Finding } from '../../src/commands/doctor/installation.ts'
import { makeCertificate } from '../support/certificate.ts'
import { needs } from '../support/debian.ts'
import { records, service, TestInstallation } from '../support/installation.ts'

const isInside = process.env['BACKSCATTERD_NAMESPACE'] === 'yes'

function whyNot(): string | false {
  if (process.geteuid?.() !== 0) return 'needs root, who alone can make a namespace'
  const wanted = [
    needs('nsd', 'nsd'),
    needs('unbound', 'unbound'),
    needs('ip', 'iproute2'),
    needs('openssl', 'openssl'),
    needs('unshare', 'util-linux'),
  ]
  return wanted.map(({ skip }) => skip).find((skip) => skip !== false) ?? false
}

test('doctor in a namespace', { skip: isInside || whyNot() }, async () => {
  const env = { ...process.env, BACKSCATTERD_NAMESPACE: 'yes', NODE_TEST_CONTEXT: undefined }
  const args = ['--net', '--mount', process.execPath, '--test', import.meta.filename]
  const child = spawn('unshare', args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  const [code] = await once(child, 'close')
  assert.equal(code, 0, Buffer.concat(chunks).toString())
})

interface Fault {
  readonly name: string
  /** What doctor says of it: CHECK LEVEL WHAT. */
  readonly expected: RegExp
  plant(site: TestInstallation, t: TestContext): unknown
}

const { nameserver, delegation, mail, page } = records

/** The header of an SQLite database with that schema version. */
function databaseHeader(version: number): Buffer {
  const header = Buffer.alloc(4096)
  header.write('SQLite format 3\0', 'latin1')
  header.writeUInt32BE(version, 60)
  return header
}

function plantDatabase(site: TestInstallation, content: Buffer): void {
  const path = site.at('store/other.db')
  writeFileSync(path, content)
  chownSync(path, service.uid, service.gid)
  chmodSync(path, 0o600)
  site.configure({ 'list.db': 'other.db' })
}

/** These need the running server, and change only what others see of it. */
const seenByOthers: readonly Fault[] = [
  {
    name: 'the zone is not delegated',
    expected: /^delegation broken bl\.test\.example is not delegated/,
    plant: (site) => site.publish(nameserver, mail, page),
  },
  {
    name: 'the parent zone names another name server',
    expected:
      /^delegation warning bl\.test\.example has the name servers .*, but zone\.nameservers names ns1/,
    plant: (site) =>
      site.publish(nameserver, mail, page, [
        'bl.test.example. NS ns9.test.example.',
        'ns9.test.example. A 192.0.2.53',
      ]),
  },
  {
    name: 'a name server has no address',
    expected: /^name server broken ns2\.test\.example has no address/,
    plant: (site) =>
      site.publish(nameserver, delegation, mail, page, ['bl.test.example. NS ns2.test.example.']),
  },
  {
    name: 'a name server whose name lies in the zone cannot be found',
    expected: /^name server broken the address of ns3\.bl\.test\.example cannot be looked up \(E/,
    plant: (site) => site.publish(nameserver, mail, page, serverInZone),
  },
  {
    name: 'resolvers have not noticed yet that a name server answers',
    expected:
      /^name server warning the address of ns3\.bl\.test\.example cannot be looked up \(E\w+\), but it answers on 192\.0\.2\.53/,
    async plant(site) {
      site.configure({ 'hostmaster =': 'records = ["ns3 A 192.0.2.53"]\nhostmaster =' })
      await site.publish(nameserver, mail, page, serverInZone)
    },
  },
  {
    name: 'a name server does not answer',
    expected: /^name server broken ns2\.test\.example \(192\.0\.2\.54\) does not answer/,
    plant: (site) => site.publish(nameserver, delegation, mail, page, secondServer),
  },
  {
    name: 'a name server does not serve the zone',
    expected:
      /^name server broken ns2\.test\.example \(192\.0\.2\.54\) does not serve bl\.test\.example: it refuses/,
    async plant(site, t) {
      await site.publish(nameserver, delegation, mail, page, secondServer)
      await answerDns(t, (query) => response(query, { rcode: 5 }))
    },
  },
  {
    name: 'a name server has another serial',
    expected: /^name server note ns2\.test\.example \(192\.0\.2\.54\) has serial 7, ours is \d+/,
    async plant(site, t) {
      await site.publish(nameserver, delegation, mail, page, secondServer)
      await answerDns(t, (query) => response(query, { serial: 7 }))
    },
  },
  {
    name: 'a trap domain does not exist',
    expected: /^trap mail broken trap\.example\.org gets no mail: there is no such domain/,
    plant: (site) => site.publish(nameserver, delegation, page),
  },
  {
    name: 'a trap domain has no MX record',
    expected: /^trap mail broken trap\.example\.org gets no mail: it has no MX record/,
    plant: (site) =>
      site.publish(nameserver, delegation, page, ['trap.example.org. TXT "nothing else"']),
  },
  {
    name: 'the address of a trap domain’s mail host cannot be looked up',
    expected:
      /^trap mail broken the address of mx\.dead\.test\.example, which takes the mail of .* cannot be looked up/,
    plant: (site) =>
      site.publish(nameserver, delegation, page, [
        'trap.example.org. MX 10 mx.dead.test.example.',
        'dead.test.example. NS ns.dead.test.example.',
        'ns.dead.test.example. A 192.0.2.99',
      ]),
  },
  {
    name: 'nothing greets where the MX record leads',
    expected:
      /^trap mail broken the MX record of trap\.example\.org leads to 192\.0\.2\.80, where port 25 does not greet/,
    plant: (site) =>
      site.publish(nameserver, delegation, page, ['trap.example.org. MX 10 www.test.example.']),
  },
  {
    name: 'the mail server of this machine does not take mail to the traps',
    expected:
      /^trap mail broken the mail server on 192\.0\.2\.80 refuses a bounce to a trap in trap\.example\.org: 454 4\.7\.1 Relay access denied$/,
    plant: (site, t) =>
      withMailServer(site, t, '454 4.7.1 <someone@trap.example.org>: Relay access denied'),
  },
  {
    name: 'the mail server of this machine refuses doctor',
    expected:
      /^trap mail warning the mail server on 192\.0\.2\.80 refuses a bounce to a trap in trap\.example\.org: 554-5\.7\.1 Client host blocked$/,
    plant: (site, t) => withMailServer(site, t, '554-5.7.1 Client host\r\n554 5.7.1 blocked'),
  },
  {
    name: 'the link of the TXT answer leads nowhere',
    expected: /^TXT link warning http:\/\/192\.0\.2\.80\/lookup\/127\.0\.0\.2: answers 404/,
    plant(site) {
      site.pageStatus = 404
    },
  },
  {
    name: 'the configuration has changed since the server started',
    expected:
      /^ports warning admin\.listen 127\.0\.0\.1:8054: the running server does not listen there/,
    plant: (site) => site.configure({ '127.0.0.1:8053': '127.0.0.1:8054' }),
  },
  {
    name: 'the MX record of a trap domain leads to another machine',
    expected:
      /^trap mail warning the mail of trap\.example\.org goes to mx\.test\.example \(192\.0\.2\.99\)/,
    async plant(site) {
      await site.publish(nameserver, delegation, page, [
        'trap.example.org. MX 10 mx.test.example.',
        'mx.test.example. A 192.0.2.99',
      ])
      site.configure({
        '[[mailbox]]': '#',
        'name = "box"': '',
        'type = "maildir"': '',
        [`path = "${site.at('maildir')}"`]: '',
      })
    },
  },
  {
    name: 'others may use the control socket',
    expected: /^control socket broken .*backscatterd\.sock: others may use it \(mode 666\)/,
    plant(site, t) {
      const socket = site.at('store/backscatterd.sock')
      chmodSync(site.at('store'), 0o755)
      chmodSync(socket, 0o666)
      t.after(() => chmodSync(socket, 0o600))
    },
  },
  {
    name: 'the running server does not know a mailbox yet',
    expected: /^mailbox warning the running server has no mailbox pop$/,
    plant: withRefusedLogin,
  },
  {
    name: 'the running server cannot log in',
    expected: /^mailbox broken mailbox pop fails: authentication-failed /,
    async plant(site, t) {
      await withRefusedLogin(site, t)
      await site.stop()
      await site.start()
    },
  },
  {
    name: 'the first admin key was not taken away',
    expected: /^admin key note the first admin key still lies in .*admin\.key/,
    plant: (site) => writeFileSync(site.at('store/admin.key'), 'bsd_', { mode: 0o600 }),
  },
]

const serverInZone = [
  'bl.test.example. NS ns3.bl.test.example.',
  'ns3.bl.test.example. A 192.0.2.54',
]
const secondServer = ['bl.test.example. NS ns2.test.example.', 'ns2.test.example. A 192.0.2.54']

/** These are found without a server. */
const withoutServer: readonly Fault[] = [
  {
    name: 'the service’s user cannot read the configuration',
    expected: /^configuration broken .*backscatterd\.toml: nobody cannot read it/,
    plant: (site) => chmodSync(site.file, 0o600),
  },
  {
    name: 'others may change the configuration',
    expected: /^configuration warning .*backscatterd\.toml: others may change it \(mode 660\)/,
    plant: (site) => chmodSync(site.file, 0o660),
  },
  {
    name: 'the service’s user cannot read the program',
    expected: /^program broken .*program: nobody cannot read src\/main\.ts/,
    plant: (site) => chmodSync(site.at('app'), 0o700),
  },
  {
    name: 'root owns the database',
    expected: /^database broken .*list\.db: owned by root, not by nobody/,
    plant: (site) => chownSync(site.at('store/list.db'), 0, 0),
  },
  {
    name: 'everybody may read the database',
    expected: /^secrets warning .*list\.db: others may read or change it \(mode 644\)/,
    plant: (site) => chmodSync(site.at('store/list.db'), 0o644),
  },
  {
    name: 'the folder of the database is read-only for the service’s user',
    expected:
      /^configuration broken store\.path: this user cannot write to the folder .*store \(EACCES\)/,
    plant: (site) => chownSync(site.at('store'), 0, service.gid),
  },
  {
    name: 'the folder of the database is closed to the service’s user',
    expected:
      /^configuration broken store\.path: this user cannot write to the folder .*store \(EACCES\)/,
    plant(site) {
      chownSync(site.at('store'), 0, 0)
      chmodSync(site.at('store'), 0o700)
    },
  },
  {
    name: 'others may replace the database',
    expected: /^secrets warning .*store: others may change what lies in it \(mode 777\)/,
    plant: (site) => chmodSync(site.at('store'), 0o777),
  },
  {
    name: 'the certificate has expired',
    expected: /^certificate warning .*cert\.pem: valid only from 2024-01-01T.* to 2024-02-01T/,
    plant(site) {
      const validity = ['-not_before', '20240101000000Z', '-not_after', '20240201000000Z']
      const files = makeCertificate(site.at('etc'), 'mx.test.example', 'DNS:a.example', validity)
      for (const file of Object.values(files)) chownSync(file, service.uid, service.gid)
      const hostname = 'hostname = "mx.test.example"'
      const lines = Object.entries(files).map(([key, file]) => `${key} = "${file}"`)
      site.configure({ [hostname]: [hostname, ...lines].join('\n') })
    },
  },
  {
    name: 'the database was made by a newer version',
    expected: /^database broken .*other\.db: its schema is version 999, and this program knows/,
    plant: (site) => plantDatabase(site, databaseHeader(999)),
  },
  {
    name: 'the database is no database',
    expected: /^database broken .*other\.db: is not a database/,
    plant: (site) => plantDatabase(site, Buffer.alloc(4096, 1)),
  },
  {
    name: 'the unit makes a Maildir read-only',
    expected: /^sandbox broken .*maildir: read-only for the server, by ProtectSystem=strict/,
    plant: (site) => site.writeUnit({ [` ${site.at('maildir')}`]: '' }),
  },
  {
    name: 'the unit names a folder that is not there',
    expected:
      /^sandbox broken .*nowhere: is not there, but ReadWritePaths= in backscatterd\.service/,
    plant: (site) => site.writeUnit({ 'ReadWritePaths=': `ReadWritePaths=${site.at('nowhere')} ` }),
  },
  {
    name: 'the unit hides the database',
    expected: /^sandbox broken .*store: hidden from the server, by PrivateTmp=yes/,
    plant: (site) => site.writeUnit({ 'ProtectHome=yes': 'PrivateTmp=yes' }),
  },
  {
    name: 'the unit’s user does not exist',
    expected: /^user broken there is no user nosuchuser/,
    plant: (site) => site.writeUnit({ 'User=nobody': 'User=nosuchuser' }),
  },
  {
    name: 'the unit has failed',
    expected:
      /^server broken no server is running: backscatterd\.service has failed \(exit-code, status 226\)$/,
    plant: (site, t) => withSystemd(site, t, 'Result=exit-code\nExecMainStatus=226'),
  },
  {
    name: 'a unit that is to run does not run',
    expected: /^server broken no server is running$/,
    plant: (site, t) => withSystemd(site, t, 'Result=success\nUnitFileState=enabled'),
  },
  {
    name: 'messages of a Maildir cannot be read',
    expected: /^mailbox broken mailbox box: nobody cannot read 2 messages in .*maildir\/new/,
    plant(site) {
      for (const name of ['1.a', '2.b']) site.deliver(name, { uid: 0, mode: 0o600 })
      site.deliver('3.c', { uid: service.uid, mode: 0o600 })
    },
  },
  {
    name: 'messages of a Maildir cannot be moved',
    expected: /^mailbox broken mailbox box: nobody cannot move messages in .*maildir \(EACCES\)/,
    plant: (site) => chmodSync(site.at('maildir/cur'), 0o550),
  },
  {
    name: 'messages lie in a folder with the sticky bit',
    expected: /^mailbox broken mailbox box: nobody cannot move messages in .*maildir \(EPERM\)/,
    plant(site) {
      site.deliver('1.a', { uid: 0, mode: 0o640 })
      chownSync(site.at('maildir/new'), 0, 0)
      chmodSync(site.at('maildir/new'), 0o1777)
    },
  },
  {
    name: 'a Maildir is not there',
    expected: /^mailbox broken mailbox\[1\]\.path: its folder new cannot be read \(ENOENT\)/,
    plant: (site) => site.configure({ [site.at('maildir')]: site.at('nowhere') }),
  },
  {
    name: 'a mail server rejects the password',
    expected: /^mailbox broken mailbox pop fails: authentication-failed /,
    plant: withRefusedLogin,
  },
  {
    name: 'a mail server cannot be reached',
    expected: /^mailbox broken mailbox imap fails: unreachable /,
    plant(site) {
      writeFileSync(site.at('etc/password'), 'any')
      chmodSync(site.at('etc/password'), 0o644)
      site.configure(
        {},
        '[[mailbox]]\nname = "imap"\ntype = "imap"\nurl = "imap://trap@127.0.0.1:1"\npasswordFile = "password"',
      )
    },
  },
  {
    name: 'another process holds port 53',
    expected: new RegExp(
      `^ports broken dns\\.listen 192\\.0\\.2\\.53:53: held by \\S+ \\(process ${process.pid}\\)`,
    ),
    async plant(_, t) {
      const other = createSocket('udp4')
      other.bind(53, '192.0.2.53')
      await once(other, 'listening')
      t.after(() => other.close())
    },
  },
  {
    name: 'the machine does not have the address',
    expected: /^ports broken dns\.listen 192\.0\.2\.99:53: this machine has no such address/,
    plant: (site) => site.configure({ '192.0.2.53:53': '192.0.2.99:53' }),
  },
  {
    name: 'the unit does not give the capability for low ports',
    expected:
      /^ports broken dns\.listen 192\.0\.2\.53:53: nobody may not listen on a port below 1024/,
    plant: (site) => site.writeUnit({ 'AmbientCapabilities=CAP_NET_BIND_SERVICE\n': '' }),
  },
  {
    name: 'the kernel grants a small receive buffer',
    expected:
      /^receive buffer warning the kernel grants DNS a receive buffer of 416 KiB instead of 4 MiB/,
    plant(site, t) {
      const limit = '/proc/sys/net/core/rmem_max'
      writeFileSync(site.at('etc/rmem_max'), '212992\n')
      execFileSync('mount', ['--bind', site.at('etc/rmem_max'), limit])
      t.after(() => execFileSync('umount', [limit]))
      site.configure({ 'batch = false': '' })
    },
  },
  {
    name: 'the disk is nearly full',
    expected: /^disk broken the disk of .*full has \d+ MiB free; mail needs 1 MiB/,
    plant(site, t) {
      mkdirSync(site.at('full'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', site.at('full')])
      t.after(() => execFileSync('umount', [site.at('full')]))
      chownSync(site.at('full'), service.uid, service.gid)
      writeFileSync(site.at('full/filler'), Buffer.alloc((64 << 20) - (512 << 10)))
      site.configure({ [site.at('store')]: site.at('full') })
    },
  },
  {
    name: 'the clock is behind',
    expected: /^clock broken the clock is behind: the database was written at 20/,
    plant(site) {
      const inTwoDays = Date.now() / 1000 + 2 * 86_400
      utimesSync(site.at('store/list.db'), inTwoDays, inTwoDays)
    },
  },
  {
    name: 'the HTTP interface is open to others',
    expected: /^offers note HTTP on 192\.0\.2\.80:8053 offers everybody/,
    plant: (site) => site.configure({ '127.0.0.1:8053': '192.0.2.80:8053' }),
  },
]

test('doctor on an installation', {
  skip: isInside ? false : 'runs in the namespace',
}, async (t) => {
  const site = await TestInstallation.make(t)
  await site.start()
  rmSync(site.at('store/admin.key'))
  site.deliver('0.sound', { uid: service.uid, mode: 0o600 })

  await t.test('a sound installation has notes only', async () => {
    const { code, findings } = await site.doctor()
    assert.deepEqual([code, findings.filter(({ level }) => level !== 'note')], [0, []])
    assert.deepEqual(
      findings.map(({ check }) => check),
      ['offers', 'offers'],
    )
  })
  await t.test('the service’s user sees no fault in it either', async () => {
    const { findings } = await site.doctor(service)
    assert.deepEqual(
      findings.filter(({ level }) => level !== 'note'),
      [],
    )
  })
  await tryFaults(t, site, seenByOthers, async () => {
    site.heal()
    await site.publish(...Object.values(records))
  })
  await site.stop()
  // Without a delegation, no name server is asked, so that each run is short.
  await site.publish(nameserver, page)
  await tryFaults(t, site, withoutServer, () => {
    site.heal()
    for (const name of ['new', 'cur']) {
      execFileSync('find', [site.at(`maildir/${name}`), '-type', 'f', '-delete'])
    }
  })
})

/** Plants one fault after another. What doctor says of each must not stand in what it says before. */
async function tryFaults(
  t: TestContext,
  site: TestInstallation,
  faults: readonly Fault[],
  heal: () => unknown,
): Promise<void> {
  await heal()
  const before = lines((await site.doctor()).findings)
  for (const { name, expected, plant } of faults) {
    await t.test(name, async (t) => {
      await plant(site, t)
      const { code, findings } = await site.doctor()
      const found = lines(findings)
      const matching = found.filter((line) => expected.test(line))
      assert.equal(matching.length, 1, found.join('\n'))
      assert.ok(!before.some((line) => expected.test(line)), before.join('\n'))
      assert.equal(code, findings.some(({ level }) => level === 'broken') ? 1 : 0)
      for (const { why, mend } of findings) assert.ok(why !== '' && mend !== '')
    })
    await heal()
  }
}

function lines(findings: readonly Finding[]): string[] {
  return findings.map(({ check, level, what }) => `${check} ${level} ${what}`)
}

/** Answers DNS on the address of the second name server. */
async function answerDns(t: TestContext, answer: (query: Buffer) => Buffer): Promise<void> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => socket.send(answer(query), port, address))
  socket.bind(53, '192.0.2.54')
  await once(socket, 'listening')
  t.after(() => socket.close())
}

/** Leads the traps' mail to a mail server that hands it over by LMTP, and that gives this reply to each recipient. */
async function withMailServer(
  site: TestInstallation,
  t: TestContext,
  reply: string,
): Promise<void> {
  const server = createServer((socket) => {
    socket.write('220-mail.test.example\r\n220 ready\r\n')
    socket.on('data', (data) => {
      const word = String(data).slice(0, 4)
      if (word === 'QUIT') socket.end('221 bye\r\n')
      else socket.write(word === 'RCPT' ? `${reply}\r\n` : '250 ok\r\n')
    })
  })
  server.listen(25, '192.0.2.80')
  await once(server, 'listening')
  t.after(() => server.close())
  site.configure({ 'listen = ["192.0.2.25:25"]': 'listen = ["127.0.0.1:2525"]\nlmtp = true' })
  await site.publish(nameserver, delegation, page, ['trap.example.org. MX 10 www.test.example.'])
}

/** A systemd that says this of the unit. */
function withSystemd(site: TestInstallation, t: TestContext, properties: string): void {
  mkdirSync(site.at('bin'), { recursive: true })
  writeFileSync(site.at('bin/properties'), `LoadState=loaded\n${properties}\n`)
  const program = `#!/bin/sh\ncat ${site.at('bin/properties')}\n`
  writeFileSync(site.at('bin/systemctl'), program, { mode: 0o755 })
  const path = process.env['PATH']
  process.env['PATH'] = `${site.at('bin')}:${path}`
  t.after(() => {
    process.env['PATH'] = path
  })
}

/** An answer to a SOA query: with that rcode, or authoritative with that serial. */
function response(
  query: Buffer,
  { rcode = 0, serial }: { rcode?: number; serial?: number },
): Buffer {
  const end = query.indexOf(0, 12) + 5
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE((serial === undefined ? 0x8000 : 0x8400) | rcode, 2)
  header.writeUInt16BE(serial === undefined ? 0 : 1, 6)
  header.fill(0, 8)
  const numbers = Buffer.alloc(20)
  numbers.writeUInt32BE(serial ?? 0, 0)
  // Owner, SOA, IN, TTL 60, 22 octets: two root names and five numbers.
  const start = Buffer.from('c00c000600010000003c00160000', 'hex')
  const record = serial === undefined ? Buffer.alloc(0) : Buffer.concat([start, numbers])
  return Buffer.concat([header, query.subarray(12, end), record])
}

/** Configures a mailbox on a server that knows no password. */
async function withRefusedLogin(site: TestInstallation, t: TestContext): Promise<void> {
  const port = await refuseLogins(t)
  writeFileSync(site.at('etc/password'), 'wrong')
  chownSync(site.at('etc/password'), service.uid, 0)
  chmodSync(site.at('etc/password'), 0o600)
  site.configure(
    {},
    `[[mailbox]]
name = "pop"
type = "pop3"
url = "pop3://trap@127.0.0.1:${port}"
passwordFile = "password"`,
  )
}

/** A POP3 server that knows no password. Resolves with its port. */
async function refuseLogins(t: TestContext): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.write('+OK ready\r\n')
    socket.on('data', (data) => {
      const isUser = /^USER/i.test(String(data))
      socket.write(isUser ? '+OK\r\n' : '-ERR [AUTH] no\r\n')
    })
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
