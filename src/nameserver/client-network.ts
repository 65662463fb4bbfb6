// The network that stands for a client wherever clients are counted, limited or logged: /24 or /56, as BIND and Knot
// have it. Nothing finer than it leaves the server.
import type { ClientAddress } from './client-address.ts'

const octetMask = 0xffffff00 | 0

/** Its first word: an IPv4 /24, or the first half of an IPv6 /56. */
export function networkWord0({ family, w0 }: ClientAddress): number {
  return family === 4 ? w0 & octetMask : w0 | 0
}

/** Its second word; 0 for IPv4. */
export function networkWord1({ family, w1 }: ClientAddress): number {
  return family === 4 ? 0 : w1 & octetMask
}

/** A keyed hash of the network: neither clients nor those who forge them can tell which others share its place. */
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
  if (family === 4) return `${[w0 >>> 24, (w0 >>> 16) & 255, (w0 >>> 8) & 255, 0].join('.')}/24`
  const groups = [w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff]
  while (groups.at(-1) === 0) groups.pop()
  const text = groups.map((group) => group.toString(16)).join(':')
  return `${text}::/56`
}
