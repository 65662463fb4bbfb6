// A real resolver over a real authoritative server: Unbound, which asks NSD for everything. Both run as the user who runs the
// tests, on free loopback ports, from a temporary folder, and leave nothing behind. Nothing is asked of the internet.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { lookup } from '../../src/resolver/lookup.ts'
import { freePorts } from './ports.ts'
import { until } from './server.ts'

export interface ResolverLab {
  /** host:port of the resolver. */
  readonly address: string
  /** Replaces all records, each a line of a zone file with absolute names. Resolves once the resolver gives them. */
  publish(records: readonly string[]): Promise<void>
}

/** `authority`: the port of the authoritative server, for a test in a network namespace of its own. */
export async function startResolverLab(
  t: TestContext,
  records: readonly string[],
  authority?: number,
): Promise<ResolverLab> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-resolver-'))
  const children: ChildProcess[] = []
  t.after(async () => {
    for (const child of children) await end(child)
    rmSync(folder, { recursive: true, force: true })
  })
  const [free = 0, resolver = 0] = await freePorts(2)
  const port = authority ?? free
  let serial = 1
  const write = (lines: readonly string[]) =>
    writeFileSync(join(folder, 'root.zone'), zoneFile(++serial, lines))
  write(records)
  writeFileSync(join(folder, 'nsd.conf'), nsdConfiguration(folder, port))
  writeFileSync(join(folder, 'unbound.conf'), unboundConfiguration(folder, resolver, port))
  const nsd = start(children, 'nsd', ['-d', '-c', join(folder, 'nsd.conf')])
  start(children, 'unbound', ['-d', '-c', join(folder, 'unbound.conf')])
  const address = `127.0.0.1:${resolver}`
  const question = { server: address, name: 'serial.lab', type: 'TXT', timeoutMs: 300 } as const
  const isCurrent = async () => {
    const published = await until(
      () => lookup(question).catch(() => undefined),
      (answer) => answer?.answers[0] === `${serial}`,
      60_000,
    )
    if (published?.answers[0] !== `${serial}`) throw new Error('the resolver does not answer')
  }
  await isCurrent()
  return {
    address,
    async publish(lines) {
      write(lines)
      nsd.kill('SIGHUP')
      await isCurrent()
    },
  }
}

function start(children: ChildProcess[], program: string, options: string[]): ChildProcess {
  const child = spawn(program, options, { stdio: 'ignore', env: withSbin() })
  children.push(child)
  return child
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** The whole name space in one zone, whose records nobody keeps. */
function zoneFile(serial: number, records: readonly string[]): string {
  return [
    '$TTL 0',
    `. SOA ns.lab. hostmaster.lab. ${serial} 60 60 60 0`,
    '. NS ns.lab.',
    'ns.lab. A 127.0.0.1',
    `serial.lab. TXT "${serial}"`,
    ...records,
    '',
  ].join('\n')
}

/** NSD with one zone, from a file in `folder`. */
export function nsdConfiguration(
  folder: string,
  port: number,
  zone = { name: '.', file: 'root.zone' },
): string {
  return `
server:
  ip-address: 127.0.0.1@${port}
  username: ""
  server-count: 1
  zonesdir: "${folder}"
  pidfile: ""
  logfile: "${folder}/nsd.log"
  xfrdfile: "${folder}/xfrd.state"
  xfrdir: "${folder}"
  zonelistfile: "${folder}/zone.list"
  cookie-secret-file: ""
  zonefiles-check: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "${zone.name}"
  zonefile: ${zone.file}
`
}

/** The names of test networks and of "lab" are like any other here. */
function unboundConfiguration(folder: string, port: number, authority: number): string {
  const reserved = ['100.51.198.in-addr.arpa', '113.0.203.in-addr.arpa', '8.b.d.0.1.0.0.2.ip6.arpa']
  return `
server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "${folder}/unbound.log"
  interface: 127.0.0.1
  port: ${port}
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
${reserved.map((zone) => `  local-zone: "${zone}." nodefault`).join('\n')}
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@${authority}
`
}
