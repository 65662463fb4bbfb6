// What in a sound configuration would tell a trap to others: names and texts that they get to see, and a file that
// they may read. Called by config.ts.
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseTrapPattern, type TrapPattern } from '../blocklist/trap-patterns.ts'
import type { Problem } from './schema.ts'

/** The settings that are looked at. */
export interface TellingSettings {
  readonly trap: readonly { readonly address: string }[]
  readonly mailbox: readonly { readonly name: string }[]
  readonly zone: {
    readonly text: string
    readonly hostmaster: string
    readonly nameservers: readonly string[]
    readonly records: readonly string[]
  }
  readonly dns: { readonly nsid: string }
  readonly trapSmtp: { readonly hostname: string } | undefined
  readonly policy: { readonly exempt: readonly { readonly note: string }[] }
}

/** One warning for each place; none of them repeats the trap. */
export function tellingTraps(settings: TellingSettings): Problem[] {
  const { trap, mailbox, zone, dns, trapSmtp, policy } = settings
  const traps = trap.flatMap(({ address }) => {
    const parsed = parseTrapPattern(address)
    return 'value' in parsed ? [parsed.value] : []
  })
  const names = mailbox.flatMap(({ name }, index) =>
    traps.some((each) => isInName(name.toLowerCase(), each))
      ? [{ path: `mailbox[${index + 1}].name`, why: inName }]
      : [],
  )
  const shown: [path: string, text: string][] = [
    ['zone.text', zone.text],
    ['zone.hostmaster', zone.hostmaster],
    ...zone.nameservers.map((each): [string, string] => ['zone.nameservers', each]),
    ...zone.records.map((each): [string, string] => ['zone.records', each]),
    ['dns.nsid', dns.nsid],
    ['trapSmtp.hostname', trapSmtp?.hostname ?? ''],
    ...policy.exempt.map(({ note }, index): [string, string] => [
      `policy.exempt[${index + 1}].note`,
      note,
    ]),
  ]
  const texts = shown
    .filter(([, text]) => traps.some((each) => isInText(text.toLowerCase(), each)))
    .map(([path]) => ({ path, why: 'tells a trap’s address to others' }))
  return [...names, ...texts]
}

const inName =
  'tells a trap: it stands in the log and in the status, where everybody with a reading key sees it'

/** A shorter local part is part of many a word. */
const leastLength = 4

/** A mailbox's name has no @, so it tells a trap by the local part, or by the domain where that is all there is. */
function isInName(name: string, { localPart, domain }: TrapPattern): boolean {
  if (name.includes(domain)) return true
  if (localPart === undefined) return false
  if (localPart.length >= leastLength) return name.includes(localPart)
  return name.split(/[._-]/).includes(localPart)
}

/**
 * The address as mail, the web and DNS write it: plain, quoted, percent-encoded, in VERP form (`user=example.org@`), with
 * a percent sign for a relay (RFC 1123 §5.2.16), as a DNS name (RFC 1035 §8). A domain alone is the business of its MX
 * record.
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

/** Percent-encoding and quoted-printable of printable ASCII undone. Lower case stays lower case. */
function decoded(text: string): string {
  return text
    .replaceAll(/[%=]([2-7][0-9a-f])/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .toLowerCase()
}

/** The file that names the traps, where everybody on the machine may read it. */
export function readableByAll(file: string, traps: number): Problem[] {
  const may = (path: string, right: number): boolean =>
    ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & right) !== 0
  if (traps === 0 || !may(file, 0o004) || !may(dirname(file), 0o001)) return []
  return [{ path: 'trap', why: 'this file names traps, and everybody may read it: chmod o-r' }]
}
