// Numbers of the DNS wire format, and functions that read and put octets. No function checks bounds: the caller must.

/** Octets in a message header (RFC 1035 §4.1.1). */
export const headerLength = 12

/** Octets of the longest name in wire form, the root octet included (RFC 1035 §2.3.4). */
export const maxNameLength = 255

/** Octets of the longest message over TCP (RFC 1035 §4.2.2). */
export const maxMessageLength = 65_535

/** The UDP payload size that every client can take. A smaller size in EDNS counts as this one (RFC 6891 §6.2.3). */
export const minUdpPayload = 512

/** RR types (RFC 1035 §3.2.2, RFC 3596, RFC 6891), and the QTYPEs that ask for several records. */
export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

/** Classes (RFC 1035 §3.2.4). */
export const classes = { IN: 1, CH: 3, ANY: 255 } as const

/** Opcodes that we know (RFC 1035 §4.1.1, RFC 1996, RFC 2136); all others get NOTIMP. */
export const opcodes = { QUERY: 0, NOTIFY: 4, UPDATE: 5 } as const

/** Response codes (RFC 1035 §4.1.1). Those above 15 need an OPT record (RFC 6891 §6.1.3, RFC 7873 §8). */
export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const

/** Bits of the header's third octet (RFC 1035 §4.1.1). */
export const flags = { QR: 0x80, opcode: 0x78, AA: 0x04, TC: 0x02, RD: 0x01 } as const

/** Octets with a DataView, so that four can be read, compared or put at once. */
export class Octets extends Uint8Array {
  readonly view = new DataView(this.buffer, this.byteOffset, this.byteLength)
}

/** Returns the same memory as an Octets object. */
export function octetsOf({ buffer, byteOffset, length }: Uint8Array): Octets {
  return new Octets(buffer as ArrayBuffer, byteOffset, length)
}

/**
 * Returns a run of octets as 32-bit words. The last word ends where the run ends, so it may repeat up to three octets of the word
 * before it. A run of fewer than four octets has no words.
 */
export function wordsOf(run: Uint8Array): Int32Array {
  const { view, length } = octetsOf(run)
  return Int32Array.from({ length: length < 4 ? 0 : (length + 3) >>> 2 }, (_, index) =>
    view.getInt32(Math.min(index * 4, length - 4)),
  )
}

/** The 16-bit number at `offset`. */
export function get16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!
}

/** The 32-bit number at `offset`, signed. */
export function get32(bytes: Uint8Array, offset: number): number {
  return (get16(bytes, offset) << 16) | get16(bytes, offset + 2)
}

/** Puts a 16-bit number at `offset`. */
export function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8
  bytes[offset + 1] = value
}

/** Puts a 32-bit number at `offset`. */
export function put32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

/** Puts the run of `length` octets that `words` hold (see wordsOf) at `offset`. */
export function putWords(octets: Octets, offset: number, words: Int32Array, length: number): void {
  const { view } = octets
  const last = words.length - 1
  if (last < 0) return
  for (let index = 0; index < last; index++) view.setInt32(offset + index * 4, words[index]!)
  view.setInt32(offset + length - 4, words[last]!)
}
