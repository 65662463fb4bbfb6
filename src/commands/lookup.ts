// `lookup`: asks the name server for an address as a mail server would, and says what the answer means.
import { type Config, loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { formatAddress } from '../ip/address.ts'
import { type CommandContext, exitCodes, writeJson, wrongUse } from './context.ts'
import { codeMeanings, formatColumns, printable } from './format.ts'
import { readAddress } from './prefix-argument.ts'

const timeoutMs = 3000
const noError = 0
const nxDomain = 3
/** RFC 1035 §4.1.1 and RFC 2136 §2.2, for people. */
const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

export interface LookupOptions {
  readonly server?: string
  readonly zone?: string
  readonly json?: true
}

/**
 * Exit code 0: not listed (NXDOMAIN, or a name without A records); 3: listed; 1: no answer, or one that says neither.
 * The configuration is read only for what the options leave out.
 */
export async function lookup(
  context: CommandContext,
  argument: string,
  options: LookupOptions,
): Promise<number> {
  const address = readAddress(argument)
  const isSpelledOut = options.server !== undefined && options.zone !== undefined
  const config = isSpelledOut ? undefined : loadConfig(context)
  const server = options.server === undefined ? defaultServer(config) : readServer(options.server)
  const zone = (options.zone ?? config?.zone.origin ?? '').replace(/\.$/, '')
  const resolver = await import('../resolver/lookup.ts')
  const name = resolver.queryName(address, zone)
  const ask = async (type: 'A' | 'TXT'): Promise<string[]> => {
    const { rcode, answers } = await resolver.lookup({ server, name, type, timeoutMs })
    if (rcode === noError) return answers
    if (rcode === nxDomain) return []
    const rcodeName = rcodeNames[rcode] ?? `rcode ${rcode}`
    throw new OperationalError('server-unreachable', `${server} answers ${rcodeName} to ${name}`)
  }
  const codes = (await ask('A')).toSorted()
  const text = codes.length === 0 ? [] : await ask('TXT')
  const query = formatAddress(address)
  const isListed = codes.length > 0
  if (options.json) {
    writeJson(context, { query, zone, server, name, listed: isListed, codes, text })
  } else {
    const verdict = isListed ? 'is listed' : 'is not listed'
    context.write(`${query} ${verdict} in ${zone} (asked ${server}).\n`)
    const rows = codes.map((code) => ['A', code, codeMeanings[code] ?? ''])
    context.write(formatColumns(rows, '  '))
    for (const each of text) context.write(`  TXT  ${printable(each)}\n`)
  }
  return isListed ? exitCodes.listed : exitCodes.done
}

/** The first address that our own name server listens on; a wildcard is reached over loopback. */
function defaultServer(config: Config | undefined): string {
  const [first = ''] = config?.dns.listen ?? []
  const server = first.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')
  if (server.endsWith(':0')) {
    throw wrongUse('dns.listen leaves the port open: name the server with --server HOST:PORT')
  }
  return server
}

/** `HOST`, `HOST:PORT` or `[IPv6]:PORT`, with port 53 where none is given. */
function readServer(text: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i.exec(text)
  const port = Number(match?.[2] ?? 53)
  if (match === null || port < 1 || port > 65_535) {
    throw wrongUse(`--server ${text}: give HOST:PORT, an IPv6 address in brackets`)
  }
  return `${match[1]}:${port}`
}
