// The PROXY protocol header at the beginning of a connection from a load balancer → the client's address. Reads versions 1 and 2
// of haproxy.org's proxy-protocol.txt. Pure. No package is used: the header is short, and strangers may send one.
import { type Address, addressFromIPv4, parseAddress, unmapped } from '../ip/address.ts'

/**
 * `incomplete`: more octets are needed. `refused`: this is not a header that we accept. `header`: it has `length` octets and
 * names `client`. That is null if the balancer does not know the client or speaks for itself (UNKNOWN, LOCAL, a Unix socket).
 */
type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'header'; readonly length: number; readonly client: Address | null }

/** Section 2.2: version 2 begins with these octets, and no line of a text protocol does. */
const signature = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10)
/** Section 2.1: the longest line of version 1 with its CRLF. */
const longestLine = 107
/**
 * The longest header of version 2. After the addresses it may have type-length-value fields; nobody needs more of them than this.
 */
const longestBinary = 4096
const binaryStart = 16

/** Reads the header at the beginning of the octets that have arrived. Never throws. */
export function readProxyHeader(octets: Uint8Array): ProxyHeader {
  const common = Math.min(octets.length, signature.length)
  const isBinary = signature.subarray(0, common).every((octet, index) => octets[index] === octet)
  if (isBinary) return octets.length < binaryStart ? incomplete : readBinary(octets)
  return readLine(octets)
}

/** Section 2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 25` CRLF. */
function readLine(octets: Uint8Array): ProxyHeader {
  const text = Buffer.from(octets.subarray(0, longestLine)).toString('latin1')
  const end = text.indexOf('\r\n')
  if (end < 0) {
    const mayBecomeOne = 'PROXY '.startsWith(text.slice(0, 6)) && text.length < longestLine
    return mayBecomeOne ? incomplete : refused('not a PROXY header')
  }
  const line = text.slice(0, end)
  const length = end + 2
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { kind: 'header', length, client: null }
  const [, family, source = '', target = ''] =
    /^PROXY TCP([46]) (\S+) (\S+) \d{1,5} \d{1,5}$/.exec(line) ?? []
  const addresses = [source, target].map(parseAddress)
  const [client] = addresses
  const isSound = addresses.every(
    (each) => 'value' in each && each.value.family === Number(family ?? 0),
  )
  if (!isSound || client === undefined || 'why' in client) return refused('not a PROXY header')
  return { kind: 'header', length, client: unmapped(client.value) }
}

/** Section 2.2: signature, version and command, family and transport, length, addresses. */
function readBinary(octets: Uint8Array): ProxyHeader {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
  const version = view.getUint8(12) >> 4
  const command = view.getUint8(12) & 15
  const family = view.getUint8(13) >> 4
  const length = binaryStart + view.getUint16(14)
  if (version !== 2 || command > 1) return refused('a PROXY header of an unknown version')
  if (length > longestBinary) return refused(`a PROXY header of ${length} octets`)
  if (octets.length < length) return incomplete
  if (command === 0) return { kind: 'header', length, client: null }
  const addressesEnd = binaryStart + (family === 1 ? 12 : family === 2 ? 36 : 0)
  if (length < addressesEnd) return refused('a PROXY header without its addresses')
  return { kind: 'header', length, client: sourceOf(view, family) }
}

function sourceOf(view: DataView, family: number): Address | null {
  const word = (index: number): number => view.getUint32(binaryStart + 4 * index)
  if (family === 1) return addressFromIPv4(word(0))
  if (family !== 2) return null
  return unmapped({ family: 6, w0: word(0), w1: word(1), w2: word(2), w3: word(3) })
}

const incomplete: ProxyHeader = { kind: 'incomplete' }

function refused(why: string): ProxyHeader {
  return { kind: 'refused', why }
}
