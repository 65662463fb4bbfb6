// Fills a database with six days of a believable list: messages of some dozen hosts to traps, listings by hand, exceptions,
// removals and traps. Everything happens in this process, under a clock of its own that ends at the present.
import { createHash } from 'node:crypto'
import { Blocklist } from '../src/blocklist/blocklist.ts'
import type { Evidence } from '../src/classify/evidence.ts'
import type { EvidenceDetails } from '../src/classify/evidence-details.ts'
import type { BackscatterKind } from '../src/classify/kinds.ts'
import { policyOptions } from '../src/commands/options.ts'
import type { Config } from '../src/config/load.ts'
import { openStore } from '../src/store/database.ts'
import { TreeWriter } from '../src/tree/writer.ts'
import { address, prefix, silentLog } from '../test/support/door.ts'
import { seeded } from '../test/support/seeded.ts'

const hour = 3600
const day = 24 * hour
const hours = 6 * 24
const traps = [
  ...['anna.keller@trap.example.org', 'b.okafor@trap.example.org', 'sales@trap.example.org'],
  ...['j.lindqvist@trap.example.net', 'newsletter-2019@trap.example.net', 'tomas@trap.example.net'],
]

interface Sender {
  readonly client: string
  readonly kind: BackscatterKind
  readonly details: EvidenceDetails
  /** The hour of its first message, and how many hours pass until the next. */
  readonly from: number
  readonly every: number
  readonly to?: number
}

const software: readonly (readonly [BackscatterKind, string, string])[] = [
  ['dsn', 'postfix', 'Undelivered Mail Returned to Sender'],
  ['dsn', 'exim', 'Mail delivery failed: returning message to sender'],
  ['dsn', 'exchange', 'Undeliverable: Your invoice'],
  ['dsn', 'sendmail', 'Returned mail: see transcript for details'],
  ['dsn', 'qmail', 'failure notice'],
  ['auto-reply', 'exchange', 'Automatic reply: Your invoice'],
  ['auto-reply', 'dovecot', 'Out of office'],
  ['challenge-response', 'boxbe', 'Please confirm your message'],
  ['content-notice', 'amavis', 'VIRUS in message from you'],
]

const networks = ['192.0.2', '198.51.100', '203.0.113']

function senders(random: () => number): Sender[] {
  return Array.from({ length: 42 }, (_, index) => {
    const [kind = 'dsn', generator = '', subject = ''] = software[random() % software.length] ?? []
    const number = 5 + (random() % 240)
    const isIPv6 = index % 7 === 3
    const client = isIPv6 ? `2001:db8:${number}::25` : `${networks[index % 3]}.${number}`
    const name = `mx${1 + (random() % 4)}.host-${number}.example`
    const details = {
      ...{ helo: name, generator, subject },
      ...(kind === 'dsn' && { reportingMta: name, action: 'failed', status: '5.1.1' }),
    }
    return { client, kind, details, from: random() % (hours - 4), every: 2 + (random() % 20) }
  })
}

/** Two hosts that the pages show: one with public evidence, and one that was quiet for days, so that it may leave. */
export const shown = { listed: '198.51.100.25', removable: '203.0.113.77', unlisted: '192.0.2.200' }

const chosen: readonly Sender[] = [
  {
    ...{ client: shown.listed, kind: 'dsn', from: 20, every: 6 },
    details: {
      ...{ helo: 'mail.werkhof.example', reportingMta: 'mail.werkhof.example', status: '5.1.1' },
      ...{ generator: 'postfix', action: 'failed', subject: 'Undelivered Mail Returned to Sender' },
    },
  },
  {
    ...{ client: shown.listed, kind: 'auto-reply', from: 30, every: 11 },
    details: { helo: 'mail.werkhof.example', generator: 'dovecot', subject: 'Out of office' },
  },
  {
    ...{ client: shown.removable, kind: 'dsn', from: 30, every: 4, to: 60 },
    details: {
      ...{ helo: 'smtp.old-gateway.example', reportingMta: 'smtp.old-gateway.example' },
      ...{ generator: 'exim', action: 'failed', status: '5.1.1', subject: 'Mail delivery failed' },
    },
  },
]

/** Fills the database of this configuration, which must not be there yet. */
export async function fillDemonstration(config: Config): Promise<void> {
  const random = seeded(18)
  const end = Math.floor(Date.now() / 1000)
  let now = end - hours * hour
  const store = openStore(config.store.path)
  const blocklist = new Blocklist({
    ...{ store, log: silentLog, now: () => now, retired: false, minFreeBytes: 0 },
    tree: new TreeWriter(1 << 24),
    policy: policyOptions(config),
    validForSeconds: config.zone.validFor,
  })
  const all = [...chosen, ...senders(random)]
  for (let step = 0; step < hours; step++) {
    now += hour
    const due = all.filter(
      ({ from, every, to = hours }) => step >= from && step < to && (step - from) % every === 0,
    )
    const evidence = due.flatMap((sender) => {
      const base = random()
      // To two traps in the same hour, so that the public may see it.
      return [0, 1].map((index) =>
        message(sender, now - (random() % 1800), traps[(base + index) % traps.length]),
      )
    })
    await blocklist.record(evidence.sort((a, b) => a.seenAt - b.seenAt))
    await act(blocklist, step, now, all)
    await blocklist.expire()
  }
  blocklist.close()
  store.close()
}

let messages = 0

function message({ client, kind, details }: Sender, seenAt: number, recipient = ''): Evidence {
  const content = createHash('sha256').update(`${++messages}`).digest('hex')
  return {
    ...{ client: address(client), recipient, kind, details, seenAt, content, returned: content },
    certainty: 'certain',
    rule: kind === 'dsn' ? 'rfc3464-report' : 'auto-submitted',
    source: messages % 3 === 0 ? 'imap-traps' : 'smtp',
  }
}

const anna = { name: 'anna' }
const ben = { name: 'ben' }

/** What people did in this hour. */
async function act(
  blocklist: Blocklist,
  step: number,
  now: number,
  all: readonly Sender[],
): Promise<void> {
  const ask = async (some: readonly Sender[]): Promise<void> => {
    for (const { client } of some) {
      const network = client.includes(':') ? client.replace(/::.*/, '::/64') : client
      await blocklist.requestRemoval(address(client), prefix(network))
    }
  }
  const deeds: Readonly<Record<number, () => Promise<unknown>>> = {
    2: () => blocklist.addException('exemption', prefix('192.0.2.0/29'), 'our own relays', anna),
    3: () =>
      blocklist.addException(
        'exemption',
        prefix('2001:db8:53::/48'),
        'university, on request',
        anna,
      ),
    10: () => blocklist.addTrap('*@old-shop.example.net', ben),
    11: () => blocklist.addTrap('webmaster-1998@trap.example.com', anna),
    26: () =>
      byHand(
        '198.51.100.64/28',
        ['dsn', 'content-notice'],
        'gateway bounces its customers’ spam',
        now + 30 * day,
      ),
    48: () =>
      blocklist.addException('exclusion', prefix('198.51.100.70/32'), 'mended since March', ben),
    50: () => byHand('203.0.113.250/32', ['callout'], 'callouts around the clock', null),
    // Long after the first message, so that the rules allow it.
    90: () => ask(all.filter(({ from, every }) => from > 40 && from < 60 && every > 8).slice(0, 3)),
    // Too soon, so that the requests wait.
    141: () => ask(all.filter(({ from }) => from > 120).slice(0, 4)),
    142: () => blocklist.decideRemoval(4, 'refused', 'still bounces', ben),
  }
  const byHand = (
    network: string,
    kinds: BackscatterKind[],
    reason: string,
    expiresAt: number | null,
  ) => blocklist.list([{ prefix: prefix(network), kinds, reason, expiresAt }], anna)
  await deeds[step]?.()
}
