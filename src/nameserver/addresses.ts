// Reads and writes the addresses of the name server's sockets and clients, as text and in the kernel's form.
import type { ClientAddress } from '../dns/query-context.ts'
import { OperationalError } from '../errors.ts'
import { parseAddress, splitHostPort } from '../ip/address.ts'

export interface ListenAddress {
  readonly family: 4 | 6
  /** An address, never a name; IPv6 without brackets. */
  readonly host: string
  /** 0 takes any free port, the same for UDP and TCP. */
  readonly port: number
}

/** Reads `IPV4:PORT` or `[IPV6]:PORT`. Throws OperationalError 'address-unavailable' if the text is neither. */
export function parseListenAddress(text: string): ListenAddress {
  const given = splitHostPort(text)
  const address = given && parseAddress(given.host)
  const family = address && 'value' in address ? address.value.family : undefined
  if (!given || !family || given.isBracketed !== (family === 6) || given.port > 65_535) {
    throw new OperationalError(
      'address-unavailable',
      `${text}: expected IPV4:PORT or [IPV6]:PORT to listen on`,
    )
  }
  return { family, host: given.host, port: given.port }
}

/** Writes an address in the form that parseListenAddress reads. */
export function formatListenAddress({ family, host, port }: ListenAddress): string {
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where this machine reaches a server that listens on `listen`: on loopback if that is every address. */
export function reachedAt(listen: string): string {
  const { host, port } = parseListenAddress(listen)
  if (host === '0.0.0.0') return `127.0.0.1:${port}`
  return host === '::' ? `[::1]:${port}` : listen
}

/** Reads a client's address as Node writes it: IPv4, or IPv6, which may have a zone id. Other text changes nothing. */
export function readClientText(text: string, into: ClientAddress): void {
  const parsed = parseAddress(text.replace(/%.*/, ''))
  if ('value' in parsed) Object.assign(into, parsed.value)
}

/** Reads Linux's `struct sockaddr_in` or `sockaddr_in6` at `offset`. The address stands at octet 4 or 8 of it. */
export function readClientSockaddr(
  view: DataView,
  offset: number,
  family: 4 | 6,
  into: ClientAddress,
): void {
  into.family = family
  if (family === 4) {
    into.w0 = view.getInt32(offset + 4)
    into.w1 = 0
    into.w2 = 0
    into.w3 = 0
    return
  }
  into.w0 = view.getInt32(offset + 8)
  into.w1 = view.getInt32(offset + 12)
  into.w2 = view.getInt32(offset + 16)
  into.w3 = view.getInt32(offset + 20)
}
