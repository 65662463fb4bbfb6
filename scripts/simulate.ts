// Simulates six months of a list under several policies, and prints who is listed, for how long, and who is hit that should not be.
//   node scripts/simulate.ts [FOLDER…] [--seed N] [--days N] [--scale SHARE]
// FOLDER: labelled mail, as scripts/score.ts takes it. Without any, the samples in test/bounces are used. --scale: the share of the
// hosts that are simulated. The same mail, seed, days and scale print the same figures.
//
// The verdicts are real: each message of the model is a labelled one that the classifier has judged, with another client, trap,
// time and returned message. The decisions are real: the blocklist records every message as of its time. Only the hosts are made
// up. Nobody knows how often hosts send to traps, so the numbers (simulation/numbers.ts) are guesses; compare policies by them.
//
// - Offenders accept mail that they cannot deliver, or answer it. Each has one system, so its messages are all certain or all
//   likely. Some are mended one day, some send only while spammers forge our traps for a few days.
// - Well-run hosts do it seldom: a disk that is full, an answering machine. They are innocent, and so are all that follow.
// - Pool members are outbound servers of large providers, for many customers. Some of these have answering machines.
// - Sites send confirmations, newsletters, tickets and the like because bombers subscribe traps to them.
// - Forwarders hand on all mail of a former user whose new address has become a trap: letters, and the backscatter that his own
//   address gets, most of it in waves. Its To field names the user's old address. Forwarders without To also hand on bounces whose
//   To names nobody. Rewriting forwarders write the new address into To, and so look like bouncing hosts.
// - Poisoners know one or three traps, and get strangers' hosts listed: they forge a trap as sender to hosts that bounce
//   (bounces), answer (vacations, challenges) or give notice of a virus (notices); they sign traps up; they send forged bounces
//   through small shared relays, through large providers, or from hosts of their own. Each attack tries other hosts.
import { parseArgs } from 'node:util'
import type { PolicyOptions } from '../src/blocklist/policy.ts'
import { checkedPrefix, policyOptions } from '../src/commands/options.ts'
import { loadConfig } from '../src/config/load.ts'
import { exampleFile } from './config-docs.ts'
import { populate } from './simulation/groups.ts'
import { type Numbers, numbers } from './simulation/numbers.ts'
import { run } from './simulation/run.ts'
import { innocentTable, type Outcome, offenderTable, poisonTable } from './simulation/tables.ts'
import { readTemplates } from './simulation/templates.ts'
import { daySeconds, ranges, World } from './simulation/world.ts'

const standard: PolicyOptions = {
  ...policyOptions(loadConfig({ file: exampleFile, env: {}, cwd: '.' })),
  allowSpecial: ranges.map(checkedPrefix),
}

const policies: Readonly<Record<string, PolicyOptions>> = {
  default: standard,
  'dsn: traps = 2': {
    ...standard,
    threshold: { ...standard.threshold, dsn: { ...standard.threshold.dsn, traps: 2 } },
  },
  'likely = "list"': { ...standard, likely: 'list' },
  'holdFor = "1d"': { ...standard, holdForSeconds: daySeconds },
  'pools = false': { ...standard, pools: false },
  'strict: 1 message': withThresholds(1, 1),
  'lax: 5 messages, 3 traps': withThresholds(5, 3),
}

function withThresholds(messages: number, traps: number): PolicyOptions {
  const each = { ...standard.threshold.dsn, messages, traps }
  const threshold = {
    dsn: each,
    'auto-reply': each,
    'challenge-response': each,
    'content-notice': each,
    callout: each,
  }
  return { ...standard, threshold }
}

const { positionals, values } = readArguments()
const templates = readTemplates(positionals)
const chosen = scaled(numbers, share(values.scale))
const world = new World(
  wholeNumber('seed', values.seed),
  wholeNumber('days', values.days),
  chosen.traps,
)
populate(world, chosen, templates)
console.log(
  `${world.messages.length} messages from ${world.hosts.length} hosts in ${world.days} days; seed ${world.seed}; mail: ${templates.source}\n`,
)
const outcomes: Outcome[] = []
for (const [name, policy] of Object.entries(policies)) {
  outcomes.push({ policy: name, fates: await run(world, { policy, asking: 'nobody' }) })
}
const removals: Outcome[] = []
for (const asking of ['mended', 'all'] as const) {
  const fates = await run(world, { policy: standard, asking })
  removals.push({ policy: `default, ${asking} ask`, fates })
}
console.log(
  `${chosen.offenders.hosts} offenders: how many are listed, their listings by the last term, and days: the median and, in brackets,
what nine of ten do not exceed. Free: of all days on which one sent something, the share on which it was not listed. In the last
two rows those that have sent their last message, or all, ask daily to be removed.\n`,
)
console.log(offenderTable([...outcomes, ...removals], world.days))
console.log('Innocents that are listed, and for how many days in all:\n')
console.log(innocentTable(outcomes))
for (const known of chosen.poisoners.knownTraps) {
  const traps = known === 1 ? '1 trap' : `${known} traps`
  console.log(
    `Hosts that a poisoner who knows ${traps} gets listed in a day, and how many he tries:\n`,
  )
  console.log(poisonTable(outcomes, known))
}

function readArguments() {
  const options = {
    seed: { type: 'string', default: '1' },
    days: { type: 'string', default: String(numbers.days) },
    scale: { type: 'string', default: '1' },
  } as const
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    return endUsage((error as Error).message)
  }
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  const isRight = Number.isInteger(number) && number > 0
  return isRight ? number : endUsage(`--${name} ${text}: expected a whole number above 0`)
}

function share(text: string): number {
  const number = Number(text)
  return number > 0 && number <= 1 ? number : endUsage(`--scale ${text}: expected a share up to 1`)
}

function endUsage(why: string): never {
  console.error(why)
  console.error('usage: node scripts/simulate.ts [FOLDER…] [--seed N] [--days N] [--scale SHARE]')
  process.exit(2)
}

/** The same model with a share of the hosts of each group. */
function scaled(whole: Numbers, part: number): Numbers {
  const most = <T extends { readonly hosts: number }>(group: T): T => ({
    ...group,
    hosts: Math.ceil(group.hosts * part),
  })
  const hosts = Object.entries(whole.poisoners.hosts).map(([way, all]) => [
    way,
    Math.ceil(all * part),
  ])
  return {
    ...whole,
    offenders: most(whole.offenders),
    wellRun: most(whole.wellRun),
    pools: most(whole.pools),
    sites: most(whole.sites),
    forwarders: most(whole.forwarders),
    poisoners: {
      ...whole.poisoners,
      hosts: Object.fromEntries(hosts) as Numbers['poisoners']['hosts'],
    },
  }
}
