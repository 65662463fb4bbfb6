// Sends one question to one name server, as a mail server's resolver would: over UDP, and over TCP if the answer is truncated.
// dns2 encodes and decodes.
import { connect, isIPv6 } from 'node:net'
import { Packet, UDPClient } from 'dns2'
import { codeOf, messageOf, OperationalError } from '../errors.ts'
import { type Address, splitHostPort } from '../ip/address.ts'

type QueryType = keyof typeof Packet.TYPE

interface Question {
  /** `host:port` or `[v6]:port`. There is no default, since dns2's defaults are public resolvers. */
  readonly server: string
  readonly name: string
  readonly type: QueryType
  /** The whole time for the look-up, retries and TCP included. */
  readonly timeoutMs: number
}

/** A datagram may get lost, so the time is divided among this many tries. */
const udpTries = 3

/**
 * Asks the server for A or TXT records and returns its answer, whatever its rcode is: addresses, or texts with their strings
 * joined, in the order of the response. Throws OperationalError 'server-unreachable' if no usable response comes in time.
 */
export async function lookup(request: Question): Promise<{ rcode: number; answers: string[] }> {
  const { server, name, type } = request
  try {
    const response = await ask(request)
    const { records } = answersTo(response, name, type)
    return {
      rcode: response.header.rcode,
      answers: records.map(({ address, data }) => address ?? [data].flat().join('')),
    }
  } catch (error) {
    if (error instanceof OperationalError) throw error
    const why = `no answer from ${server} to ${name} ${type}: ${messageOf(error)}`
    throw new OperationalError('server-unreachable', why, { cause: error })
  }
}

/** The most aliases (CNAME records) that are followed. A longer chain counts as one without an answer. */
const maxAliases = 16

/**
 * Returns the whole response to the question, over TCP if UDP truncated it. Throws OperationalError if `server` is malformed,
 * errors of the network as they are, and an Error if the response is not to this question.
 */
export async function ask(request: Question): Promise<Packet> {
  const deadline = performance.now() + request.timeoutMs
  const { host, port } = splitServer(request.server)
  const first = await askUdp(host, port, request)
  const response = first.header.tc ? await askTcp(host, port, request, deadline) : first
  const { questions, header } = response
  const [asked] = questions
  const isOurs =
    header.qr === 1 &&
    questions.length === 1 &&
    asked?.type === Packet.TYPE[request.type] &&
    asked.class === Packet.CLASS.IN &&
    canonicalName(asked.name) === canonicalName(request.name)
  if (!isOurs) throw new Error('the answer is to another question')
  return response
}

/**
 * Returns the records that answer the question: those of its name, or of the name that its aliases lead to (RFC 1034 §3.6.2).
 * `aliases` are the CNAME records on the way, and `owner` is the name at their end. Other records of the response are ignored.
 */
export function answersTo(
  { answers }: Packet,
  name: string,
  type: QueryType,
): { readonly records: Answer[]; readonly aliases: Answer[]; readonly owner: string } {
  const aliases: Answer[] = []
  let owner = canonicalName(name)
  for (;;) {
    const records = answers.filter((each) => isOf(each, owner, type))
    const alias = answers.find((each) => isOf(each, owner, 'CNAME'))
    if (records.length > 0 || alias?.domain === undefined || aliases.length === maxAliases) {
      return { records, aliases, owner }
    }
    aliases.push(alias)
    owner = canonicalName(alias.domain)
  }
}

type Answer = Packet['answers'][number]

function isOf(record: Answer, owner: string, type: QueryType): boolean {
  const isType = record.type === Packet.TYPE[type] && record.class === Packet.CLASS.IN
  return isType && canonicalName(record.name) === owner
}

/** A name in lower case, without the final dot: names are equal whatever their case (RFC 4343). */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** The name under which a DNSBL lists an address: reversed octets or nibbles (RFC 5782 §2.1, §2.4). */
export function queryName(address: Address, zone: string): string {
  const { family, w0, w1, w2, w3 } = address
  if (family === 4)
    return `${[w0 & 255, (w0 >>> 8) & 255, (w0 >>> 16) & 255, w0 >>> 24].join('.')}.${zone}`
  const nibbles = [w0, w1, w2, w3].map((word) => word.toString(16).padStart(8, '0')).join('')
  return `${[...nibbles].toReversed().join('.')}.${zone}`
}

async function askUdp(host: string, port: number, request: Question): Promise<Packet> {
  const ask = UDPClient({
    dns: host,
    port,
    socketType: isIPv6(host) ? 'udp6' : 'udp4',
    timeout: Math.max(1, Math.floor(request.timeoutMs / udpTries)),
    retryOverTCP: false,
  })
  for (let tries = 1; ; tries++) {
    try {
      return await ask(request.name, request.type)
    } catch (error) {
      if (codeOf(error) !== 'ETIMEDOUT' || tries === udpTries) throw error
    }
  }
}

/** Asks over TCP with parts of dns2. dns2's own TCP client has no deadlines and no IPv6. */
async function askTcp(
  host: string,
  port: number,
  { name, type }: Question,
  deadline: number,
): Promise<Packet> {
  const query = new Packet()
  query.header.id = Packet.uuid()
  query.header.rd = 1
  query.questions.push(new Packet.Question(name, Packet.TYPE[type], Packet.CLASS.IN))
  const message = query.toBuffer()
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  const socket = connect({ host, port })
  const timer = setTimeout(
    () => socket.destroy(new Error('TCP: no answer in time')),
    Math.max(1, deadline - performance.now()),
  )
  try {
    socket.write(Buffer.concat([length, message]))
    const response = Packet.parse(await Packet.readStream(socket))
    if (response.header.id !== query.header.id) throw new Error('TCP: the answer has another id')
    return response
  } finally {
    clearTimeout(timer)
    socket.on('error', () => undefined).destroy()
  }
}

function splitServer(server: string): { readonly host: string; readonly port: number } {
  const given = splitHostPort(server)
  if (given?.host) return given
  throw new OperationalError('server-unreachable', `${server}: expected HOST:PORT or [IPv6]:PORT`)
}
