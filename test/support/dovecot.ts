// A real Dovecot for tests: IMAP and POP3 on free loopback ports, in the clear with STARTTLS and over TLS, with one
// account and its Maildir in a temporary folder. It runs as the user who runs the tests and leaves nothing behind.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { makeCertificate } from './certificate.ts'
import { answers, freePorts } from './ports.ts'

const isRoot = userInfo().uid === 0

export class Dovecot {
  readonly folder = mkdtempSync(join(tmpdir(), 'backscatterd-dovecot-'))
  readonly maildir = join(this.folder, 'mail')
  readonly passwordFile = join(this.folder, 'password')
  readonly caFile: string
  #ports: readonly number[] = []
  #child: ChildProcess | null = null
  #delivered = 0
  /** Whose mail it is: Dovecot serves nobody's as root. */
  readonly #owner = mailOwner()

  /** Resolves once it answers; it is ended and removed with the test. */
  static async start(t: TestContext): Promise<Dovecot> {
    const dovecot = new Dovecot()
    t.after(async () => {
      await dovecot.stop()
      rmSync(dovecot.folder, { recursive: true, force: true })
    })
    dovecot.#ports = await freePorts(4)
    await dovecot.start()
    return dovecot
  }

  private constructor() {
    this.caFile = makeCertificate(this.folder).certificateFile
    writeFileSync(this.passwordFile, 'secret\n')
    for (const each of ['', 'new', 'cur', 'tmp']) {
      mkdirSync(join(this.maildir, each), { recursive: true })
      chownSync(join(this.maildir, each), this.#owner.uid, this.#owner.gid)
    }
    if (isRoot) chmodSync(this.folder, 0o755)
  }

  url(scheme: 'imap' | 'imaps' | 'pop3' | 'pop3s'): string {
    const port = this.#ports[['imap', 'imaps', 'pop3', 'pop3s'].indexOf(scheme)]
    return `${scheme}://trap%40trap.example@127.0.0.1:${port}`
  }

  /** A message arrives, as a delivery agent puts it there. */
  deliver(raw: string | Uint8Array): void {
    const name = `${Date.now()}.M${++this.#delivered}P${process.pid}.host`
    writeFileSync(join(this.maildir, 'new', name), raw)
  }

  /** Starts it again after stop(), on the same ports. */
  async start(): Promise<void> {
    const file = join(this.folder, 'dovecot.conf')
    writeFileSync(file, this.#configuration())
    const child = spawn('dovecot', ['-F', '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        said += chunk
      })
    }
    this.#child = child
    for (let tries = 0; tries < 1200; tries++) {
      if (child.exitCode !== null) throw new Error(`dovecot ended with ${child.exitCode}: ${said}`)
      if ((await Promise.all(this.#ports.map(answers))).every(Boolean)) return
      await new Promise((again) => setTimeout(again, 50))
    }
    throw new Error(`dovecot does not answer: ${said}`)
  }

  /** Ends it, and every connection with it. */
  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }

  #configuration(): string {
    const { username, uid, gid, group } = this.#owner
    const [imap, imaps, pop3, pop3s] = this.#ports
    const listener = (name: string, port: number | undefined, isSecure: boolean): string =>
      `  inet_listener ${name} {\n    listen = 127.0.0.1\n    port = ${port}\n    ssl = ${isSecure ? 'yes' : 'no'}\n  }\n`
    const user = isRoot ? '' : `  user = ${username}\n`
    const service = (name: string, inner = ''): string =>
      `service ${name} {\n  chroot =\n${user}${inner}}\n`
    return `
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = ${this.folder}/run
state_dir = ${this.folder}/state
log_path = ${this.folder}/log
protocols = imap pop3
default_internal_user = ${isRoot ? 'dovecot' : username}
default_login_user = ${isRoot ? 'dovenull' : username}
default_internal_group = ${isRoot ? 'dovecot' : group}
mail_driver = maildir
mail_path = ${this.maildir}
mail_uid = ${uid}
mail_gid = ${gid}
first_valid_uid = ${uid}
first_valid_gid = ${gid}
auth_allow_cleartext = yes
ssl = yes
ssl_server_cert_file = ${this.caFile}
ssl_server_key_file = ${join(this.folder, 'key.pem')}
passdb static {
  password = secret
}
userdb static {
  fields {
    uid = ${uid}
    gid = ${gid}
    home = ${this.folder}
  }
}
${service('anvil')}${service('stats')}${service('auth')}${service('auth-worker')}${service('imap')}${service('pop3')}
${service('imap-login', listener('imap', imap, false) + listener('imaps', imaps, true))}
${service('pop3-login', listener('pop3', pop3, false) + listener('pop3s', pop3s, true))}
`
  }
}

function mailOwner() {
  const { username } = isRoot ? { username: 'nobody' } : userInfo()
  const id = (what: string): string =>
    execFileSync('id', [what, username], { encoding: 'utf8' }).trim()
  return { username, uid: Number(id('-u')), gid: Number(id('-g')), group: id('-gn') }
}
