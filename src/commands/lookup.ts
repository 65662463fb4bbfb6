// `lookup`: asks a name server about an address, as a mail server would, and explains the answer.
import { type Config, loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { formatAddress } from '../ip/address.ts'
import { reachedAt } from '../nameserver/addresses.ts'
import {
  type CommandContext,
  exitCodes,
  type Json,
  print,
  readAddress,
  wrongUse,
} from './command.ts'
import { codeMeanings, formatColumns, printable } from './format.ts'

const timeoutMs = 3000
const noError = 0
const nxDomain = 3
/** The name of each response code (RFC 1035 §4.1.1). */
const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

interface LookupOptions extends Json {
  readonly server?: string
  readonly zone?: string
}

/**
 * Exit code 3 if the address is listed, 0 if not (NXDOMAIN, or a name without A records). Throws OperationalError
 * `server-unreachable` if no answer or another rcode comes. Reads the configuration only if `server` or `zone` is missing.
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
  const listed = codes.length > 0
  print(context, options, { query, zone, server, name, listed, codes, text }, () => {
    const verdict = `${query} ${listed ? 'is listed' : 'is not listed'} in ${zone} (asked ${server}).`
    const rows = codes.map((code) => ['A', code, codeMeanings[code] ?? ''])
    const texts = text.map((each) => `  TXT  ${printable(each)}\n`)
    return `${verdict}\n${formatColumns(rows, '  ')}${texts.join('')}`
  })
  return listed ? exitCodes.listed : exitCodes.done
}

/** The first address in dns.listen. */
function defaultServer(config: Config | undefined): string {
  const server = reachedAt(config?.dns.listen[0] ?? '')
  if (server.endsWith(':0')) {
    throw wrongUse('dns.listen has port 0: name the server with --server HOST:PORT')
  }
  return server
}

/** Converts `HOST`, `HOST:PORT` or `[IPv6]:PORT` to `HOST:PORT`. The default port is 53. */
function readServer(text: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i.exec(text)
  const port = Number(match?.[2] ?? 53)
  if (match === null || port < 1 || port > 65_535) {
    throw wrongUse(`--server ${text}: expected HOST:PORT, with an IPv6 address in brackets`)
  }
  return `${match[1]}:${port}`
}
