// Who asks, as the transports know it → the words of an Exchange: from Node's text, or from the kernel's socket
// address. Called for each datagram and for each TCP connection.
import type { Exchange } from '../dns/query-context.ts'

/** The part of an Exchange that says who asks. */
export type ClientAddress = Pick<Exchange, 'family' | 'w0' | 'w1' | 'w2' | 'w3'>

const ipv6Groups = 8

/** Reads an address in the text form that Node gives it: IPv4, or IPv6 with an optional zone id, IPv4-mapped too. */
export function readClientText(text: string, into: ClientAddress): void {
  if (!text.includes(':')) {
    into.family = 4
    into.w0 = ipv4Word(text)
    into.w1 = 0
    into.w2 = 0
    into.w3 = 0
    return
  }
  const groups = expandIPv6(text)
  into.family = 6
  into.w0 = wordOf(groups, 0)
  into.w1 = wordOf(groups, 2)
  into.w2 = wordOf(groups, 4)
  into.w3 = wordOf(groups, 6)
}

/** Reads a `struct sockaddr_in` or `sockaddr_in6` of Linux at `offset`: the address stands at octet 4, or 8. */
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

/** The network that stands for one client in limits: an IPv4 address, or the /64 that an IPv6 subscriber has to choose from. */
export function clientNetwork({ family, w0, w1 }: ClientAddress): string {
  return family === 4 ? `4 ${w0}` : `6 ${w0} ${w1}`
}

function ipv4Word(text: string): number {
  let word = 0
  let octet = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x2e) {
      word = (word << 8) | octet
      octet = 0
    } else {
      octet = octet * 10 + code - 0x30
    }
  }
  return (word << 8) | octet
}

function expandIPv6(text: string): number[] {
  const [address = ''] = text.split('%')
  const [head = '', tail] = address.split('::')
  const before = groupsOf(head)
  if (tail === undefined) return before
  const after = groupsOf(tail)
  const zeros = Array.from({ length: ipv6Groups - before.length - after.length }, () => 0)
  return [...before, ...zeros, ...after]
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const word = ipv4Word(group)
    return [word >>> 16, word & 0xffff]
  })
}

function wordOf(groups: readonly number[], index: number): number {
  return ((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0)
}
