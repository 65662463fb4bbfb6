// A plan → the text of the configuration: only the keys that differ from their defaults, each with what it is for.
import { addressType, atPort, formatHostmaster, isWithin, mailHost, type Plan } from './plan.ts'

/** `storePath`: the database, as the configuration names it. */
export function formatConfiguration(plan: Plan, storePath: string): string {
  const { zone, parent, listen, trapDomains } = plan
  return `# Made by backscatterd quickstart. Keys that are not here have their defaults: data/backscatterd.example.toml
# in the program's folder shows and explains every key.

[zone]
origin = ${quote(zone)}
nameservers = ${quoteAll(new Set(plan.nameServers.map(({ name }) => name)))}
${formatRecords(plan)}# The operator's mail address, ${formatHostmaster(parent)}, with a dot in place of the @.
hostmaster = ${quote(`hostmaster.${parent}`)}

[dns]
# Answer here, over UDP and TCP.
listen = ${quoteAll(listen.map((address) => atPort(address, 53)))}

[admin]
# The HTTP interface and the pages for people, at 127.0.0.1:8053. A web server with TLS passes requests on to it.
# Where everybody reaches them. The TXT record of a listed address names the page of its look-up.
publicUrl = ${quote(`https://${zone}`)}
# The web server says who its clients are.
trustedProxies = ["127.0.0.1"]

[store]
# The database. It holds the traps' addresses: keep it readable by the server's user alone.
path = ${quote(storePath)}

# With a resolver, the server checks SPF, DKIM and DMARC of returned messages, and spares the shared mail servers of
# large providers. Name your own and remove the #.
#[resolver]
#servers = ["127.0.0.1"]

${policies[plan.listing]}# Every address of a domain that stands here is a trap, so the domain must be used for nothing else.
${trapDomains.map((domain) => `[[trap]]\naddress = ${quote(`@${domain}`)}\n\n`).join('')}[trapSmtp]
# Takes mail to traps and refuses all other mail.
${plan.isLmtp ? handedOver : `listen = ${quoteAll(listen.map((address) => atPort(address, 25)))}\n`}# The name in its greeting.
hostname = ${quote(mailHost(trapDomains[0]))}
`
}

const policies: Readonly<Record<Plan['listing'], string>> = {
  'two-traps': `[policy.threshold.dsn]
# Bounces must reach two trap addresses, so that a test of one address reveals nothing.
traps = 2

`,
  hold: `[policy]
# Publish new listings together at each full hour, so that the time of a listing does not reveal the trap.
holdFor = "1h"

`,
  fast: '',
}

const handedOver = `# This machine's mail server hands it over by LMTP, at the default address 127.0.0.1:2525.
lmtp = true
# The mail server says who sent the mail.
proxies = ["127.0.0.1"]
`

/** Addresses of names in the zone, which nobody else could tell: of name servers, and of the web server. */
function formatRecords({ zone, nameServers, publicAddresses }: Plan): string {
  const hosts = nameServers.filter(({ name }) => isWithin(name, zone))
  const hasAddress = hosts.some(({ name }) => name === zone)
  const site = hasAddress ? [] : publicAddresses.map((address) => ({ name: zone, address }))
  const records = [...hosts, ...site].map(({ name, address }) => {
    const owner = name === zone ? '@' : name.slice(0, -zone.length - 1)
    return `${owner} ${addressType(address)} ${address}`
  })
  return `# The addresses of name servers whose names lie in the zone, and of the web server (@).
records = ${quoteAll(records)}
`
}

function quoteAll(texts: Iterable<string>): string {
  return `[${[...texts].map(quote).join(', ')}]`
}

/** A TOML basic string. JSON's escapes are valid there. */
function quote(text: string): string {
  return JSON.stringify(text)
}
