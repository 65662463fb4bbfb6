// A real Postfix and a real Exim, each set up so badly that it sends backscatter: it accepts every recipient of a relay domain,
// and hands all mail to one next host, which refuses them. Both need root, run in a temporary folder on a free loopback port,
// and send from a loopback address of their own.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { needs } from './debian.ts'
import { answers, freePort } from './ports.ts'
import { until } from './server.ts'

/** The domain that it accepts mail for. */
export const relayDomain = 'relay.example'

export interface Offender {
  /** host:port of its listener. */
  readonly smtp: string
  /** Where its mail comes from. */
  readonly client: string
  readonly logFile: string
  /** Starts it again with these lines in its configuration, which are what a postmaster would set. */
  restartWith(settings: readonly string[]): Promise<void>
}

/** Starts a server that hands its mail to `next`, a host:port. It is ended with the test. */
export type StartOffender = (t: TestContext, next: string) => Promise<Offender>

/** Like `needs`, for a server that starts as root and serves under its own user. */
export function needsAsRoot(program: string, debianPackage: string): { skip: string | false } {
  return userInfo().uid === 0 ? needs(program, debianPackage) : { skip: 'needs root' }
}

export const startPostfix: StartOffender = async (t, next) => {
  const folder = temporaryFolder()
  const port = await freePort()
  const [config, queue, data] = ['config', 'queue', 'data'].map((each) => join(folder, each))
  for (const each of [config, queue, data]) mkdirSync(each ?? '')
  chownSync(join(folder, 'data'), idOf('-u', 'postfix'), 0)
  const run = (...args: string[]) =>
    execFileSync('postfix', ['-c', join(folder, 'config'), ...args], { stdio: 'ignore' })
  const logFile = join(folder, 'mail.log')
  const start = async (settings: readonly string[]): Promise<void> => {
    writeFileSync(
      join(folder, 'config/main.cf'),
      `compatibility_level = 3.6
config_directory = ${config}
queue_directory = ${queue}
data_directory = ${data}
maillog_file = ${logFile}
maillog_file_prefixes = ${tmpdir()}
myhostname = mail.offender.example
mydestination =
alias_maps =
relay_domains = ${relayDomain}
mynetworks = 192.0.2.0/24
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 127.0.0.10
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
relayhost = [127.0.0.1]:${portOf(next)}
${settings.join('\n')}
`,
    )
    run('start')
    await until(() => answers(port), Boolean, 60_000)
  }
  writeFileSync(
    join(folder, 'config/master.cf'),
    `127.0.0.1:${port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`,
  )
  t.after(() => {
    run('stop')
    rmSync(folder, { recursive: true })
  })
  await start([])
  const restartWith = async (settings: readonly string[]): Promise<void> => {
    run('stop')
    await start(settings)
  }
  return { smtp: `127.0.0.1:${port}`, client: '127.0.0.10', logFile, restartWith }
}

/** `settings` are lines of the ACL for RCPT. */
export const startExim: StartOffender = async (t, next) => {
  const folder = temporaryFolder()
  const port = await freePort()
  const program = execFileSync('sh', ['-c', 'command -v exim4'], { encoding: 'utf8' }).trim()
  const start = async (settings: readonly string[]): Promise<() => Promise<void>> => {
    writeFileSync(
      join(folder, 'exim.conf'),
      `exim_path = ${program}
spool_directory = ${folder}/spool
log_file_path = ${folder}/%slog
pid_file_path = ${folder}/exim.pid
primary_hostname = mail.offender.example
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
disable_ipv6 = true
keep_environment =
tls_advertise_hosts =
domainlist relay_to_domains = ${relayDomain}
acl_smtp_rcpt = check_rcpt
begin acl
check_rcpt:
${settings.map((line) => `  ${line}`).join('\n')}
  accept domains = +relay_to_domains
  deny message = relay not permitted
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = next
begin transports
next:
  driver = smtp
  port = ${portOf(next)}
  interface = 127.0.0.20
begin retry
* * F,1h,1m
`,
    )
    const daemon = spawn(program, ['-C', join(folder, 'exim.conf'), '-bdf', '-q1m'], {
      stdio: 'ignore',
    })
    await until(() => answers(port), Boolean, 60_000)
    return async () => {
      if (daemon.exitCode !== null || daemon.signalCode !== null) return
      daemon.kill()
      await once(daemon, 'exit')
    }
  }
  mkdirSync(join(folder, 'spool'))
  const uid = idOf('-u', 'Debian-exim')
  for (const each of [folder, join(folder, 'spool')])
    chownSync(each, uid, idOf('-g', 'Debian-exim'))
  let stop = await start([])
  t.after(async () => {
    await stop()
    // A queue runner that is only just ending may still write there.
    rmSync(folder, { recursive: true, maxRetries: 10 })
  })
  const restartWith = async (settings: readonly string[]): Promise<void> => {
    await stop()
    stop = await start(settings)
  }
  return {
    smtp: `127.0.0.1:${port}`,
    client: '127.0.0.20',
    logFile: join(folder, 'mainlog'),
    restartWith,
  }
}

/** A folder that the servers' own users may enter. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-offender-'))
  chmodSync(folder, 0o755)
  return folder
}

function idOf(option: '-u' | '-g', user: string): number {
  return Number(execFileSync('id', [option, user], { encoding: 'utf8' }))
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1)
}
