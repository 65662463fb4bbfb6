// /v1/import: a whole list in, as a stream, in place of what the list held.
import type { Refusal } from '../../blocklist/outcomes.ts'
import { readFeed } from '../../feeds/feed.ts'
import type { App, AppOptions } from '../app.ts'
import { problem, refusalProblem, sendProblem } from '../problem.ts'
import { Imported, ImportQuery, problems } from '../schemas.ts'

/** Octets of the largest list: its entries are counted too, so this keeps out only what never ends. */
const maxBodyBytes = 2 * 1024 ** 3

export function importRoutes(app: App, { blocklist, now }: AppOptions): void {
  app.register(async (scope) => {
    // Every media type is a list here, and is read as it comes.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    scope.post(
      '/v1/import',
      {
        config: { scope: 'write', takes: 'text/plain' },
        bodyLimit: maxBodyBytes,
        schema: {
          summary: 'Replace a named list',
          description:
            'The body is the list in its format, of any media type. What the list held is replaced at once and as a ' +
            'whole; wrong lines are left out and reported, or with strict refuse all of it.',
          querystring: ImportQuery,
          response: { 200: Imported, ...problems(400, 401, 403, 409, 413, 422, 503) },
        },
      },
      async (request, reply) => {
        const { list, format = 'text', type, strict = 'false' } = request.query as ImportQuery
        if (type !== undefined && format !== 'rbldnsd') {
          return sendProblem(reply, problem(400, 'malformed', 'type is for format rbldnsd alone'))
        }
        if (request.body === undefined || request.body === null) {
          // Nobody empties a list by forgetting to send one.
          return sendProblem(
            reply,
            problem(400, 'malformed', 'the list is missing: send it as the body'),
          )
        }
        if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()
        const body = request.body as AsyncIterable<Uint8Array>
        const feed = { format, now: now(), ...(type !== undefined && { type }) }
        const outcome = await blocklist.import({
          list,
          items: readFeed(limited(body), feed),
          isStrict: strict === 'true',
          actor: request.caller,
        })
        if (!('added' in outcome)) return sendProblem(reply, importProblem(outcome))
        return { ...outcome, refused: [...outcome.refused] }
      },
    )
  })
}

/** A list that is wrong as a whole was understood, and cannot be taken: 422, not 400. */
function importProblem(refusal: Refusal) {
  if (refusal.refused !== 'invalid') return refusalProblem(refusal)
  return problem(422, 'list-refused', `nothing was changed: ${refusal.why}`)
}

async function* limited(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of octets) {
    total += chunk.length
    if (total > maxBodyBytes) throw tooLarge()
    yield chunk
  }
}

function tooLarge(): Error {
  return Object.assign(new Error('the body is too large'), {
    statusCode: 413,
    code: 'FST_ERR_CTP_BODY_TOO_LARGE',
  })
}
