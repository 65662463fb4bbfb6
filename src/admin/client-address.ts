// Whose request it is: the peer's address, or the one that a trusted proxy names. For limits and nothing else; what a
// caller may do is never decided by an address.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import {
  type Address,
  contains,
  formatAddress,
  formatPrefix,
  networkOf,
  type Prefix,
  parseAddress,
  unmapped,
} from '../ip/address.ts'

/** An IPv6 host has a /64 to itself. */
const ipv6NetworkLength = 64

const peers = new WeakMap<Socket, Address>()

/**
 * The right-most address of X-Forwarded-For that is no trusted proxy's own, starting from the peer; what an
 * untrusted peer says is not read. A port after an address is passed over, as some proxies write one. What is no address
 * ends the search, since nothing left of it is proven: then, as when the peer has gone, the client is undefined, which
 * all such clients share and which is no loopback.
 */
export function clientAddress(
  request: IncomingMessage,
  trustedProxies: readonly Prefix[],
): Address | undefined {
  let client = peerOf(request.socket)
  if (client === undefined || trustedProxies.length === 0) return client
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
  while (isTrusted(client, trustedProxies)) {
    const entry = forwarded.pop()?.trim() ?? ''
    // The proxy itself asks, or a check of its own.
    if (entry === '') break
    const next = readPeer(withoutPort(entry))
    if (next === undefined) return undefined
    client = next
  }
  return client
}

/** Text that is equal for requests that share a limit: an IPv4 address, or an IPv6 host's /64. */
export function limitKey(client: Address | undefined): string {
  if (client === undefined) return 'unknown'
  return client.family === 4
    ? formatAddress(client)
    : formatPrefix(networkOf(client, ipv6NetworkLength))
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(client: Address | undefined): boolean {
  if (client === undefined) return false
  const { family, w0, w1, w2, w3 } = client
  return family === 4 ? w0 >>> 24 === 127 : w0 === 0 && w1 === 0 && w2 === 0 && w3 === 1
}

/** Whether a connection's peer is held to no limit: the loopback, and a proxy, which stands for many clients. */
export function isFree(socket: Socket, trustedProxies: readonly Prefix[]): boolean {
  const peer = peerOf(socket)
  return peer !== undefined && (isLoopback(peer) || isTrusted(peer, trustedProxies))
}

/** Read once for each connection: it carries many requests. */
export function peerOf(socket: Socket): Address | undefined {
  const known = peers.get(socket)
  if (known !== undefined) return known
  const peer = readPeer(socket.remoteAddress ?? '')
  if (peer !== undefined) peers.set(socket, peer)
  return peer
}

function readPeer(text: string): Address | undefined {
  const parsed = parseAddress(text)
  return 'value' in parsed ? unmapped(parsed.value) : undefined
}

/** "192.0.2.1:1234" and "[2001:db8::1]:1234", "[2001:db8::1]" too, without port and brackets (RFC 7239 §6). */
function withoutPort(entry: string): string {
  const match = /^\[([^\]]*)\](?::\d{1,5})?$|^([\d.]+):\d{1,5}$/.exec(entry)
  return match?.[1] ?? match?.[2] ?? entry
}

function isTrusted(client: Address, trustedProxies: readonly Prefix[]): boolean {
  return trustedProxies.some((proxy) => contains(proxy, client))
}
