// Checks that need more than one key: faults between keys, and warnings of settings that have no effect, cannot work, or
// reveal a trap.
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseTrapPattern, type TrapPattern } from '../blocklist/traps.ts'
import { formatAddress, isLoopbackText, parseAddress, splitHostPort } from '../ip/address.ts'
import type { Settings } from './keys.ts'
import type { Problem } from './schema.ts'

/** A socket path has at most 108 octets with the final zero (unix(7)). */
const longestSocketPath = 107

/** The keys that a mailbox of each type must have. */
const neededKeys: Readonly<
  Record<Settings['mailbox'][number]['type'], readonly ('url' | 'passwordFile' | 'path')[]>
> = {
  imap: ['url', 'passwordFile'],
  pop3: ['url', 'passwordFile'],
  maildir: ['path'],
  mbox: ['path'],
}

/** The path of the control socket. The default is beside the database. */
export function controlSocket({ control, store }: Settings): string {
  return control.socket || resolve(dirname(store.path), 'backscatterd.sock')
}

/** Faults in the combination of keys, each of which is right by itself. */
export function faultsBetweenKeys(settings: Settings): Problem[] {
  const { policy, evidence, dns, zone, mailbox, trapSmtp } = settings
  const socket = controlSocket(settings)
  const socketOctets = Buffer.byteLength(socket)
  const { certificateFile = '', keyFile = '' } = trapSmtp ?? {}
  const checks: [isWrong: boolean, path: string, why: string][] = [
    [
      socketOctets > longestSocketPath,
      'control.socket',
      `${socket} has ${socketOctets} octets; a Unix socket's path holds at most ${longestSocketPath}`,
    ],
    [
      policy.firstListing > policy.longestListing,
      'policy.firstListing',
      'longer than policy.longestListing',
    ],
    [
      evidence.keep <= policy.longestListing,
      'evidence.keep',
      'not longer than policy.longestListing',
    ],
    [dns.listen.length === 0, 'dns.listen', 'expected at least one address'],
    [zone.nameservers.length === 0, 'zone.nameservers', 'expected at least one name'],
    [
      certificateFile === '' && keyFile !== '',
      'trapSmtp.certificateFile',
      'required beside trapSmtp.keyFile',
    ],
    [
      keyFile === '' && certificateFile !== '',
      'trapSmtp.keyFile',
      'required beside trapSmtp.certificateFile',
    ],
  ]
  for (const [index, { type, ...keys }] of mailbox.entries()) {
    for (const key of neededKeys[type]) {
      checks.push([keys[key] === '', `mailbox[${index + 1}].${key}`, `required for type "${type}"`])
    }
  }
  return [
    ...checks.filter(([isWrong]) => isWrong).map(([, path, why]) => ({ path, why })),
    ...repeated(dns.access, 'dns.access', 'client'),
    ...repeated(
      dns.key.map(({ name }) => ({ name: name.toLowerCase() })),
      'dns.key',
      'name',
    ),
    ...unknownKeys(settings),
    ...faultsOfMirror(settings),
    ...faultsOfCatalog(settings),
    ...ownAddresses(settings),
    ...repeated(mailbox, 'mailbox', 'name'),
    ...repeated(mailbox, 'mailbox', 'path'),
    ...listenedTwice(settings),
  ]
}

/** Faults for names of keys which are not there. */
function unknownKeys({ dns, zone }: Settings): Problem[] {
  const named = [
    ...dns.transfer.map(({ key }, index) => [`dns.transfer[${index + 1}].key`, key] as const),
    ['zone.primaryKey', zone.primaryKey] as const,
  ]
  return named
    .filter(([, key]) => key !== '')
    .filter(([, key]) => !dns.key.some(({ name }) => name.toLowerCase() === key.toLowerCase()))
    .map(([path, key]) => ({ path, why: `there is no dns.key named ${key}` }))
}

/** Faults for what a mirror cannot have, since its list is made by its primary. */
function faultsOfMirror({ zone, admin, trap, trapSmtp, mailbox, dns }: Settings): Problem[] {
  if (zone.primary === '') {
    const why = 'has no meaning without zone.primary'
    return zone.primaryKey === '' ? [] : [{ path: 'zone.primaryKey', why }]
  }
  const present = {
    admin: admin !== undefined,
    trap: trap.length > 0,
    trapSmtp: trapSmtp !== undefined,
    mailbox: mailbox.length > 0,
    'dns.transfer': dns.transfer.length > 0,
    'dns.catalog': dns.catalog !== '',
    'zone.retired': zone.retired,
  }
  const why = `a mirror (zone.primary) answers DNS and nothing else: take this out, and set it on ${zone.primary}`
  return Object.entries(present).flatMap(([path, isPresent]) => (isPresent ? [{ path, why }] : []))
}

function faultsOfCatalog({ zone, dns }: Settings): Problem[] {
  const [origin, catalog] = [zone.origin.toLowerCase(), dns.catalog.toLowerCase()]
  const path = 'dns.catalog'
  if (catalog === '' || zone.primary !== '') return []
  if (catalog === origin || catalog.endsWith(`.${origin}`)) {
    return [{ path, why: `must not lie in the zone ${zone.origin}` }]
  }
  return dns.transfer.length > 0 ? [] : [{ path, why: 'has no meaning without dns.transfer' }]
}

/** Faults for a primary or a secondary that is this server itself, as far as its own addresses tell. */
function ownAddresses({ zone, dns }: Settings): Problem[] {
  const others = [
    ...dns.transfer.map((each, index) => [`dns.transfer[${index + 1}].address`, each.address]),
    ['zone.primary', zone.primary],
  ]
  return others.flatMap(([path = '', address = '']) =>
    dns.listen.some((own) => isAnsweredAt(address, own))
      ? [{ path, why: `${address} is this server itself (dns.listen)` }]
      : [],
  )
}

/** Whether a server that listens on `own` answers at `address`. */
function isAnsweredAt(address: string, own: string): boolean {
  const to = hostAndPort(address)
  const from = hostAndPort(own)
  const isAnywhere = from.host === (to.host.includes(':') ? '::' : '0.0.0.0')
  return to.port === from.port && (to.host === from.host || (isAnywhere && isLoopbackText(to.host)))
}

/** The host in canonical form, and the port. */
function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const { host, port } = splitHostPort(address) ?? { host: '', port: 0 }
  const parsed = parseAddress(host)
  return { host: 'value' in parsed ? formatAddress(parsed.value) : '', port }
}

/** Faults for tables that share a value other than ''. The value is not shown, since it may reveal a trap. */
function repeated<K extends string>(
  tables: readonly Readonly<Record<K, string>>[],
  path: string,
  key: K,
): Problem[] {
  return tables.flatMap((each, index) => {
    const first = tables.findIndex((other) => other[key] === each[key])
    return first === index || each[key] === ''
      ? []
      : [{ path: `${path}[${index + 1}].${key}`, why: `the same as in ${path}[${first + 1}]` }]
  })
}

/** Faults for TCP addresses that two listeners use. Port 0 never counts: it chooses a different port each time. */
function listenedTwice({ dns, trapSmtp, admin }: Settings): Problem[] {
  const users = new Map<string, string>()
  const problems: Problem[] = []
  const wanted = {
    'dns.listen': dns.listen,
    'trapSmtp.listen': trapSmtp?.listen ?? [],
    'admin.listen': admin ? [admin.listen] : [],
  }
  for (const [path, addresses] of Object.entries(wanted)) {
    for (const address of addresses) {
      const other = users.get(address)
      if (other !== undefined && !address.endsWith(':0')) {
        problems.push({ path, why: `${JSON.stringify(address)} is already used by ${other}` })
      }
      users.set(address, path)
    }
  }
  return problems
}

/** Warnings of settings that are valid but probably not intended. */
export function warningsOf(settings: Settings): Problem[] {
  return [
    ...unreachableNameservers(settings),
    ...wildcardsWithoutBatch(settings),
    ...disclosedTraps(settings),
    ...openTransfers(settings),
  ]
}

/** Warns of secondaries anywhere that need no key: then everybody may copy the list. */
function openTransfers({ dns }: Settings): Problem[] {
  return dns.transfer.flatMap(({ allow, key }, index) =>
    key === '' && allow.endsWith('/0')
      ? [
          {
            path: `dns.transfer[${index + 1}].allow`,
            why: `${allow} without a key lets everybody copy the whole list`,
          },
        ]
      : [],
  )
}

/** Warns of name servers inside the zone without an address in zone.records: nobody can reach them. */
function unreachableNameservers({ zone }: Settings): Problem[] {
  const origin = zone.origin.toLowerCase()
  const owners = zone.records.map((record) => {
    const [owner = ''] = record.trim().toLowerCase().split(/\s+/)
    if (owner.endsWith('.')) return owner.slice(0, -1)
    return owner === '@' ? origin : `${owner}.${origin}`
  })
  return zone.nameservers
    .filter((name) => name.toLowerCase().endsWith(`.${origin}`))
    .filter((name) => !owners.includes(name.toLowerCase()))
    .map((name) => ({
      path: 'zone.nameservers',
      why: `${name} lies in the zone and has no address in zone.records`,
    }))
}

/** Warns of wildcard addresses without `dns.batch`: only batched sockets answer from the address that was asked. */
function wildcardsWithoutBatch({ dns }: Settings): Problem[] {
  if (dns.batch) return []
  return dns.listen
    .filter((address) => /^(?:0\.0\.0\.0|\[[0:.]+\]):\d+$/.test(address))
    .map((address) => ({
      path: 'dns.listen',
      why: `with dns.batch = false, ${JSON.stringify(address)} may answer from another address than the one that was asked: name each address`,
    }))
}

/** Warns of public names and texts that reveal a trap: one warning for each place. No warning repeats the trap. */
function disclosedTraps({ trap, mailbox, zone, dns, trapSmtp, policy }: Settings): Problem[] {
  const traps = trap.flatMap(({ address }) => {
    const parsed = parseTrapPattern(address)
    return 'value' in parsed ? [parsed.value] : []
  })
  const texts: readonly (readonly [path: string, text: string])[] = [
    ['zone.text', zone.text],
    ['zone.hostmaster', zone.hostmaster],
    ['zone.nameservers', zone.nameservers.join('\n')],
    ['zone.records', zone.records.join('\n')],
    ['dns.nsid', dns.nsid],
    ['trapSmtp.hostname', trapSmtp?.hostname ?? ''],
    ...policy.exempt.map(({ note }, index) => [`policy.exempt[${index + 1}].note`, note] as const),
  ]
  return [
    ...mailbox.flatMap(({ name }, index) =>
      traps.some((each) => isInName(name.toLowerCase(), each))
        ? [{ path: `mailbox[${index + 1}].name`, why: nameWarning }]
        : [],
    ),
    ...texts
      .filter(([, text]) => traps.some((each) => isInText(text.toLowerCase(), each)))
      .map(([path]) => ({ path, why: 'shows a trap’s address to others' })),
  ]
}

const nameWarning =
  'reveals a trap: the log shows this name, and so does the status, which every key of scope read can see'

/** A trap's local part that is shorter reveals the trap only as a whole word: it occurs inside many ordinary words. */
const leastLength = 4

/** Whether a mailbox's name reveals a trap. It contains no @, so it can do so only by the local part or the domain. */
function isInName(name: string, { localPart, domain }: TrapPattern): boolean {
  if (name.includes(domain)) return true
  if (localPart === undefined) return false
  if (localPart.length >= leastLength) return name.includes(localPart)
  return name.split(/[._-]/).includes(localPart)
}

/**
 * Whether a text contains the address in a form that mail, the web or DNS uses: plain, quoted, percent-encoded, VERP
 * (`user=example.org@`), routed with a percent sign (RFC 1123 §5.2.16), or as a DNS name (RFC 1035 §8). A domain alone
 * reveals nothing, since its MX record is public.
 */
function isInText(text: string, { localPart, domain }: TrapPattern): boolean {
  const forms =
    localPart === undefined
      ? [`@${domain}`, `=${domain}@`, `%${domain}@`]
      : ['@', '=', '%', '.'].map((sign) => `${unquoted(localPart)}${sign}${domain}`)
  const written = [text, decoded(text)].map(unquoted)
  return forms.some((form) => written.some((each) => each.includes(form)))
}

function unquoted(text: string): string {
  return text.replaceAll(/["\\]/g, '')
}

/** Undoes percent-encoding and quoted-printable of printable ASCII. Input and output are in lower case. */
function decoded(text: string): string {
  return text
    .replaceAll(/[%=]([2-7][0-9a-f])/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .toLowerCase()
}

/** Warns if the file names traps and everybody on the machine may read it. */
export function readableByAll(file: string, traps: number): Problem[] {
  const hasRight = (path: string, right: number): boolean =>
    ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & right) !== 0
  if (traps === 0 || !hasRight(file, 0o004) || !hasRight(dirname(file), 0o001)) return []
  return [{ path: 'trap', why: 'this file names traps, but everybody may read it: run chmod o-r' }]
}
