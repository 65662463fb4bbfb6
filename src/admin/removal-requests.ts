// Takes requests to be removed from the list, from the HTTP interface and from the page of a look-up, with one set of limits.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Blocklist } from '../blocklist/blocklist.ts'
import type { Refusal, RemovalAnswer } from '../blocklist/types.ts'
import {
  type Address,
  contains,
  formatPrefix,
  hostPrefix,
  type Prefix,
  parseGivenAddress,
} from '../ip/address.ts'
import { ClientCounts, isLocal, limitKey, type RefusalLog, readClient } from './client-limits.ts'
import type { AdminLimits } from './options.ts'
import { readPrefix } from './parse-params.ts'
import { isProblem, malformed, type Problem, problem, shown } from './problem.ts'

const hourMs = 3_600_000
/** Requests an hour that one client may send without a key. */
const maxOfClient = 10
/** Requests an hour for one prefix without a key. Strangers who use them up can delay a removal only until the hour ends. */
const maxForPrefix = 5

const closed = problem(
  403,
  'forbidden',
  'this server takes no requests for removal: ask the operator of the list',
)

/** A request that the blocklist has answered. */
interface Taken {
  /** The address or network that it names. */
  readonly asked: Prefix
  readonly answer: RemovalAnswer | Refusal
}

interface RemovalRequestsOptions {
  readonly blocklist: Blocklist
  readonly limits: () => AdminLimits
  readonly refusals: RefusalLog
}

export class RemovalRequests {
  readonly #options: RemovalRequestsOptions
  readonly #ofClient = new ClientCounts()
  readonly #forPrefix = new ClientCounts()

  constructor(options: RemovalRequestsOptions) {
    this.#options = options
  }

  /** Takes one request for the address or network of this text. A client that must wait is told so in `reply` too. */
  async take(
    text: string,
    { caller, ip }: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Taken | Problem> {
    const { blocklist, limits, refusals } = this.#options
    if (!limits().takesRemovals) return closed
    const asked = readAsked(text)
    if (isProblem(asked)) return asked
    const prefix = blocklist.removablePrefix(asked)
    if (prefix === undefined) {
      return malformed(`${shown(text)}: expected an address, or an IPv6 network that is listed`)
    }
    const client = readClient(ip)
    if (caller.scope === 'public' && !isLocal(client)) {
      const seconds = this.#secondsToWait(client, prefix)
      if (seconds !== undefined) {
        refusals.note(limitKey(client), 'too many requests')
        reply.header('retry-after', seconds)
        const detail = `too many requests for removal: try again in ${seconds} s`
        return problem(429, 'too-many-requests', detail)
      }
    }
    return { asked, answer: await blocklist.requestRemoval(asked, prefix) }
  }

  /**
   * Counts a request and returns when the client may send the next one, or undefined if this one is within the limits. What
   * others ask for a prefix does not keep its own hosts waiting.
   */
  #secondsToWait(client: Address | undefined, prefix: Prefix): number | undefined {
    const own = this.#ofClient.count(limitKey(client), hourMs)
    if (own.current > maxOfClient) return Math.ceil(own.ttl / 1000)
    if (client && contains(prefix, hostPrefix(client))) return undefined
    const all = this.#forPrefix.count(formatPrefix(prefix), hourMs)
    return all.current > maxForPrefix ? Math.ceil(all.ttl / 1000) : undefined
  }
}

/** Reads an address, which becomes a prefix of full length, or a network. */
function readAsked(text: string): Prefix | Problem {
  if (text.includes('/')) return readPrefix(text)
  const address = parseGivenAddress(text)
  return 'why' in address ? malformed(`${shown(text)}: ${address.why}`) : hostPrefix(address.value)
}
