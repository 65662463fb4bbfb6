// /v1/import: a whole list in, as a stream, in place of what the list held.

import { errorCodes } from 'fastify'
import type { Refusal, RefusedLine } from '../../blocklist/types.ts'
import { readFeed } from '../../feeds/feed.ts'
import type { App, AppOptions } from '../app.ts'
import { problem, refusalProblem, sendProblem, shown } from '../problem.ts'
import { Imported, ImportQuery, problems } from '../schemas.ts'
import { type Scope, scopeIncludes } from '../scopes.ts'

/** Octets of the largest list: its entries are counted too, so this keeps out only what never ends. */
const maxBodyBytes = 2 * 1024 ** 3

/** The last one is what curl says of any body. The format is not taken from it: the query says that. */
const otherTypes = [
  ...['text/csv', 'application/x-ndjson', 'application/jsonl', 'application/octet-stream'],
  'application/x-www-form-urlencoded',
]

export function importRoutes(app: App, { blocklist, now }: AppOptions): void {
  app.register(async (scope) => {
    // Read as it comes.
    scope.removeAllContentTypeParsers()
    const readAsItComes = ['text/plain', ...otherTypes]
    scope.addContentTypeParser(readAsItComes, (_request, payload, done) => done(null, payload))
    scope.addContentTypeParser('*', ({ headers: { 'content-type': type } }, payload, done) => {
      if (type === undefined) done(null, payload)
      else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(type))
    })
    scope.post(
      '/v1/import',
      {
        config: { scope: 'write', takes: 'text/plain', takesToo: otherTypes },
        bodyLimit: maxBodyBytes,
        schema: {
          summary: 'Replace a named list',
          description:
            'The body is the list in its format, as text/plain, text/csv, application/x-ndjson or plain octets. What ' +
            'the list held is replaced at once and as a whole; wrong lines are left out and reported, or with strict refuse all of it. ' +
            'One that is empty, or takes away more than half of a list of over 100 entries, is refused without force. ' +
            'With dryRun nothing is changed, and the answer says what would be.',
          querystring: ImportQuery,
          response: { 200: Imported, ...problems(400, 401, 403, 409, 413, 415, 422, 503) },
        },
      },
      async (request, reply) => {
        const {
          list,
          format = 'text',
          type,
          strict = 'false',
          force,
          dryRun,
        } = request.query as ImportQuery
        const { scope } = request.caller
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
          isForced: force === 'true',
          isDryRun: dryRun === 'true',
          actor: request.caller,
        })
        if (!('added' in outcome)) return sendProblem(reply, importProblem(outcome, scope))
        return {
          ...outcome,
          ...(dryRun === 'true' && { dryRun: true }),
          refused: outcome.refused.map((each) => lineFor(scope, each)),
        }
      },
    )
  })
}

/** A list that is wrong as a whole was understood, and cannot be taken: 422, not 400. */
function importProblem(refusal: Refusal & { readonly line?: RefusedLine }, scope: Scope) {
  if (refusal.refused !== 'invalid') return refusalProblem(refusal)
  const { line, why } = refusal
  const told = line === undefined || scopeIncludes(scope, 'admin') ? why : lineOnly(line)
  return problem(422, 'list-refused', `nothing was changed: ${told}`)
}

/** A wrong line as the scope may see it: below admin its text only where that is as short and plain as an entry. */
function lineFor(scope: Scope, line: RefusedLine): RefusedLine {
  return scopeIncludes(scope, 'admin') ? line : { ...line, text: shown(line.text) }
}

function lineOnly({ line, text, why }: RefusedLine): string {
  return `line ${line}: ${shown(text)}: ${why}`
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
