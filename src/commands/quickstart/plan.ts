// The words of the command line and the addresses of this machine → what the configuration and the printed records will say.
// Touches nothing.
import { domainName, zoneName } from '../../config/values.ts'
import { formatAddress, type Parsed, parseAddress } from '../../ip/address.ts'
import { wrongUse } from '../command.ts'

/** When a host is listed, and what its listing gives away. */
export const listingChoices = {
  'two-traps':
    'A host is listed once it has bounced to two trap addresses. Somebody who tests a single address learns nothing, but hosts are listed later.',
  hold: 'A host is listed once it has sent two bounces to one trap address. DNS shows it at a full hour, together with all others of that hour, so the time does not tell which address is a trap.',
  fast: 'A host is listed seconds after it has sent two bounces to one trap address. Somebody who runs a host and tests one address after the other finds the traps.',
} as const

export type ListingChoice = keyof typeof listingChoices

export function isListingChoice(word: string): word is ListingChoice {
  return Object.hasOwn(listingChoices, word)
}

interface NameServer {
  readonly name: string
  /** In canonical form, IPv6 without brackets. */
  readonly address: string
}

/** What the command line asks for. */
export interface Request {
  readonly zone: string
  /** The domain above the zone. */
  readonly parent: string
  readonly nameServers: readonly NameServer[]
  /** The SMTP listener greets with the mail host of the first. */
  readonly trapDomains: readonly [string, ...string[]]
}

/** What the configuration and the printed records are made from. */
export interface Plan extends Request {
  readonly listing: ListingChoice
  /** The mail server of this machine hands the traps' mail over by LMTP. */
  readonly isLmtp: boolean
  /** The addresses to listen on: those of name servers that this machine has or, if it has none, the wildcards. */
  readonly listen: readonly string[]
  /** The addresses at which the world reaches this machine. */
  readonly publicAddresses: readonly string[]
}

/** Checks the words of the command line. Throws OperationalError `usage-invalid`. */
export function readRequest(
  zoneText: string,
  pairs: readonly string[] | undefined,
  trapTexts: readonly string[] | undefined,
): Request {
  const zone = expectName(zoneText, zoneName('').read(zoneText, ''), zoneText)
  const parent = zone.slice(zone.indexOf('.') + 1)
  if (!zone.includes('.')) {
    throw wrongUse(`${zone}: give a name below a domain of yours, such as bl.example.org`)
  }
  if (pairs === undefined) {
    throw wrongUse(
      'name a name server of the zone and its address: --ns ns1.example.org=192.0.2.53',
    )
  }
  const nameServers = [...new Set(pairs)].map(readNameServer)
  const known = { zone, parent, nameServers }
  const [first, ...others] = new Set(trapTexts?.map((text) => readTrapDomain(text, known)))
  if (first === undefined) {
    throw wrongUse('name a domain whose addresses are all traps: --trap-domain trap.example.net')
  }
  return { ...known, trapDomains: [first, ...others] }
}

function readTrapDomain(
  text: string,
  { zone, parent, nameServers }: Omit<Request, 'trapDomains'>,
): string {
  const option = `--trap-domain ${text}`
  const domain = expectName(option, domainName('').read(text, ''), text)
  expectName(option, domainName('').read(mailHost(domain), ''), text)
  if (!domain.includes('.')) throw wrongUse(`${option}: ${notWhole('trap.example.net')}`)
  if (domain === parent) {
    throw wrongUse(
      `${option}: this domain also has ${formatHostmaster(parent)}, which gets real mail; choose a domain that is used for nothing else`,
    )
  }
  if (isWithin(domain, zone)) {
    throw wrongUse(`${option}: lies in the zone ${zone}, which holds only the list; choose another`)
  }
  const revealing = [zone, ...nameServers.map(({ name }) => name)].find((name) =>
    isWithin(name, domain),
  )
  if (revealing !== undefined) {
    throw wrongUse(
      `${option}: everybody sees that ${revealing}, which belongs to the list, lies in it; choose another`,
    )
  }
  return domain
}

function notWhole(example: string): string {
  return `give a whole domain name, such as ${example}`
}

/** Decides on the addresses. `ownAddresses` are those of this machine. */
export function makePlan(
  request: Request,
  choices: Pick<Plan, 'listing' | 'isLmtp'>,
  ownAddresses: readonly string[],
): Plan {
  const listen = ownNameServers(request, ownAddresses)
  // A wildcard of IPv6 cannot be bound where the kernel has no IPv6.
  const wildcards = ownAddresses.some(isIPv6) ? ['0.0.0.0', '::'] : ['0.0.0.0']
  // Behind a translating router the machine has none of the addresses. The first name server is taken to be this machine.
  const [first] = request.nameServers
  const alike = request.nameServers.filter(({ name }) => name === first?.name)
  return {
    ...request,
    ...choices,
    listen: listen.length > 0 ? listen : wildcards,
    publicAddresses: listen.length > 0 ? listen : alike.map(({ address }) => address),
  }
}

/** The addresses of the name servers that this machine has. */
function ownNameServers({ nameServers }: Request, ownAddresses: readonly string[]): string[] {
  const addresses = nameServers.map(({ address }) => address)
  return [...new Set(addresses)].filter((address) => ownAddresses.includes(address))
}

/** The name of the host that takes the traps' mail. It is never a name of the list, which would tie the traps to the list. */
export function mailHost(trapDomain: string): string {
  return `mx.${trapDomain}`
}

/** The operator's mail address. */
export function formatHostmaster(parent: string): string {
  return `hostmaster@${parent}`
}

/** An address of this machine as `host:port`, with IPv6 in brackets. */
export function atPort(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** The record type that holds an address. */
export function addressType(address: string): 'A' | 'AAAA' {
  return isIPv6(address) ? 'AAAA' : 'A'
}

function isIPv6(address: string): boolean {
  return address.includes(':')
}

export function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`)
}

function readNameServer(pair: string): NameServer {
  const option = `--ns ${pair}`
  const equals = pair.indexOf('=')
  if (equals < 0) {
    throw wrongUse(`${option}: expected NAME=ADDRESS, such as ns1.example.org=192.0.2.53`)
  }
  const [nameText, addressText] = [pair.slice(0, equals), pair.slice(equals + 1)]
  const name = expectName(option, domainName('').read(nameText, ''), nameText)
  if (!name.includes('.')) throw wrongUse(`${option}: ${notWhole('ns1.example.org')}`)
  const address = parseAddress(addressText)
  if ('why' in address) throw wrongUse(`${option}: ${JSON.stringify(addressText)}: ${address.why}`)
  return { name, address: formatAddress(address.value) }
}

/** The name in lower case. Throws if it is none, saying which words were wrong. */
function expectName(words: string, parsed: Parsed<string>, text: string): string {
  if ('value' in parsed) return parsed.value.toLowerCase()
  throw wrongUse(words === text ? `the zone: ${parsed.why}` : `${words}: ${parsed.why}`)
}
