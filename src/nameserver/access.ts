// Access rules → which clients are answered; the longest prefix decides. The main thread compiles the rules into plain arrays.
// Each thread gets a clone of them and searches it for every query.
import type { ClientAddress } from '../dns/query-context.ts'
import { type Access, access } from '../dns/responder.ts'
import type { Prefix } from '../ip/address.ts'

export interface AccessRule {
  readonly prefix: Prefix
  readonly action: keyof typeof access
}

/** All addresses of a family as ranges without gaps: the start of each (four words; IPv4 is in the first), and its action. */
interface Ranges {
  readonly starts: Uint32Array
  readonly actions: Uint8Array
}

export interface AccessTable {
  readonly ipv4: Ranges
  readonly ipv6: Ranges
}

/** Compiles the rules. A client without a rule is allowed. If two rules have the same prefix, the later one counts. */
export function compileAccess(rules: readonly AccessRule[]): AccessTable {
  return { ipv4: compileFamily(rules, 4), ipv6: compileFamily(rules, 6) }
}

/** What may be done with this client's queries. */
export function accessOf(table: AccessTable, client: ClientAddress): Access {
  const { starts, actions } = client.family === 4 ? table.ipv4 : table.ipv6
  let low = 0
  let high = actions.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (isBefore(client, starts, middle * 4)) high = middle - 1
    else low = middle
  }
  return (actions[low] ?? access.allow) as Access
}

function isBefore(client: ClientAddress, starts: Uint32Array, at: number): boolean {
  const first = starts[at] ?? 0
  const w0 = client.w0 >>> 0
  if (w0 !== first) return w0 < first
  const second = starts[at + 1] ?? 0
  const w1 = client.w1 >>> 0
  if (w1 !== second) return w1 < second
  const third = starts[at + 2] ?? 0
  const w2 = client.w2 >>> 0
  return w2 === third ? client.w3 >>> 0 < (starts[at + 3] ?? 0) : w2 < third
}

function compileFamily(rules: readonly AccessRule[], family: 4 | 6): Ranges {
  const spans = rules
    .filter(({ prefix }) => prefix.family === family)
    .map(({ prefix, action }) => {
      const start = firstAddress(prefix)
      return { start, end: start + (1n << BigInt(128 - prefix.length)), action: access[action] }
    })
    // Outer prefixes come before inner ones. The sort is stable, so the later of two equal prefixes decides.
    .toSorted((a, b) => compare(a.start, b.start) || compare(b.end, a.end))
  const boundaries = new Map<bigint, Access>([[0n, access.allow]])
  const open: { end: bigint; action: Access }[] = []
  const close = (until: bigint): void => {
    for (let top = open.at(-1); top !== undefined && top.end <= until; top = open.at(-1)) {
      open.pop()
      boundaries.set(top.end, open.at(-1)?.action ?? access.allow)
    }
  }
  for (const { start, end, action } of spans) {
    close(start)
    boundaries.set(start, action)
    open.push({ end, action })
  }
  const space = 1n << 128n
  close(space)
  const ranges = [...boundaries]
    .filter(([start]) => start < space)
    .toSorted(([a], [b]) => compare(a, b))
  return {
    starts: Uint32Array.from(ranges.flatMap(([start]) => wordsOf(start))),
    actions: Uint8Array.from(ranges.map(([, action]) => action)),
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b)
}

function firstAddress({ w0, w1, w2, w3 }: Prefix): bigint {
  return [w0, w1, w2, w3].reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n)
}

function wordsOf(value: bigint): number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn))
}
