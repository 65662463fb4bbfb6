// Standard name servers as secondaries of our server, each with the configuration that data/guide/transfers.md gives for it,
// put on loopback ports and into a folder of its own. They run as the user who runs the tests, who may copy their zones.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { needs } from './debian.ts'
import { Passage } from './passage.ts'
import { freePort, isFree } from './ports.ts'
import { origin, Site, until } from './server.ts'

export type SecondaryKind = 'knot' | 'nsd' | 'bind' | 'powerdns'

type Loopback = '127.0.0.1' | '::1'

/** Where our server and the secondary are, and what the secondary signs with. */
export interface Primary {
  readonly host: Loopback
  readonly port: number
  readonly secret: string
}

interface Program {
  readonly command: string
  readonly debianPackage: string
  /** The program's words after its name. */
  words(folder: string): string[]
  /** The configuration from the page's block, with the lines that a test needs besides. */
  configuration(block: string, folder: string): string
}

/** Seconds until a secondary tries again what failed, since a busy machine may let it wait longer than it is willing to. */
const retrySeconds = 5

const knotReader = `acl:
  - id: reader
    address: 127.0.0.1
    action: transfer`

const programs: Record<SecondaryKind, Program> = {
  knot: {
    command: 'knotd',
    debianPackage: 'knot',
    words: (folder) => ['-c', join(folder, 'configuration')],
    configuration: (block, folder) =>
      `server:
    rundir: "${folder}"
log:
  - target: "${folder}/log"
    any: info
database:
    storage: "${folder}"
template:
  - id: default
    storage: "${folder}"
    retry-max-interval: ${retrySeconds}
${block.replace('acl: from-primary', 'acl: [from-primary, reader]').replace(/^acl:$/m, knotReader)}`,
  },
  nsd: {
    command: 'nsd',
    debianPackage: 'nsd',
    words: (folder) => ['-d', '-c', join(folder, 'configuration')],
    configuration: (block, folder) =>
      `${block}    provide-xfr: 127.0.0.1 NOKEY
    max-retry-time: ${retrySeconds}
server:
    username: ""
    server-count: 1
    zonesdir: "${folder}"
    pidfile: ""
    logfile: "${folder}/log"
    verbosity: 2
    xfrdfile: "${folder}/xfrd.state"
    xfrdir: "${folder}"
    zonelistfile: "${folder}/zone.list"
    cookie-secret-file: ""
    rrl-ratelimit: 0
remote-control:
    control-enable: no
`,
  },
  bind: {
    command: 'named',
    debianPackage: 'bind9',
    words: (folder) => ['-f', '-c', join(folder, 'configuration'), '-L', join(folder, 'log')],
    configuration: (block, folder) =>
      block
        .replace('/var/cache/bind', folder)
        .replace('allow-transfer { none; }', 'allow-transfer { 127.0.0.1; }')
        .replace(
          'options {',
          `options { max-retry-time ${retrySeconds}; pid-file none; session-keyfile none; listen-on-v6 { none; }; dnssec-validation no;`,
        )
        .concat('controls { };\n'),
  },
  powerdns: {
    command: 'pdns_server',
    debianPackage: 'pdns-server pdns-backend-lmdb',
    words: (folder) => [`--config-dir=${folder}`],
    configuration: (block, folder) =>
      `${block.replace('/var/lib/powerdns', folder)}
socket-dir=${folder}
config-dir=${folder}
disable-syslog=yes
write-pid=no
xfr-cycle-interval=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
`,
  },
}

export const secondaryKinds = Object.keys(programs) as SecondaryKind[]

/** `skip` for a test with secondaries of these kinds. */
export function needsSecondaries(kinds: readonly SecondaryKind[]): { skip: string | false } {
  const missing = kinds
    .map((kind) => needs(programs[kind].command, programs[kind].debianPackage).skip)
    .find((skip) => skip !== false)
  return { skip: missing ?? false }
}

/** A secondary that is started, stopped and started again with what it has on its disk. */
export class Secondary {
  readonly kind: SecondaryKind
  readonly host: Loopback
  readonly port: number
  readonly folder: string
  #child: ChildProcess | undefined

  private constructor(kind: SecondaryKind, host: Loopback, port: number, folder: string) {
    this.kind = kind
    this.host = host
    this.port = port
    this.folder = folder
  }

  /** Makes its folder and its configuration; it is not started yet. */
  static async prepare(
    t: TestContext,
    kind: SecondaryKind,
    primary: Primary,
    block: (kind: SecondaryKind) => string,
  ): Promise<Secondary> {
    const port = await freePort(primary.host)
    const folder = mkdtempSync(join(tmpdir(), `backscatterd-${kind}-`))
    const secondary = new Secondary(kind, primary.host, port, folder)
    t.after(async () => {
      await secondary.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const onLoopback = (text: string): string => onPorts(text, port, primary)
    const file = kind === 'powerdns' ? 'pdns.conf' : 'configuration'
    const text = programs[kind].configuration(onLoopback(block(kind)), folder)
    writeFileSync(join(folder, file), onHost(text, primary.host))
    if (kind === 'powerdns') {
      runPdnsutil(onHost(onLoopback(blockOf('sh powerdns')), primary.host), folder)
    }
    return secondary
  }

  /** host:port or [v6]:port */
  get address(): string {
    return onHost(`127.0.0.1:${this.port}`, this.host)
  }

  start(): void {
    const { command, words } = programs[this.kind]
    this.#child = spawn(command, words(this.folder), { stdio: 'ignore', env: withSbin() })
  }

  /**
   * Makes PowerDNS look for a newer zone once it runs. The others do so when they start; PowerDNS waits for the next NOTIFY or
   * the zone's refresh, also if it was killed after it had acknowledged a NOTIFY.
   */
  async look(): Promise<void> {
    if (this.kind !== 'powerdns') return
    const words = [`--config-dir=${this.folder}`, `--socket-dir=${this.folder}`, 'retrieve', origin]
    const hasLooked = async () => spawnSync('pdns_control', words, { env: withSbin() }).status === 0
    assert.ok(await until(hasLooked, Boolean, 60_000), 'pdns_control reaches no server')
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
    // The processes of NSD end a moment after the one that was killed.
    const isOver = await until(() => isFree(this.port, this.host), Boolean, 60_000)
    assert.ok(isOver, `${this.kind} does not give up its port`)
  }
}

/** What a `dig` block of the page prints, asked of our server on `port` and of the secondary. */
export async function runDig(
  fence: string,
  secondary: Secondary,
  primary: Primary,
): Promise<string> {
  const commands = onPorts(blockOf(fence), secondary.port, primary)
    .replace('@127.0.0.1', `-p ${primary.port} @127.0.0.1`)
    .replace(/^(dig )(?=@)/m, `$1-p ${secondary.port} `)
  const { stdout } = await promisify(execFile)('bash', ['-c', commands])
  return stdout
}

/** The text of a fenced block of data/guide/transfers.md. */
export function blockOf(fence: string): string {
  const page = readFileSync('data/guide/transfers.md', 'utf8')
  const [, block] = new RegExp(`^\`\`\`${fence}\\n(.*?)^\`\`\`$`, 'ms').exec(page) ?? []
  if (block === undefined) throw new Error(`data/guide/transfers.md has no block ${fence}`)
  return block
}

/** Puts our server and the secondary on loopback, and the test's zone and secret in place of the page's. */
function onPorts(text: string, port: number, primary: Primary): string {
  return text
    .replaceAll('bl.example.org', origin)
    .replaceAll('SECRET', primary.secret)
    .replace(/local-port=53$/m, `local-port=${port}`)
    .replace('listen-on port 53', `listen-on port ${port}`)
    .replaceAll(/192\.0\.2\.53(@|:| port )53\b/g, `127.0.0.1$1${primary.port}`)
    .replaceAll('192.0.2.54@53', `127.0.0.1@${port}`)
    .replaceAll(/192\.0\.2\.5[34]/g, '127.0.0.1')
}

/** A text with addresses of IPv4 loopback, as it is for this address in their place. */
function onHost(text: string, host: Loopback): string {
  if (host === '127.0.0.1') return text
  return text
    .replaceAll('127.0.0.1:', `[${host}]:`)
    .replaceAll('127.0.0.1', host)
    .replace('listen-on-v6 {', 'listen-on {')
    .replace('listen-on port', 'listen-on-v6 port')
}

function runPdnsutil(commands: string, folder: string): void {
  const inFolder = `set -e; pdnsutil() { command pdnsutil --config-dir="${folder}" "$@"; }\n`
  const { status, stdout, stderr } = spawnSync('bash', ['-c', inFolder + commands], {
    encoding: 'utf8',
    env: withSbin(),
  })
  if (status !== 0) throw new Error(stdout + stderr)
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
}

export interface Fleet {
  readonly site: Site
  readonly secret: string
  readonly secondaries: readonly Secondary[]
  readonly passage: Passage
}

/** A site whose server has these secondaries; neither is started yet. The configuration is the page's, put on `host`. */
export async function prepareFleet(
  t: TestContext,
  kinds: readonly SecondaryKind[],
  block: (kind: SecondaryKind) => string = blockOf,
  host: Loopback = '127.0.0.1',
): Promise<Fleet> {
  const site = new Site(t)
  const secret = randomBytes(32).toString('base64')
  const port = await freePort(host)
  const passage = await Passage.open(t, port, host)
  const secondaries: Secondary[] = []
  for (const kind of kinds) {
    const primary = { host, port: passage.port, secret }
    secondaries.push(await Secondary.prepare(t, kind, primary, block))
  }
  writeFileSync(join(site.folder, 'mirror1.key'), `${secret}\n`)
  const [keyTable = '', transferTable = ''] = blockOf('toml').split('\n\n')
  const transfers = secondaries.map(({ address }) =>
    transferTable.replace('192.0.2.54', address).replace('192.0.2.54', host),
  )
  const configuration = site
    .configuration([keyTable, ...transfers].join('\n'))
    .replace('127.0.0.1:0', onHost(`127.0.0.1:${port}`, host))
  writeFileSync(site.configFile, configuration)
  return { site, secret, secondaries, passage }
}
