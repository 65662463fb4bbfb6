// A hunter of traps knows a thousand addresses, of which at most three are traps. It sends bounces from hosts of its own, does
// something different for each group of addresses, and watches everything public. DNS tells it that a host is listed, and since
// when. Whatever else it learns points to no group because of one trap alone, except by the number of messages.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { quietSince } from '../../../src/blocklist/public-evidence.ts'
import {
  address,
  type Door,
  day,
  evidence,
  openDoor,
  prefix,
  start,
  testPolicy,
} from '../../support/door.ts'

const hour = 3600
const groups = 10
/** Until the first term is over, what DNS tells is only when the listing began: its end tells of the last hit. */
const days = 7
/** Any of them, since only who is a trap matters. */
const candidatesInGroup = 100
const mostTraps = 3
const midnight = start - (start % day)

type Message = Parameters<typeof evidence>[0] & { readonly details?: Record<string, string> }

/**
 * How messages to one group look: the message, when it is sent, and how many there are. With two, one trap is enough to list the
 * host: with one each, DNS itself would tell of two traps.
 */
interface Plan {
  readonly message?: Message
  readonly at?: number
  /** They are sent again each day. */
  readonly isDaily?: true
  readonly count?: number
}

type Strategy = (group: number) => Plan

const plain = { helo: 'mx.hunter.net', reportingMta: 'mx.hunter.net', generator: 'exim' }
const byField =
  (name: string, values: readonly string[]): Strategy =>
  (group) => ({
    message: { details: { ...plain, [name]: values[group % values.length] ?? '' } },
  })
const names = Array.from({ length: groups }, (_, group) => `mx${group}.hunter.net`)

/**
 * The class of the number of messages is public. It has three values, so it may tell in which tenth of the addresses a trap is, and
 * never which address it is.
 */
const byNumber = 'number of messages'

const strategies: Readonly<Record<string, Strategy>> = {
  HELO: byField('helo', names),
  'reporting MTA': byField('reportingMta', names),
  generator: byField('generator', ['postfix', 'exim', 'qmail', 'sendmail', 'exchange']),
  status: byField(
    'status',
    names.map((_, group) => `5.1.${group}`),
  ),
  'HELO, or none': (group) => ({ message: { details: group % 3 ? plain : {} } }),
  [byNumber]: (group) => ({ count: 2 + 3 * group }),
  'HELO of one group alone': (group) => ({
    message: { details: { ...plain, helo: group === 0 ? 'a.hunter.net' : 'b.hunter.net' } },
  }),
  'an hour of one group alone': (group) => ({ at: group === 0 ? hour : 0, count: 2 }),
  'the number for one group alone': (group) => ({ count: group === 0 ? 30 : 2 }),
  'certainty of one group alone': (group) => ({
    message: { certainty: group === 0 ? 'likely' : 'certain' },
  }),
  certainty: (group) => ({ message: { certainty: group % 3 ? 'likely' : 'certain' } }),
  kind: (group) => ({ message: { kind: group % 3 ? 'dsn' : 'auto-reply' }, count: 3 }),
  hour: (group) => ({ at: group * hour, count: 2 }),
  'hour, all fields': (group) => ({
    ...{ at: group * hour, count: 2 },
    message: { details: { ...plain, helo: names[group] ?? '' } },
  }),
  day: (group) => ({ at: group * day, count: 2 }),
  'day, and each day to all before': (group) => ({ at: group * day, isDaily: true }),
  'half a day': (group) => ({ at: group * 13 * hour, count: 2 }),
  'three in a day': (group) => ({ at: Math.floor(group / 3) * day + (group % 3) * hour, count: 2 }),
  'day and HELO': (group) => ({
    ...{ at: Math.floor(group / 2) * day, count: 2 },
    message: { details: { ...plain, helo: names[group] ?? '' } },
  }),
}

/** The groups of one, two or three traps, in every way, and how likely each is. The hunter does not know how many there are. */
function placements(): { readonly placed: number[]; readonly share: number }[] {
  let sets: number[][] = [[]]
  const found: { placed: number[]; share: number }[] = []
  for (let count = 1; count <= mostTraps; count++) {
    sets = sets.flatMap((set) =>
      Array.from({ length: groups }, (_, group) => group)
        .filter((group) => group >= (set.at(-1) ?? 0))
        .map((group) => [...set, group]),
    )
    const all = choose(groups * candidatesInGroup, count) * mostTraps
    for (const placed of sets) {
      const ways = [...Map.groupBy(placed, (each) => each).values()]
        .map(({ length }) => choose(candidatesInGroup, length))
        .reduce((product, each) => product * each, 1)
      found.push({ placed, share: ways / all })
    }
  }
  return found
}

function choose(n: number, k: number): number {
  return k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k
}

interface Seen {
  readonly placed: readonly number[]
  readonly share: number
  /** When DNS began to answer, and with which kinds. */
  readonly dns: string
  /** Everything else that anyone sees, at each hour in which something changed. */
  readonly shown: string
}

/** Plays a strategy for each placement, on a host of its own. */
async function play(t: TestContext, strategy: Strategy): Promise<Seen[]> {
  const once = { messages: 2, traps: 1, windowSeconds: 7 * day }
  const { threshold } = testPolicy()
  const policy = testPolicy({ likely: 'list', threshold: { ...threshold, 'auto-reply': once } })
  const door = openDoor(t, { policy, now: midnight })
  const hosts = placements().map((each, index) => ({
    ...each,
    client: `20.0.${index >> 8}.${index & 255}`,
    dns: [] as string[],
    shown: [] as string[],
  }))
  for (let now = midnight; now < midnight + days * day; now += hour) {
    door.now = now
    await door.blocklist.expire()
    const sent = hosts.flatMap(({ client, placed }) => messagesAt(client, placed, strategy, now))
    if (sent.length > 0) await door.blocklist.record(sent)
    for (const host of hosts) look(door, host)
  }
  return hosts.map(({ placed, share, dns, shown }) => ({
    ...{ placed, share, dns: dns.join('\n'), shown: shown.join('\n') },
  }))
}

function messagesAt(
  client: string,
  placed: readonly number[],
  strategy: Strategy,
  now: number,
): ReturnType<typeof evidence>[] {
  return placed.flatMap((group, index) => {
    const { message = {}, at = 0, count = 2, isDaily } = strategy(group)
    const age = now - midnight - at
    if (age !== 0 && !(isDaily && age > 0 && age % day === 0)) return []
    const recipient = `trap${index}@trap.example.org`
    const all = { details: plain, ...message, client, recipient, seenAt: now }
    return Array.from({ length: count }, () => evidence(all))
  })
}

/** Notes what has changed since the last look. */
function look(door: Door, host: { client: string; dns: string[]; shown: string[] }): void {
  const {
    query: _,
    prefix: _prefix,
    listed,
    kinds,
    codes,
    ...reason
  } = door.blocklist.find(address(host.client))
  const note = (lines: string[], value: unknown): void => {
    const text = JSON.stringify(value)
    if (!lines.at(-1)?.endsWith(text)) lines.push(`${(door.now - midnight) / hour} ${text}`)
  }
  note(host.dns, [listed, kinds, codes])
  const [row] = door.store.listings.currentAt(prefix(host.client))
  const context = { store: door.store } as Parameters<typeof quietSince>[0]
  const removal = listed && row ? quietSince(context, row) : null
  note(host.shown, { ...reason, removal })
}

/** The groups that hold a trap in each of these placements. */
function namedBy(seen: readonly Seen[]): number[] {
  return Array.from({ length: groups }, (_, group) => group).filter((group) =>
    seen.every(({ placed }) => placed.includes(group)),
  )
}

function entropy(classes: Iterable<readonly Seen[]>): number {
  return [...classes]
    .map((each) => each.reduce((sum, { share }) => sum + share, 0))
    .reduce((sum, share) => sum - share * Math.log2(share), 0)
}

for (const [name, strategy] of Object.entries(strategies)) {
  test(`a hunter that tells addresses apart by ${name} is pointed to no single trap`, async (t) => {
    const seen = await play(t, strategy)
    const byDns = Map.groupBy(seen, ({ dns }) => dns)
    const byAll = Map.groupBy(seen, ({ dns, shown }) => `${dns}\n${shown}`)
    const bits = entropy(byAll.values()) - entropy(byDns.values())
    let pointed = 0
    for (const alike of byAll.values()) {
      const [{ dns = '' } = {}] = alike
      const known = new Set(namedBy(byDns.get(dns) ?? []))
      const told = namedBy(alike).filter((group) => !known.has(group))
      if (told.length === 0) continue
      const inThem = ({ placed }: Seen) => placed.filter((group) => told.includes(group)).length
      const fewest = Math.min(...alike.map(inThem))
      assert.ok(
        fewest >= (name === byNumber ? 1 : 2),
        `groups ${told} hold one trap: ${JSON.stringify(alike.slice(0, 3))}`,
      )
      pointed += alike.reduce((sum, { share }) => sum + share, 0)
    }
    t.diagnostic(
      `${bits.toFixed(2)} bits beyond DNS; ${(100 * pointed).toFixed(1)} % point to groups with two traps or more`,
    )
  })
}
