// A whole installation in a network and mount namespace of its own, as quickstart makes one: a unit, a service's user, a zone
// that a real parent delegates to us, a trap domain with an MX record, a page for the link. Only root can make one.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import type { Finding } from '../../src/commands/doctor/installation.ts'
import { type ResolverLab, startResolverLab } from './resolver-lab.ts'

/** A user that every Debian has and that owns nothing. */
export const service = { name: 'nobody', uid: 65_534, gid: 65_534 }
const capability = '+net_bind_service'
const addresses = ['192.0.2.25', '192.0.2.53', '192.0.2.54', '192.0.2.80']

export const records = {
  nameserver: ['ns1.test.example. A 192.0.2.53'],
  delegation: ['bl.test.example. NS ns1.test.example.'],
  mail: ['trap.example.org. MX 10 mx.test.example.', 'mx.test.example. A 192.0.2.25'],
  page: ['www.test.example. A 192.0.2.80'],
}

export class TestInstallation {
  readonly folder = mkdtempSync(join(tmpdir(), 'backscatterd-installation-'))
  readonly file = this.at('etc/backscatterd.toml')
  readonly unitFile = '/etc/systemd/system/backscatterd.service'
  /** The status that the page of the link answers with. */
  pageStatus = 200
  readonly #program = this.at('app/program')
  #dns: ResolverLab | undefined
  #server: ChildProcess | undefined

  /** Resolves when all but the server itself runs. Everything is ended and removed with the test. */
  static async make(t: TestContext): Promise<TestInstallation> {
    const made = new TestInstallation()
    t.after(async () => {
      await made.stop()
      execFileSync('umount', [made.#program])
      rmSync(made.folder, { recursive: true, force: true })
    })
    chmodSync(made.folder, 0o755)
    for (const each of ['etc', 'app/program', 'units', 'store']) {
      mkdirSync(made.at(each), { recursive: true })
    }
    for (const each of ['new', 'cur', 'tmp'])
      mkdirSync(made.at(`maildir/${each}`), { recursive: true })
    execFileSync('mount', ['--bind', resolve(import.meta.dirname, '../..'), made.#program])
    execFileSync('mount', ['--bind', made.at('units'), '/etc/systemd/system'])
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    for (const each of addresses) execFileSync('ip', ['address', 'add', `${each}/32`, 'dev', 'lo'])
    made.#dns = await startResolverLab(t, Object.values(records).flat(), 53)
    const page = createServer((_, response) => response.writeHead(made.pageStatus).end())
    page.listen(80, '192.0.2.80')
    await once(page, 'listening')
    t.after(() => page.close())
    made.heal()
    return made
  }

  at(path: string): string {
    return join(this.folder, path)
  }

  /** Replaces all DNS records, but those of the resolver itself. */
  async publish(...lines: readonly (readonly string[])[]): Promise<void> {
    await this.#dns?.publish(lines.flat())
  }

  /** Configuration, unit, owners and modes as they should be. */
  heal(): void {
    this.configure()
    this.writeUnit()
    const { uid, gid } = service
    for (const each of ['store', 'maildir', 'maildir/new', 'maildir/cur', 'maildir/tmp']) {
      chownSync(this.at(each), uid, gid)
      chmodSync(this.at(each), 0o750)
    }
    for (const end of ['', '.lock']) {
      const path = this.at(`store/list.db${end}`)
      execFileSync('sh', [
        '-c',
        `if test -e "$1"; then chown ${uid}:${gid} "$1"; chmod 600 "$1"; touch "$1"; fi`,
        'sh',
        path,
      ])
    }
    chmodSync(this.at('app'), 0o755)
    rmSync(this.at('store/admin.key'), { force: true })
    this.pageStatus = 200
  }

  /** Writes the configuration. `edits` replaces texts of it; `more` is added at its end. */
  configure(edits: Readonly<Record<string, string>> = {}, more = ''): void {
    let text = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
text = "Listed: http://192.0.2.80/lookup/{ip}"
[dns]
listen = ["192.0.2.53:53"]
workers = 1
batch = false
[admin]
listen = "127.0.0.1:8053"
[store]
path = "${this.at('store/list.db')}"
minFree = "1 MiB"
[resolver]
servers = ["${this.#dns?.address}"]
[[trap]]
address = "@trap.example.org"
[trapSmtp]
listen = ["192.0.2.25:25"]
hostname = "mx.test.example"
[[mailbox]]
name = "box"
type = "maildir"
path = "${this.at('maildir')}"
${more}`
    for (const [from, to] of Object.entries(edits)) text = text.replace(from, to)
    writeFileSync(this.file, text)
    chownSync(this.file, 0, service.gid)
    chmodSync(this.file, 0o640)
  }

  /** Writes the unit that runs this configuration. `edits` replaces texts of it. */
  writeUnit(edits: Readonly<Record<string, string>> = {}): void {
    let text = `[Service]
User=${service.name}
ExecStart=/usr/bin/node ${this.#program}/src/main.ts --config ${this.file} serve
ReadWritePaths=${this.at('store')} ${this.at('maildir')}
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
ProtectSystem=strict
ProtectHome=yes
`
    for (const [from, to] of Object.entries(edits)) text = text.replace(from, to)
    writeFileSync(this.unitFile, text)
  }

  /** Puts a message into the Maildir. */
  deliver(name: string, { uid, mode }: { uid: number; mode: number }): void {
    const file = this.at(`maildir/tmp/${name}`)
    writeFileSync(file, readFileSync('data/samples/postfix-bounce.eml'))
    chownSync(file, uid, service.gid)
    chmodSync(file, mode)
    renameSync(file, this.at(`maildir/new/${name}`))
  }

  /** Starts the server as the service's user, with the capability that the unit gives. */
  async start(): Promise<void> {
    const { uid, gid } = service
    const rights = [`--inh-caps=${capability}`, `--ambient-caps=${capability}`, '--no-new-privs']
    const child = spawn(
      'setpriv',
      [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...rights, ...this.#command('serve')],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/' },
    )
    this.#server = child
    for await (const chunk of child.stdout) if (String(chunk).includes('backscatterd ready')) break
  }

  async stop(): Promise<void> {
    const child = this.#server
    this.#server = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }

  /** Runs doctor as root, or as the service's user. */
  async doctor(user?: typeof service): Promise<{ code: number | null; findings: Finding[] }> {
    const [program = '', ...args] = this.#command('doctor', '--json')
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/', ...user })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    const [code] = await once(child, 'close')
    return { code, ...JSON.parse(Buffer.concat(chunks).toString() || '{"findings":[]}') }
  }

  #command(...args: string[]): string[] {
    const node = join(this.#program, 'node_modules/.bin/node')
    return [node, join(this.#program, 'src/main.ts'), '--config', this.file, ...args]
  }
}
