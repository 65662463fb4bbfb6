// Says in words what is wrong with a running server, and what mends it.
import { roughSize } from '../quantity.ts'
import type { ServerState } from './schemas/server.ts'

export interface Fault {
  /** What is wrong: one sentence without its full stop. It may hold text of a mail server. */
  readonly what: string
  /** What the operator can do. '' if the sentence says it. */
  readonly remedy: string
}

type Finder = (stats: ServerState, formatTime: (rfc3339: string) => string) => readonly Fault[]

const restart: Finder = ({ needRestart = [] }) =>
  needRestart.length === 0
    ? []
    : [
        {
          what: `a change of ${needRestart.join(', ')} in the configuration waits for a restart`,
          remedy: '',
        },
      ]

const database: Finder = ({ writeFailure }, formatTime) =>
  writeFailure === undefined
    ? []
    : [
        {
          what: `the database cannot be written since ${formatTime(writeFailure.since)}: ${writeFailure.why}`,
          remedy: 'make room or repair the disk: the server tries again every second',
        },
      ]

const disk: Finder = ({ disk: room }) =>
  room === undefined || room.freeBytes >= room.neededBytes
    ? []
    : [
        {
          what: `the disk has ${roughSize(room.freeBytes)} free, and mail needs ${roughSize(room.neededBytes)}: no mail is accepted`,
          remedy: 'make room on the disk of the database',
        },
      ]

const clock: Finder = ({ clockHeld }, formatTime) =>
  clockHeld === undefined
    ? []
    : [
        {
          what:
            `the clock has been held since ${formatTime(clockHeld.since)}: ` +
            `the wall clock jumped to ${formatTime(clockHeld.wallClock)}`,
          remedy: '“backscatterd reload” confirms it',
        },
      ]

const freshness: Finder = ({ validUntil }, formatTime) =>
  Date.parse(validUntil) >= Date.now()
    ? []
    : [
        {
          what: `the list is stale since ${formatTime(validUntil)}: nothing was published within zone.validFor`,
          remedy: 'the log says why',
        },
      ]

const tree: Finder = ({ tree: { nearlyFull } }) =>
  nearlyFull ? [{ what: 'the tree is nearly full', remedy: 'raise dns.capacity and restart' }] : []

const threads: Finder = ({ threads: all = [] }) =>
  all
    .filter(({ isAnswering }) => !isAnswering)
    .map(({ name }) => ({
      what: `the thread ${name} does not answer: it is being restarted`,
      remedy: 'the log says why it ended',
    }))

const mailboxes: Finder = ({ mailboxes: all }, formatTime) =>
  all
    .filter(({ state }) => state === 'failing')
    .map(({ name, lastError, lastErrorDetail, retryAt }) => {
      const detail = lastErrorDetail ? ` (${lastErrorDetail})` : ''
      const again = retryAt === null ? '' : `; tried again at ${formatTime(retryAt)}`
      return {
        what: `mailbox ${name} fails: ${lastError}${detail}${again}`,
        remedy: '“backscatterd doctor” on the server finds out why',
      }
    })

const secondaries: Finder = ({ secondaries: all = [] }, formatTime) =>
  all
    .filter(({ state }) => state === 'silent' || state === 'refused')
    .map(({ address, state, serial, answeredAt }) => {
      const last = answeredAt === null ? 'it never did' : `it last did at ${formatTime(answeredAt)}`
      if (state === 'refused') {
        return {
          what: `the secondary ${address} refuses NOTIFY of serial ${serial}`,
          remedy:
            'look in its log: it may not know the zone, this address or the key of dns.transfer',
        }
      }
      return {
        what: `the secondary ${address} does not answer NOTIFY of serial ${serial}; ${last}`,
        remedy: 'check that it runs, and that its firewall and its dns.key let NOTIFY in',
      }
    })

const finders = [
  ...[database, disk, clock, freshness, tree],
  ...[threads, mailboxes, secondaries, restart],
]

/** What needs the operator, the same order each time. `formatTime`: shows a time that is given in RFC 3339. */
export function faultsOf(stats: ServerState, formatTime: (rfc3339: string) => string): Fault[] {
  return finders.flatMap((find) => find(stats, formatTime))
}
