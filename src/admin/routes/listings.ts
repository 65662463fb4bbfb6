// /v1/listings: shows present and past listings, also entries of named lists. Lists and delists by hand: either all prefixes
// of a request or none.
import { createHash } from 'node:crypto'
import { listingAt, listingsPage } from '../../blocklist/pages.ts'
import {
  type Expectation,
  isRefusal,
  isRequestRefusal,
  type ListOutcome,
  type Refusal,
  type RequestRefusal,
} from '../../blocklist/types.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest, readExpiry, readPrefix, readPrefixes } from '../parse-params.ts'
import {
  isProblem,
  malformed,
  notFound,
  type Problem,
  problem,
  refusalProblem,
  requestProblem,
} from '../problem.ts'
import { itemsOf, pageOf, problems, withTimes } from '../schemas/basics.ts'
import {
  IfMatch,
  Listed,
  Listing,
  ListingParams,
  ListingPatch,
  ListingQuery,
  NewListing,
  PrefixesQuery,
} from '../schemas/listings.ts'

export function listingRoutes(app: App, { blocklist, store, now }: AppOptions): void {
  app.get(
    '/v1/listings',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listListings',
        summary: 'Show what is or was listed',
        description:
          'Those by traps and by hand, the newest first or as sort says, followed by the entries of named lists, sorted by list ' +
          'and address. With prefix, all are sorted by length and address. A page may have fewer items than its limit, or none; more follow unless nextCursor is null.',
        querystring: ListingQuery,
        response: { 200: pageOf(Listing), ...problems() },
      },
    },
    ({ query }) => listingsBody({ store, now }, query),
  )

  app.post(
    '/v1/listings',
    {
      config: { scope: 'write' },
      schema: {
        operationId: 'createListings',
        summary: 'List by hand',
        description:
          'Give one `prefix`, or several `prefixes`: either all of them are listed or none. A prefix that is listed by ' +
          'hand already is extended, never shortened. Without a term it is listed for `policy.longestListing`; `expiresAt: ' +
          'null` lists it for good. 201: something is newly listed. 200: all of it was listed before.',
        body: NewListing,
        response: {
          200: Listed,
          201: Listed,
          ...problems(422),
        },
      },
    },
    async ({ body, caller }, reply) => {
      const { prefix: single, prefixes: several, kinds = [], reason } = body
      if ((single === undefined) === (several === undefined)) {
        return malformed('body: give either prefix or prefixes')
      }
      const prefixes = readPrefixes(several ?? [single ?? ''])
      if (isProblem(prefixes)) return prefixes
      const term = readExpiry(body, now())
      if (isProblem(term)) return term
      const requests = prefixes.map((prefix) => ({ prefix, kinds, reason, ...term }))
      return reply.answerChange<ListOutcome[] | RequestRefusal>(
        (alongside) => blocklist.list(requests, caller, alongside),
        (outcomes) => {
          if (isRequestRefusal(outcomes)) return requestProblem(outcomes)
          const items = outcomes.map(({ outcome, listing }) => ({
            outcome,
            listing: withTimes(listing),
          }))
          const status = items.some(({ outcome }) => outcome === 'listed') ? 201 : 200
          const [first] = items
          if (several !== undefined || first === undefined) return { status, body: { items } }
          return { status, body: first.listing, location: `/v1/listings/${first.listing.id}` }
        },
      )
    },
  )

  app.delete(
    '/v1/listings',
    {
      config: { scope: 'write' },
      schema: {
        operationId: 'deleteListings',
        summary: 'Take entries off the list',
        description:
          'Takes exactly these prefixes off, whatever listed them. Of several prefixes all are taken off or none. If only ' +
          'a larger network is listed, it is a 404 that names it.',
        querystring: PrefixesQuery,
        response: { 200: itemsOf(Listing), ...problems(404) },
      },
    },
    async ({ query, caller }) => {
      const prefixes = readPrefixes(query.prefix)
      if (isProblem(prefixes)) return prefixes
      const removed = await blocklist.delist(prefixes, caller)
      if (isRequestRefusal(removed)) return requestProblem(removed)
      return { items: removed.map(withTimes) }
    },
  )

  app.get(
    '/v1/listings/:id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getListing',
        summary: 'Show a listing',
        description: 'By its id. The ETag of the answer is what PATCH wants as If-Match.',
        params: ListingParams,
        response: { 200: Listing, ...problems(400, 404) },
      },
    },
    async ({ params }, reply) => {
      const body = listingBody({ store, now }, params.id)
      if (!isProblem(body)) reply.header('etag', entityTag(body))
      return body
    },
  )

  app.patch(
    '/v1/listings/:id',
    {
      config: { scope: 'write' },
      schema: {
        operationId: 'updateListing',
        summary: 'Change a listing',
        description:
          'Sets the members that are given; the others stay as they are. Send the ETag that GET answered as If-Match, so ' +
          'that nobody else’s change is lost. An entry of a list is changed by importing the list.',
        headers: IfMatch,
        params: ListingParams,
        body: ListingPatch,
        response: {
          200: Listing,
          ...problems(404, 409, 412, 428),
        },
      },
    },
    async ({ params, body: patch, headers, caller }, reply) => {
      const id = listingId(params.id)
      const ifMatch = headers['if-match']
      if (ifMatch === undefined) return needsMatch
      const term = readExpiry(patch, now())
      if (isProblem(term)) return term
      const { kinds, reason } = patch
      const change = { kinds, reason, ...term }
      const outcome = await blocklist.amend(id, change, expectation(ifMatch), caller)
      if (isRefusal(outcome)) return amendProblem(outcome, id)
      const body = withTimes(outcome.listing)
      reply.header('etag', entityTag(body))
      return body
    },
  )

  app.delete(
    '/v1/listings/:id',
    {
      config: { scope: 'write' },
      schema: {
        operationId: 'deleteListing',
        summary: 'Take one listing off',
        description:
          'By its id. With If-Match only if nobody has changed it. An entry of a list stays off until its list is imported ' +
          'again.',
        headers: IfMatch,
        params: ListingParams,
        response: { 200: Listing, ...problems(400, 404, 409, 412) },
      },
    },
    async ({ params, headers, caller }) => {
      const id = listingId(params.id)
      const expected = expectation(headers['if-match'] ?? '*')
      const outcome = await blocklist.delistOne(id, expected, caller)
      return isRefusal(outcome) ? amendProblem(outcome, id) : withTimes(outcome.listing)
    },
  )
}

/** The page of listings that a query asks for. */
export async function listingsBody(
  { store, now }: Pick<AppOptions, 'store' | 'now'>,
  query: ListingQuery,
) {
  const { limit: _limit, cursor: _cursor, prefix: text, ...filter } = query
  const prefix = text === undefined ? undefined : readPrefix(text, 'querystring/prefix')
  if (isProblem(prefix)) return prefix
  const page = await listingsPage(store, { ...filter, prefix }, pageRequest(query), now())
  return pageBody(page, withTimes)
}

/** The listing with the id of a path, or a 404. The text has passed `ListingParams`. */
export function listingBody(
  { store, now }: Pick<AppOptions, 'store' | 'now'>,
  text: string,
): Listing | Problem {
  const id = listingId(text)
  const listing = listingAt(store, id, now())
  return listing === undefined ? noSuch(id) : withTimes(listing)
}

/** Converts the id in a path to the form that listings have. */
function listingId(text: string): number | string {
  return text.includes(':') ? text : Number(text)
}

/** The strong entity tag (RFC 9110 §8.8.3) of a listing's body. */
export function entityTag(body: Listing): string {
  const digest = createHash('sha256').update(JSON.stringify(body)).digest('base64url')
  return `"${digest.slice(0, 22)}"`
}

/** Returns the check that If-Match demands (RFC 9110 §13.1.1): the listing's body has one of the tags, or a tag is `*`. */
function expectation(ifMatch: string): Expectation {
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  return (listing) => tags.includes('*') || tags.includes(entityTag(withTimes(listing)))
}

const needsMatch = problem(
  428,
  'precondition-required',
  'send If-Match with the ETag that GET answered, so that nobody else’s change is lost',
)

function amendProblem(refusal: Refusal, id: number | string): Problem {
  return refusal.refused === 'not-listed' ? noSuch(id) : refusalProblem(refusal, `listing ${id}`)
}

function noSuch(id: number | string): Problem {
  const which = typeof id === 'number' ? `listing ${id}` : 'entry of this list and prefix'
  return notFound(`there is no ${which}`)
}
