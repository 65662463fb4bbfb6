// Fills a world with the groups of hosts that scripts/simulate.ts describes.
import { sharedPools } from '../../src/traps/shared-pools.ts'
import type { Numbers } from './numbers.ts'
import { Random } from './random.ts'
import type { Template, Templates } from './templates.ts'
import {
  type Forwarders,
  forwarderGroups,
  type Life,
  type PoisonWay,
  poisonWays,
  timeOf,
  type World,
} from './world.ts'

/** What a group is made of. */
interface Makings {
  readonly world: World
  readonly numbers: Numbers
  readonly templates: Templates
}

export function populate(world: World, numbers: Numbers, templates: Templates): void {
  const makings = { world, numbers, templates }
  addOffenders(makings)
  addWellRunHosts(makings)
  addPoolMembers(makings)
  addSites(makings)
  addForwarders(makings)
  addPoisoners(makings)
}

type Kind = keyof Templates['backscatter']
type KindShares = Readonly<Record<Kind, number>>

/** A message of a kind that is drawn by these shares. */
function backscatterOf(templates: Templates, shares: KindShares, random: Random): Template {
  const kinds = Object.entries(shares).map(([kind, weight]) => ({ kind: kind as Kind, weight }))
  return random.weighted(templates.backscatter[random.weighted(kinds).kind])
}

function addOffenders({ world, numbers, templates }: Makings): void {
  const { days, traps } = world
  const { offenders } = numbers
  const life: Life = ({ random, send }) => {
    const template = backscatterOf(templates, offenders.kinds, random)
    const rate = Math.min(random.around(offenders.medianRate, offenders.sigma), offenders.mostRate)
    const first = random.below(Math.ceil(days / 3))
    const manner = random.share()
    const isMended = manner < offenders.mended
    const hasCampaigns = !isMended && manner < offenders.mended + offenders.campaigns
    const last = isMended ? first + random.below(days - first) : days
    const busier = hasCampaigns ? offenders.campaignEvery / offenders.campaignDays : 1
    let campaignUntil = first
    let returned = random.digest()
    for (let day = first; day < last; day++) {
      if (random.chance(1 / offenders.campaignEvery)) campaignUntil = day + offenders.campaignDays
      if (hasCampaigns && day >= campaignUntil) continue
      const forged = random.pick(traps)
      for (let left = random.events(rate * busier); left > 0; left--) {
        if (!random.chance(offenders.sameReturned)) returned = random.digest()
        const recipient = random.chance(offenders.sameTrap) ? forged : random.pick(traps)
        send({ template, recipient, seenAt: timeOf(day, random), returned })
      }
    }
  }
  const random = new Random(world.seed, 'offenders')
  for (let index = 0; index < offenders.hosts; index++) {
    world.addHost('offenders', `mail${index}.offender.example`, life, random.chance(offenders.ipv6))
  }
}

function addWellRunHosts({ world, numbers: { wellRun }, templates }: Makings): void {
  const life = occasional(world, wellRun.rate, (random) =>
    backscatterOf(templates, wellRun.kinds, random),
  )
  for (let index = 0; index < wellRun.hosts; index++) {
    world.addHost('well-run hosts', `mail${index}.well-run.example`, life)
  }
}

/** A life of messages to any trap at any time. */
function occasional(world: World, rate: number, templateBy: (random: Random) => Template): Life {
  return ({ random, send }) => {
    for (let left = random.events(rate * world.days); left > 0; left--) {
      const day = random.below(world.days)
      const recipient = random.pick(world.traps)
      send({ template: templateBy(random), recipient, seenAt: timeOf(day, random) })
    }
  }
}

function addPoolMembers({ world, numbers: { pools }, templates }: Makings): void {
  const life = occasional(world, pools.rate, (random) =>
    backscatterOf(templates, pools.kinds, random),
  )
  for (let index = 0; index < pools.hosts; index++) {
    world.addHost('pool members', poolName(index), life)
  }
}

/** The name of an outbound server of a large provider. */
function poolName(index: number): string {
  const { suffixes } = sharedPools[index % sharedPools.length] ?? { suffixes: [] }
  return `mail${index}.${suffixes[0]}`
}

function addSites({ world, numbers: { sites }, templates }: Makings): void {
  const draw = new Random(world.seed, 'bombings')
  const bombings = Array.from({ length: sites.bombings }, () => ({
    day: draw.below(world.days),
    traps: Array.from({ length: sites.trapsBombed }, () => draw.pick(world.traps)),
  }))
  const life: Life = ({ random, send }) => {
    const confirmation = random.weighted(templates.innocent)
    for (const { day, traps } of bombings) {
      if (!random.chance(sites.shareBombed)) continue
      for (const recipient of traps) {
        send({ template: confirmation, recipient, seenAt: timeOf(day, random) })
        for (let left = random.events(sites.furtherMessages); left > 0; left--) {
          const template = random.weighted(templates.innocent)
          const later = day + random.below(sites.furtherDays)
          send({ template, recipient, seenAt: timeOf(later, random) })
        }
      }
    }
  }
  for (let index = 0; index < sites.hosts; index++) {
    world.addHost('sites', `www${index}.site.example`, life)
  }
}

function addForwarders({ world, numbers: { forwarders }, templates }: Makings): void {
  const { days, traps } = world
  const lifeOf = (user: string, group: Forwarders): Life => {
    const isForwarded = ({ hasTo }: Template): boolean => hasTo || group !== 'forwarders'
    return ({ random, send }) => {
      const recipient = random.pick(traps)
      const addressee = {
        to: group === 'rewriting forwarders' ? recipient : user,
        author: user,
      }
      const forward = (template: Template, day: number): void => {
        if (isForwarded(template))
          send({ template, recipient, seenAt: timeOf(day, random), addressee })
      }
      const waves = Array.from({ length: forwarders.waves }, () => random.below(days))
      for (let day = 0; day < days; day++) {
        for (let left = random.events(forwarders.letters); left > 0; left--) {
          forward(random.weighted(templates.innocent), day)
        }
        const inWave = waves.includes(day) ? forwarders.waveMessages : 0
        for (let left = random.events(forwarders.backscatter + inWave); left > 0; left--) {
          forward(backscatterOf(templates, forwarders.kinds, random), day)
        }
      }
    }
  }
  for (const group of forwarderGroups) {
    for (let index = 0; index < forwarders.hosts; index++) {
      const name = `mx${index}.${group.replaceAll(' ', '-')}.example`
      world.addHost(group, name, lifeOf(`user@${name}`, group))
    }
  }
}

/** Each attack tries other hosts, so how many one attack lists does not depend on how many there are. */
function addPoisoners({ world, numbers: { poisoners }, templates }: Makings): void {
  for (const known of poisoners.knownTraps) {
    for (let day = 0; day < world.days; day += poisoners.every) {
      for (const way of poisonWays) {
        const life: Life = ({ random, send }) => {
          const template = poisonOf(way, templates, random)
          for (const recipient of world.traps.slice(0, known)) {
            const times = way === 'vacations' ? poisoners.awayUsers : poisoners.messages
            for (let left = times; left > 0; left--) {
              send({ template, recipient, seenAt: timeOf(day, random) })
            }
          }
        }
        for (let index = 0; index < poisoners.hosts[way]; index++) {
          const name = `mail${index}.day${day}.example`
          world.addHost(
            `${way}, ${known}`,
            way === 'large providers' ? poolName(index) : name,
            life,
          )
        }
      }
    }
  }
}

/** What a host sends in an attack. In forged reports, the poisoner writes what is certain. */
function poisonOf(way: PoisonWay, { backscatter, innocent }: Templates, random: Random): Template {
  const forged = backscatter.dsn.filter(
    ({ evidence }) => evidence.client !== null && evidence.certainty === 'certain',
  )
  const choices: Readonly<Record<PoisonWay, readonly Template[]>> = {
    bounces: backscatter.dsn,
    vacations: backscatter['auto-reply'],
    challenges: backscatter['challenge-response'],
    notices: backscatter['content-notice'],
    'sign-ups': innocent,
    relays: forged,
    'large providers': forged,
    'own hosts': forged,
  }
  return random.weighted(choices[way])
}
