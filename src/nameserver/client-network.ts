// The network that stands for a client. Queries are counted, limited and logged by /24 or /56, as in BIND and Knot; a client's
// full address never leaves the server. TCP connections are counted by IPv4 address or IPv6 /64.
import type { ClientAddress } from '../dns/query-context.ts'
import { formatPrefix, networkOf } from '../ip/address.ts'

const octetMask = 0xffffff00 | 0

/** First word of the network: an IPv4 /24, or the first half of an IPv6 /56. */
export function networkWord0({ family, w0 }: ClientAddress): number {
  return family === 4 ? w0 & octetMask : w0 | 0
}

/** Second word of the network; 0 for IPv4. */
export function networkWord1({ family, w1 }: ClientAddress): number {
  return family === 4 ? 0 : w1 & octetMask
}

/** The key under which a client's connections are counted: its IPv4 address, or the /64 of an IPv6 subscriber. */
export function connectionNetwork({ family, w0, w1 }: ClientAddress): string {
  return family === 4 ? `4 ${w0}` : `6 ${w0} ${w1}`
}

/** A keyed hash of the network. Without the key, nobody can work out which networks share a place in a table. */
export function hashNetwork(client: ClientAddress, seed0: number, seed1: number): number {
  let hash = Math.imul(networkWord0(client) ^ seed0, 0x9e3779b1)
  hash ^= hash >>> 15
  hash = Math.imul(hash ^ networkWord1(client) ^ (client.family << 3), 0x85ebca77)
  hash ^= hash >>> 13
  hash = Math.imul(hash ^ seed1, 0xc2b2ae3d)
  return hash ^ (hash >>> 16)
}

/** `192.0.2.0/24` or `2001:db8:0:ff00::/56`. */
export function formatNetwork(family: 4 | 6, w0: number, w1: number): string {
  return formatPrefix(networkOf({ family, w0, w1, w2: 0, w3: 0 }, family === 4 ? 24 : 56))
}
