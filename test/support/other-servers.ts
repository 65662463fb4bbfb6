// Knot DNS and rbldnsd with the list of the conformance tests, so that the same questions can be put to them: the list
// as a zone file and as rbldnsd's data files, and how each is started.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expectedAnswer } from './dns-oracle.ts'
import { buildQuery, reversed, types } from './dns-query.ts'
import {
  exchangeUdp,
  type Subject,
  subjectEntries,
  subjectSerial,
  subjectZone,
} from './dns-subject.ts'
import { freePort } from './ports.ts'

const { origin, ttlSeconds, negativeTtlSeconds, nameservers, hostmaster, text } = subjectZone
const timers = [subjectSerial, 900, 300, 604_800, negativeTtlSeconds].join(' ')
const listings = subjectEntries.filter(({ codes }) => codes !== undefined)
const holes = subjectEntries.filter(({ codes }) => codes === undefined)

/** The list as a zone file: names where a prefix is small or has holes, wildcards elsewhere (RFC 4592). */
export function zoneFile(): string {
  const lines = [
    `$ORIGIN ${origin}.`,
    `$TTL ${ttlSeconds}`,
    `@ SOA ${nameservers[0]}. ${hostmaster}. ${timers}`,
    ...nameservers.map((name) => `@ NS ${name}.`),
    ...subjectZone.records,
  ]
  const names = new Map<string, string>()
  for (const { prefix } of listings) {
    for (const name of namesOf(prefix)) names.set(name, prefix)
  }
  for (const [name, prefix] of names) {
    const { codes } = expectedAnswer(asAsked(name), subjectEntries)
    if (codes.length === 0) continue
    const owner = deciding(name, prefix)
    lines.push(
      ...codes.map((code) => `${name} A 127.0.0.${code}`),
      `${name} TXT "${reason(owner)}"`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** rbldnsd gives one A for each dataset, so each code has one of its own; only the first carries the TXT. */
export function rbldnsdFiles(): Record<string, string> {
  const files: Record<string, string> = {}
  for (const family of ['ip4trie', 'ip6trie'] as const) {
    const isOfFamily = ({ prefix }: { prefix: string }) =>
      prefix.includes(':') === (family === 'ip6trie')
    for (const code of [2, 3, 4, 5, 6, 7]) {
      const listed = listings.filter(
        (each) => isOfFamily(each) && each.codes?.includes(code) && isAnswered(each.prefix),
      )
      if (listed.length === 0) continue
      const lines = listed.map(({ prefix }) =>
        code === 2 ? `${prefix} :127.0.0.2:${reason(prefix)}` : `${prefix} :127.0.0.${code}:`,
      )
      // A listing that is longer than another hides it, also where it has not the code.
      const others = listings.filter((each) => isOfFamily(each) && !each.codes?.includes(code))
      const excluded = [...holes.filter(isOfFamily), ...others].map(({ prefix }) => `!${prefix}`)
      files[`${family}-${code}`] = [...lines, ...excluded, ''].join('\n')
    }
  }
  files['generic'] = [
    `$SOA ${ttlSeconds} ${nameservers[0]} ${hostmaster} ${timers}`,
    `$NS ${ttlSeconds} ${nameservers.join(' ')}`,
    ...subjectZone.records.filter((record) => !/ (AAAA|CNAME) /.test(record)),
    '',
  ].join('\n')
  return files
}

export interface OtherServer {
  readonly subject: Subject
  stop(): Promise<void>
}

/** Starts Debian's knotd with its cookies module and an NSID; version and identity kept to itself. */
export async function startKnot(): Promise<OtherServer> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-knot-'))
  const port = await freePort()
  writeFileSync(join(folder, 'zone'), zoneFile())
  writeFileSync(
    join(folder, 'knot.conf'),
    `server:
  listen: 127.0.0.1@${port}
  rundir: "${folder}"
  version: ""
  identity: ""
  nsid: "ns1-ams"
database:
  storage: "${folder}"
log:
  - target: stderr
    any: error
mod-cookies:
  - id: default
template:
  - id: default
    storage: "${folder}"
    global-module: mod-cookies/default
    journal-content: none
    zonefile-load: whole
zone:
  - domain: ${origin}
    file: zone
`,
  )
  const server = spawn('/usr/sbin/knotd', ['-c', join(folder, 'knot.conf')], { stdio: 'ignore' })
  return await ready(server, port, folder)
}

/** Starts Debian's rbldnsd, version kept to itself. */
export async function startRbldnsd(): Promise<OtherServer> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-rbldnsd-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const files = rbldnsdFiles()
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  const sets = Object.keys(files).map((name) => `${origin}:${name.replace(/-\d$/, '')}:${name}`)
  const options = [
    '-n',
    '-vv',
    '-a',
    '-b',
    `127.0.0.1/${port}`,
    '-w',
    folder,
    '-t',
    `${ttlSeconds}`,
  ]
  const server = spawn('/usr/sbin/rbldnsd', [...options, ...sets], { stdio: 'ignore' })
  return await ready(server, port, folder)
}

async function ready(server: ChildProcess, port: number, folder: string): Promise<OtherServer> {
  const subject: Subject = {
    zone: origin,
    host: '127.0.0.1',
    port,
    isOurs: false,
    close: async () => undefined,
  }
  const stop = async (): Promise<void> => {
    if (server.exitCode === null) {
      const ended = once(server, 'exit')
      server.kill()
      await ended
    }
    rmSync(folder, { recursive: true })
  }
  const probe = buildQuery(`${reversed('127.0.0.2')}.${origin}`, types.A)
  for (let tries = 0; tries < 50 && server.exitCode === null; tries++) {
    const answer = await exchangeUdp(subject, probe, 200).catch(() => undefined)
    if (answer !== undefined && answer.readUInt16BE(6) > 0) return { subject, stop }
    await sleep(100)
  }
  await stop()
  throw new Error(`${server.spawnfile} does not answer`)
}

/** Whether its first address is answered as listed: no exemption covers all of it. */
function isAnswered(prefix: string): boolean {
  const [address = ''] = prefix.split('/')
  const labels = address.includes(':')
    ? [...expand(address)].reverse()
    : address.split('.').reverse()
  return expectedAnswer(labels, subjectEntries).codes.length > 0
}

function reason(prefix: string): string {
  const [address = '', length] = prefix.split('/')
  return text.replace('{ip}', length === undefined ? prefix : address)
}

/** The names that a prefix is written as, relative to the zone. */
function namesOf(prefix: string): string[] {
  const [address = '', length = ''] = prefix.split('/')
  return address.includes(':')
    ? ipv6Names(address, Number(length))
    : ipv4Names(address, Number(length))
}

function ipv4Names(address: string, length: number): string[] {
  const octets = address.split('.').map(Number)
  // What ends above the last octet is wildcards on the octet in which it ends.
  const at = Math.min(3, Math.ceil(length / 8) - 1)
  const isWhole = length > 16
  const last = isWhole ? 3 : at
  const span = 2 ** ((last + 1) * 8 - length)
  return Array.from({ length: span }, (_, index) => {
    const labels = octets.slice(0, last + 1)
    labels[last] = (labels[last] ?? 0) + index
    const name = labels.toReversed().join('.')
    return isWhole ? name : `*.${name}`
  })
}

function ipv6Names(address: string, length: number): string[] {
  const nibbles = expand(address)
  if (length === 128) return [[...nibbles].reverse().join('.')]
  const whole = Math.ceil(length / 4)
  const start = Number.parseInt(nibbles[whole - 1] ?? '0', 16)
  return Array.from({ length: 2 ** (whole * 4 - length) }, (_, index) => {
    const head = `${nibbles.slice(0, whole - 1)}${(start + index).toString(16)}`
    return wildcards(head)
  }).flat()
}

/** One wildcard, or, where an exclusion lies below, the wildcards around it. */
function wildcards(head: string): string[] {
  const inside = holes
    .filter(({ prefix }) => prefix.includes(':'))
    .map(({ prefix }) =>
      expand(prefix.split('/')[0] ?? '').slice(0, Number(prefix.split('/')[1]) / 4),
    )
  if (inside.includes(head)) return []
  if (!inside.some((hole) => hole.startsWith(head))) return [`*.${[...head].reverse().join('.')}`]
  return [...'0123456789abcdef'].flatMap((nibble) => wildcards(head + nibble))
}

function expand(address: string): string {
  const [head = '', tail = ''] = address.split('::')
  const before = head.split(':').filter(Boolean)
  const after = tail.split(':').filter(Boolean)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('')
}

/** A full name that a wildcard stands for, as labels. */
function asAsked(name: string): string[] {
  const labels = name.split('.')
  if (labels[0] !== '*') return labels
  const rest = labels.slice(1)
  const isIPv4 = rest.length < 4 && rest.some((label) => label.length > 1)
  return [...Array.from({ length: (isIPv4 ? 4 : 32) - rest.length }, () => '0'), ...rest]
}

/** The prefix whose network the TXT names: the longest listing over the name. */
function deciding(name: string, prefix: string): string {
  const labels = name.split('.')
  const address = labels.length === 4 ? labels.toReversed().join('.') : ''
  return listings.some((each) => each.prefix === `${address}/32`) ? `${address}/32` : prefix
}
