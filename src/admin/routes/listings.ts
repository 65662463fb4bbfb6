// /v1/listings: what is or was listed, entries of named lists too, and listing and delisting by hand, all of a request or
// none of it.
import {
  type Expectation,
  isRefusal,
  isRequestRefusal,
  type ListOutcome,
  type Refusal,
  type RequestRefusal,
} from '../../blocklist/types.ts'
import type { App, AppOptions } from '../app.ts'
import { entityTag } from '../entity-tag.ts'
import { type Answer, sendAnswer } from '../idempotency.ts'
import { readExpiry, readPrefix, readPrefixes } from '../parse-params.ts'
import {
  isProblem,
  type Problem,
  problem,
  refusalProblem,
  requestProblem,
  sendProblem,
} from '../problem.ts'
import {
  defaultPageSize,
  itemsOf,
  Listed,
  Listing,
  ListingParams,
  ListingPatch,
  ListingQuery,
  listingBody,
  listingId,
  NewListing,
  PrefixesQuery,
  pageOf,
  problems,
} from '../schemas.ts'

export function listingRoutes(app: App, { blocklist, now }: AppOptions): void {
  app.get(
    '/v1/listings',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'What is or was listed',
        description:
          'Newest first, then the entries of named lists by list and address; with prefix all by length and address. A ' +
          'page may have fewer items than its limit, or none: there is more as long as nextCursor is not null.',
        querystring: ListingQuery,
        response: { 200: pageOf(Listing), ...problems(400, 401, 403) },
      },
    },
    async (request, reply) => {
      const { limit = defaultPageSize, cursor, prefix: text, ...filter } = request.query
      const prefix = text === undefined ? undefined : readPrefix(text)
      if (isProblem(prefix)) return sendProblem(reply, prefix)
      const page = await blocklist.listings(
        { ...filter, ...(prefix && { prefix }) },
        { limit, ...(cursor !== undefined && { cursor }) },
      )
      if (isRefusal(page)) return sendProblem(reply, refusalProblem(page))
      return { items: page.items.map(listingBody), nextCursor: page.nextCursor }
    },
  )

  app.post(
    '/v1/listings',
    {
      config: { scope: 'write' },
      schema: {
        body: NewListing,
        response: {
          200: Listed,
          201: Listed,
          ...problems(400, 401, 403, 409, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const { prefix: single, prefixes: several, kinds = [], reason } = request.body
      if ((single === undefined) === (several === undefined)) {
        return sendProblem(reply, problem(400, 'malformed', 'body: give either prefix or prefixes'))
      }
      const prefixes = readPrefixes(several ?? [single ?? ''])
      if (isProblem(prefixes)) return sendProblem(reply, prefixes)
      const term = readExpiry(request.body, now())
      if (isProblem(term)) return sendProblem(reply, term)
      const { expiresAt } = term
      const requests = prefixes.map((prefix) => ({
        ...{ prefix, kinds },
        ...(reason !== undefined && { reason }),
        ...(expiresAt !== undefined && { expiresAt }),
      }))
      const answerOf = (outcomes: ListOutcome[] | RequestRefusal): Answer | Problem => {
        if (isRequestRefusal(outcomes)) return requestProblem(outcomes)
        const items = outcomes.map(({ outcome, listing }) => ({
          ...{ outcome, listing: listingBody(listing) },
        }))
        const status = items.some(({ outcome }) => outcome === 'listed') ? 201 : 200
        const [first] = items
        if (several !== undefined || first === undefined) return { status, body: { items } }
        return { status, body: first.listing, location: `/v1/listings/${first.listing.id}` }
      }
      const outcomes = await blocklist.list(requests, request.caller, reply.alongside(answerOf))
      return sendAnswer(reply, answerOf(outcomes))
    },
  )

  app.delete(
    '/v1/listings',
    {
      config: { scope: 'write' },
      schema: {
        querystring: PrefixesQuery,
        response: { 200: itemsOf(Listing), ...problems(400, 401, 403, 404, 503) },
      },
    },
    async (request, reply) => {
      const prefixes = readPrefixes(request.query.prefix)
      if (isProblem(prefixes)) return sendProblem(reply, prefixes)
      const removed = await blocklist.delist(prefixes, request.caller)
      if (isRequestRefusal(removed)) return sendProblem(reply, requestProblem(removed))
      return { items: removed.map(listingBody) }
    },
  )

  app.get(
    '/v1/listings/:id',
    {
      config: { scope: 'read' },
      schema: {
        params: ListingParams,
        response: { 200: Listing, ...problems(400, 401, 403, 404, 414) },
      },
    },
    async (request, reply) => {
      const id = listingId(request.params)
      const listing = blocklist.listing(id)
      if (listing === undefined) return sendProblem(reply, noSuch(id))
      const body = listingBody(listing)
      reply.header('etag', entityTag(body))
      return body
    },
  )

  app.patch(
    '/v1/listings/:id',
    {
      config: { scope: 'write' },
      schema: {
        params: ListingParams,
        body: ListingPatch,
        response: {
          200: Listing,
          ...problems(400, 401, 403, 404, 409, 412, 413, 414, 415, 428, 503),
        },
      },
    },
    async (request, reply) => {
      const id = listingId(request.params)
      const ifMatch = request.headers['if-match']
      if (ifMatch === undefined) return sendProblem(reply, needsMatch)
      const term = readExpiry(request.body, now())
      if (isProblem(term)) return sendProblem(reply, term)
      const { kinds, reason } = request.body
      const { expiresAt } = term
      const change = {
        ...(kinds !== undefined && { kinds }),
        ...(reason !== undefined && { reason }),
        ...(expiresAt !== undefined && { expiresAt }),
      }
      const outcome = await blocklist.amend(id, change, expectation(ifMatch), request.caller)
      if (isRefusal(outcome)) return sendProblem(reply, amendProblem(outcome, id))
      const body = listingBody(outcome.listing)
      reply.header('etag', entityTag(body))
      return body
    },
  )

  app.delete(
    '/v1/listings/:id',
    {
      config: { scope: 'write' },
      schema: {
        params: ListingParams,
        response: { 200: Listing, ...problems(400, 401, 403, 404, 409, 412, 414, 503) },
      },
    },
    async (request, reply) => {
      const id = listingId(request.params)
      const expected = expectation(request.headers['if-match'] ?? '*')
      const outcome = await blocklist.delistOne(id, expected, request.caller)
      if (isRefusal(outcome)) return sendProblem(reply, amendProblem(outcome, id))
      return listingBody(outcome.listing)
    },
  )
}

/** If-Match (RFC 9110 §13.1.1) over the listing as it is shown: any, or one of the tags, compared strongly. */
function expectation(ifMatch: string): Expectation {
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  return (listing) => tags.includes('*') || tags.includes(entityTag(listingBody(listing)))
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
  return problem(404, 'not-found', `there is no ${which}`)
}
