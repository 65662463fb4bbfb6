// Measures what secondaries take for the same list: memory, and answers for each second of processor time. Knot DNS and NSD where
// they are installed, and this server. The load generator needs a C compiler.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Prefix } from '../../src/ip/address.ts'
import {
  ask,
  askInTurns,
  type BenchServer,
  buildTools,
  main,
  median,
  origin,
  startOurs,
  writeQuestions,
} from '../../test/bench/dns-load.ts'
import { BenchProcess, hasCommand } from '../../test/bench/processes.ts'
import { freePort } from '../../test/support/ports.ts'

interface ServerConstants {
  readonly name: string
  /** Octets of memory for an entry. undefined for this server, whose shared tree is measured by itself. */
  readonly memoryOctets: number | undefined
  /** undefined: there is no C compiler. */
  readonly answersPerCpuSecond: number | undefined
}

export interface AnswerConstants {
  readonly servers: readonly ServerConstants[]
  /** Octets of an answer on the network, with its headers of UDP and IP; undefined: there is no C compiler. */
  readonly answerOctets: number | undefined
}

interface Started extends BenchServer {
  readonly entryOctets: number | undefined
}

const host = '127.0.0.1'
const udpAndIp = 28
const window = 512

/** `folder` has the list as `rows.db`. Each server is asked for `rounds` seconds, after as many to get warm. */
export async function measureServers(
  folder: string,
  prefixes: readonly Prefix[],
  rounds: number,
): Promise<AnswerConstants> {
  const servers: Started[] = []
  try {
    const ours = await startOurs(folder, host, { database: 'rows.db' })
    servers.push({ ...ours, entryOctets: undefined })
    const zoneFile = join(folder, 'zone')
    await exportZone(folder, zoneFile)
    const head = readFileSync(zoneFile, 'latin1').slice(0, 4096).split('\n').slice(0, 4).join('\n')
    writeFileSync(`${zoneFile}-empty`, `${head}\n`)
    for (const [command, start] of Object.entries({ knotd: startKnot, nsd: startNsd })) {
      if (!hasCommand(command)) continue
      const empty = await start(folder, `${zoneFile}-empty`)
      const unused = memoryOctets(empty.pid)
      await empty.stop()
      const server = await start(folder, zoneFile)
      const entryOctets = (memoryOctets(server.pid) - unused) / prefixes.length
      servers.push({ ...server, entryOctets })
    }
    return await measureAnswers(folder, servers, prefixes, rounds)
  } finally {
    for (const server of servers) await server.stop()
  }
}

async function measureAnswers(
  folder: string,
  servers: readonly Started[],
  prefixes: readonly Prefix[],
  rounds: number,
): Promise<AnswerConstants> {
  const tools = buildTools(folder)
  const speeds: number[][] = servers.map(() => [])
  let answerOctets: number | undefined
  if (tools !== undefined) {
    const questions = join(folder, 'questions')
    const ipv4 = Uint32Array.from(
      prefixes.filter(({ family }) => family === 4),
      ({ w0 }) => w0,
    )
    writeQuestions(questions, { family: 4, w0: ipv4, w1: new Uint32Array(ipv4.length) })
    for (const server of servers) await ask(tools, server, questions, rounds, { window })
    for (let round = 0; round < rounds; round++) {
      const before = servers.map(({ pid }) => processorSeconds(pid))
      const figures = await askInTurns(tools, servers, questions, 1, window)
      for (const [index, { answered, octets }] of figures.entries()) {
        const { pid = 0 } = servers[index] ?? {}
        speeds[index]?.push(answered / (processorSeconds(pid) - (before[index] ?? 0)))
        answerOctets ??= octets / answered + udpAndIp
      }
    }
  }
  return {
    servers: servers.map(({ name, entryOctets }, index) => ({
      name,
      memoryOctets: entryOctets,
      answersPerCpuSecond: tools && median(speeds[index] ?? []),
    })),
    answerOctets,
  }
}

/** Writes the zone of the running server whose configuration startOurs left in `folder`. */
async function exportZone(folder: string, file: string): Promise<void> {
  const configuration = join(folder, 'backscatterd.toml')
  const command = [main, '--config', configuration, 'export', '--format', 'bind']
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  await pipeline(child.stdout, createWriteStream(file))
  const [code] = await ended
  if (code !== 0) throw new Error('the zone was not exported')
}

async function startKnot(folder: string, zoneFile: string): Promise<BenchServer> {
  const port = await freePort()
  const file = `${zoneFile}-knot.conf`
  writeFileSync(
    file,
    `server:
  listen: ${host}@${port}
  rundir: "${folder}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${folder}"
log:
  - target: stderr
    any: info
zone:
  - domain: ${origin}
    file: "${zoneFile}"
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
`,
  )
  return await startOther('Knot DNS', ['knotd', '-c', file], /loaded, serial/, port)
}

async function startNsd(folder: string, zoneFile: string): Promise<BenchServer> {
  const port = await freePort()
  const file = `${zoneFile}-nsd.conf`
  writeFileSync(
    file,
    `server:
  ip-address: ${host}@${port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  verbosity: 1
remote-control:
  control-enable: no
zone:
  name: ${origin}
  zonefile: "${zoneFile}"
`,
  )
  return await startOther('NSD', ['nsd', '-d', '-c', file], /nsd started/, port)
}

/** Time in which a server that says it has started puts its memory in order. */
const settleMs = 1000

async function startOther(
  name: string,
  command: readonly string[],
  ready: RegExp,
  port: number,
): Promise<BenchServer> {
  const child = new BenchProcess(name, command, { processor: 0 })
  await child.prints(ready)
  await sleep(settleMs)
  return {
    name,
    pid: child.pid,
    host,
    port,
    log: () => child.printed,
    requireRunning: () => child.requireRunning(),
    stop: () => child.stop(),
  }
}

/** Memory of a process and its children; what they share counts once (proc_pid_smaps(5)). */
function memoryOctets(pid: number): number {
  const ofOne = (each: number): number =>
    Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${each}/smaps_rollup`, 'utf8'))?.[1]) * 1024
  return sum(family(pid).map(ofOne))
}

/** Processor time of a process and its children (proc_pid_schedstat(5)). */
function processorSeconds(pid: number): number {
  const threads = family(pid).flatMap((each) =>
    readdirSync(`/proc/${each}/task`).map((thread) => `/proc/${each}/task/${thread}/schedstat`),
  )
  return sum(threads.map((file) => Number(readFileSync(file, 'utf8').split(' ')[0]) / 1e9))
}

/** A process and all that come of it (proc_pid_stat(5)). */
function family(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => parentOf(name) === pid)
  return [pid, ...children.flatMap((child) => family(Number(child)))]
}

function parentOf(name: string): number | undefined {
  if (!/^\d+$/.test(name)) return undefined
  try {
    return Number(/.*\) \S+ (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'latin1'))?.[1])
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
