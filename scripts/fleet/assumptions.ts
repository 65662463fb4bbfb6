// What nobody can measure here: how a list of that size would live. scripts/fleet.ts prints these with its figures.
export const assumptions = {
  /** Of all entries: networks of 64 bits. The others are single IPv4 addresses. */
  ipv6Share: 0.1,
  /** Days from an entry's first message to its end. Each entry is two changes: it comes and it goes. */
  stayDays: 14,
  /** Messages of each host that is listed: two list it, one extends it. */
  messagesPerEntry: 3,
  /** The busiest second has so many times the mean of the day, in questions and in messages. */
  peak: 5,
  /** At the peak, a name server's processors are busy for this share. */
  busyShare: 0.5,
  /** Secondaries there are at least, for distance and failures. */
  leastSecondaries: 6,
  /** Gigabytes of memory that a secondary has. */
  secondaryGigabytes: 64,
  /** Megabits a second between the machines. */
  megabits: 1000,
  /** Megabytes a second that the primary's disk writes. */
  diskMegabytes: 200,
  /** Terabytes that it holds. */
  diskTerabytes: 4,
  /** Seconds that an operator would bear: until DNS answers after a start; until all secondaries have the whole zone again. */
  startSeconds: 60,
  transferSeconds: 3600,
  /** Seconds for which a secondary may be away and still get only the changes. */
  absenceSeconds: 3600,
} as const
