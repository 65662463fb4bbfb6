// Resolvers in front of one name server, as mail servers have them: Unbound and PowerDNS Recursor, both with name minimisation at
// its strictest. They ask that server alone, and only for the test's zone.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from './ports.ts'
import { origin } from './server.ts'

export type ResolverKind = 'unbound' | 'recursor'

/** Starts a resolver that asks `authority` (host:port); resolves with its address, host:port. */
export async function startResolver(
  t: TestContext,
  kind: ResolverKind,
  authority: string,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `backscatterd-${kind}-`))
  const port = await freePort()
  const [command, words] =
    kind === 'unbound' ? unbound(folder, port, authority) : recursor(folder, port, authority)
  const path = `${process.env['PATH']}:/usr/sbin:/sbin`
  const child = spawn(command, words, { stdio: 'ignore', env: { ...process.env, PATH: path } })
  t.after(async () => {
    await end(child)
    rmSync(folder, { recursive: true, force: true })
  })
  return `127.0.0.1:${port}`
}

function unbound(folder: string, port: number, authority: string): [string, string[]] {
  const file = join(folder, 'unbound.conf')
  writeFileSync(
    file,
    `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "${folder}/log"
  interface: 127.0.0.1
  port: ${port}
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  qname-minimisation: yes
  qname-minimisation-strict: yes
  harden-below-nxdomain: yes
remote-control:
  control-enable: no
stub-zone:
  name: "${origin}."
  stub-addr: ${authority.replace(':', '@')}
`,
  )
  return ['unbound', ['-d', '-c', file]]
}

function recursor(folder: string, port: number, authority: string): [string, string[]] {
  mkdirSync(join(folder, 'sockets'))
  writeFileSync(
    join(folder, 'recursor.yml'),
    `incoming:
  listen: ['127.0.0.1']
  port: ${port}
recursor:
  daemon: false
  socket_dir: ${folder}/sockets
  config_dir: ${folder}
  threads: 1
  hint_file: "no"
  qname_minimization: true
  qname_max_minimize_count: 40
  qname_minimize_one_label: 40
  forward_zones:
  - zone: ${origin}
    forwarders: ['${authority}']
dnssec:
  validation: 'off'
outgoing:
  dont_query: []
logging:
  loglevel: 4
  disable_syslog: true
`,
  )
  return ['pdns_recursor', [`--config-dir=${folder}`]]
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
