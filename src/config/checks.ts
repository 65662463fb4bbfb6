// What is wrong, or of no use, between the keys of a configuration each of which is right by itself. Called by config.ts.
import { dirname, resolve } from 'node:path'
import type { Settings } from './keys.ts'
import type { Problem } from './schema.ts'

/** sun_path holds 108 octets with the closing zero (unix(7)). */
const longestSocketPath = 107

/** The configured socket, else the one beside the database. */
export function controlSocket(settings: Settings): string {
  return settings.control.socket || resolve(dirname(settings.store.path), 'backscatterd.sock')
}

/** Faults that no single key shows. */
export function crossCheck(settings: Settings): Problem[] {
  const problems: Problem[] = []
  const socket = controlSocket(settings)
  if (Buffer.byteLength(socket) > longestSocketPath) {
    problems.push({
      path: 'control.socket',
      why: `${socket} has ${Buffer.byteLength(socket)} octets; a Unix socket's path holds at most ${longestSocketPath}`,
    })
  }
  if (settings.policy.firstListing > settings.policy.longestListing) {
    problems.push({ path: 'policy.firstListing', why: 'longer than policy.longestListing' })
  }
  if (settings.evidence.keep <= settings.policy.longestListing) {
    problems.push({ path: 'evidence.keep', why: 'not longer than policy.longestListing' })
  }
  if (settings.dns.listen.length === 0) {
    problems.push({ path: 'dns.listen', why: 'expected at least one address' })
  }
  if (settings.zone.nameservers.length === 0) {
    problems.push({ path: 'zone.nameservers', why: 'expected at least one name' })
  }
  for (const [index, { type, ...mailbox }] of settings.mailbox.entries()) {
    const needed = type === 'imap' || type === 'pop3' ? ['url', 'passwordFile'] : ['path']
    for (const key of needed) {
      if (mailbox[key as 'url' | 'passwordFile' | 'path'] !== '') continue
      problems.push({ path: `mailbox[${index + 1}].${key}`, why: `required for type "${type}"` })
    }
  }
  const { certificateFile = '', keyFile = '' } = settings.trapSmtp ?? {}
  if ((certificateFile === '') !== (keyFile === '')) {
    const missing = keyFile === '' ? 'keyFile' : 'certificateFile'
    problems.push({ path: `trapSmtp.${missing}`, why: 'expected beside the other one' })
  }
  problems.push(
    ...repeated(
      'dns.access',
      'client',
      settings.dns.access.map((each) => each.client),
    ),
  )
  problems.push(
    ...repeated(
      'mailbox',
      'name',
      settings.mailbox.map((each) => each.name),
    ),
  )
  problems.push(
    ...repeated(
      'mailbox',
      'path',
      settings.mailbox.map((each, index) => each.path || `(${index})`),
      { isSecret: true },
    ),
  )
  problems.push(...listenedTwice(settings))
  return problems
}

/** TCP addresses that two listeners want. Port 0 is another one each time. */
function listenedTwice({ dns, trapSmtp, admin }: Settings): Problem[] {
  const users = new Map<string, string>()
  const problems: Problem[] = []
  const wanted = [
    ...dns.listen.map((address) => ['dns.listen', address] as const),
    ...(trapSmtp?.listen ?? []).map((address) => ['trapSmtp.listen', address] as const),
    ...[admin?.listen ?? []].flat().map((address) => ['admin.listen', address] as const),
  ]
  for (const [key, address] of wanted) {
    const other = users.get(address)
    if (other !== undefined && !address.endsWith(':0')) {
      problems.push({ path: key, why: `${JSON.stringify(address)} is taken by ${other}` })
    }
    users.set(address, key)
  }
  return problems
}

function repeated(
  path: string,
  key: string,
  values: readonly string[],
  { isSecret = false } = {},
): Problem[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index
      ? []
      : [
          {
            path: `${path}[${index + 1}]${key && '.'}${key}`,
            why: isSecret ? 'stands twice' : `${JSON.stringify(value)} stands twice`,
          },
        ],
  )
}

/** Name servers inside the zone that nobody can reach, for want of an address in zone.records. */
export function unreachableNameservers({ zone }: Settings): Problem[] {
  const absolute = (name: string): string =>
    (name.endsWith('.')
      ? name.slice(0, -1)
      : name === '@'
        ? zone.origin
        : `${name}.${zone.origin}`
    ).toLowerCase()
  const owners = new Set(
    zone.records.map((record) => absolute(record.trim().split(/\s+/)[0] ?? '')),
  )
  return zone.nameservers
    .filter(
      (name) =>
        `.${name.toLowerCase()}`.endsWith(`.${zone.origin.toLowerCase()}`) &&
        !owners.has(name.toLowerCase()),
    )
    .map((name) => ({
      path: 'zone.nameservers',
      why: `${name} lies in the zone and has no address in zone.records`,
    }))
}

/** Wildcard addresses without `dns.batch`: only batches tell which address was asked, and answer from it. */
export function wildcardsOneByOne({ dns }: Settings): Problem[] {
  if (dns.batch) return []
  return dns.listen
    .filter((address) => /^(?:0\.0\.0\.0|\[[0:.]+\]):\d+$/.test(address))
    .map((address) => ({
      path: 'dns.listen',
      why: `with dns.batch = false ${JSON.stringify(address)} answers from the address that the route gives, not the one that was asked: name each address`,
    }))
}
