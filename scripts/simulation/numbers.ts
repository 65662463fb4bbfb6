// The numbers of the model that scripts/simulate.ts describes. Rates are a day, spans are days, shares are of 1.

/** Shares of the kinds. */
const kinds = { dsn: 0.8, 'auto-reply': 0.12, 'challenge-response': 0.03, 'content-notice': 0.05 }
const mostlyAway = { dsn: 0.5, 'auto-reply': 0.5, 'challenge-response': 0, 'content-notice': 0 }

export const numbers = {
  days: 182,
  traps: 40,
  offenders: {
    hosts: 250,
    // Messages a day to all of our traps, log-normal and cut.
    medianRate: 0.3,
    sigma: 1.5,
    mostRate: 20,
    // Shares of hosts that are mended on one of the days, and of those that send in campaigns only.
    mended: 0.3,
    campaigns: 0.3,
    campaignEvery: 20,
    campaignDays: 3,
    ipv6: 0.1,
    // Shares of messages to the trap that is forged most that day, and of those that return the same message again.
    sameTrap: 0.7,
    sameReturned: 0.2,
    kinds,
  },
  wellRun: { hosts: 500, rate: 1 / 180, kinds: mostlyAway },
  pools: {
    hosts: 60,
    rate: 0.5,
    kinds: mostlyAway,
  },
  sites: {
    hosts: 300,
    bombings: 12,
    // In each bombing: the share of sites at which so many traps are signed up.
    shareBombed: 0.2,
    trapsBombed: 3,
    // From each site to each trap.
    furtherMessages: 2,
    furtherDays: 30,
  },
  forwarders: {
    // Of each of the three groups.
    hosts: 40,
    letters: 0.1,
    backscatter: 0.05,
    // Days on which the user's own address is forged.
    waves: 2,
    waveMessages: 30,
    kinds,
  },
  poisoners: {
    knownTraps: [1, 3],
    // Attacks once in so many days.
    every: 26,
    // To each host with each trap. Whoever is away answers each trap once.
    messages: 4,
    awayUsers: 2,
    hosts: {
      bounces: 20,
      vacations: 20,
      challenges: 10,
      notices: 10,
      'sign-ups': 20,
      relays: 5,
      'large providers': 5,
      'own hosts': 5,
    },
  },
}

export type Numbers = typeof numbers
