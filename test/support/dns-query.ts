// Builds queries octet by octet, so that tests can send what no client would. Independent of src/dns.

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const

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

export interface EdnsOptions {
  readonly payload?: number
  readonly version?: number
  /** The whole 16-bit flags field; 0x8000 is DO. */
  readonly flags?: number
  readonly options?: readonly { readonly code: number; readonly data: readonly number[] }[]
}

export interface QueryOptions {
  readonly id?: number
  readonly opcode?: number
  readonly class?: number
  /** Further bits of the 16-bit flags field: RD 0x100, Z 0x40, AD 0x20, CD 0x10. */
  readonly flags?: number
  readonly edns?: EdnsOptions
}

export const queryFlags = { RD: 0x100, RA: 0x80, Z: 0x40, AD: 0x20, CD: 0x10, QR: 0x8000 } as const

/** A name in wire form, case kept. Labels are Latin-1. */
export function wireName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  const wire = labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')])
  return Buffer.from([...wire, 0])
}

/** A query with one question and, if asked for, an OPT record. */
export function buildQuery(name: string, type: number, options: QueryOptions = {}): Buffer {
  const { id = 0x4242, opcode = 0, class: qclass = 1, flags = 0, edns } = options
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(flags | (opcode << 11), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10)
  const fields = Buffer.alloc(4)
  fields.writeUInt16BE(type, 0)
  fields.writeUInt16BE(qclass, 2)
  const opt = edns === undefined ? Buffer.alloc(0) : buildOpt(edns)
  return Buffer.concat([header, wireName(name), fields, opt])
}

/** EDNS option codes: RFC 5001, 7873, 8914. */
export const optionCodes = { nsid: 3, cookie: 10, extendedError: 15 } as const

/** Padding (RFC 7830) that makes a query large enough for a large answer. */
export const padding = { code: 12, data: Array.from({ length: 120 }, () => 0) }

/** An OPT record (RFC 6891 §6.1.2). */
export function buildOpt(edns: EdnsOptions): Buffer {
  const { payload = 1232, version = 0, flags = 0, options = [] } = edns
  const data = Buffer.concat(
    options.map((option) => {
      const head = Buffer.alloc(4)
      head.writeUInt16BE(option.code, 0)
      head.writeUInt16BE(option.data.length, 2)
      return Buffer.concat([head, Buffer.from(option.data)])
    }),
  )
  const fixed = Buffer.alloc(11)
  fixed.writeUInt16BE(types.OPT, 1)
  fixed.writeUInt16BE(payload, 3)
  fixed.writeUInt8(version, 6)
  fixed.writeUInt16BE(flags, 7)
  fixed.writeUInt16BE(data.length, 9)
  return Buffer.concat([fixed, data])
}

/** The EDNS options of a message by code; empty without an OPT record. */
export function readOptions(message: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>()
  let at = 12
  for (let count = message.readUInt16BE(4); count > 0; count--) at = skipName(message, at) + 4
  const records = [6, 8, 10].reduce((sum, offset) => sum + message.readUInt16BE(offset), 0)
  for (let count = records; count > 0; count--) {
    const fixed = skipName(message, at)
    at = fixed + 10 + message.readUInt16BE(fixed + 8)
    if (message.readUInt16BE(fixed) !== types.OPT) continue
    for (let option = fixed + 10; option < at; ) {
      const next = option + 4 + message.readUInt16BE(option + 2)
      options.set(message.readUInt16BE(option), message.subarray(option + 4, next))
      option = next
    }
  }
  return options
}

function skipName(message: Buffer, offset: number): number {
  let at = offset
  for (;;) {
    const length = message.readUInt8(at)
    if (length >= 0xc0) return at + 2
    at += 1 + length
    if (length === 0) return at
  }
}

/**
 * The labels with which a DNSBL is asked for an IPv4 address, or for an IPv6 address written in full (eight groups).
 */
export function reversed(address: string): string {
  if (!address.includes(':')) return address.split('.').toReversed().join('.')
  const nibbles = address.split(':').map((group) => group.padStart(4, '0'))
  return [...nibbles.join('')].toReversed().join('.')
}
