// Whole lists, as streams. /v1/import: a list in, in place of what it held. /v1/export: a named list, or all that is
// listed, as of one moment, as fast as the reader takes it.
import { Readable } from 'node:stream'
import { errorCodes } from 'fastify'
import Type from 'typebox'
import type { Refusal, RefusedLine } from '../../blocklist/types.ts'
import { mediaTypeOf, readFeed, writeFeed } from '../../feeds/feed.ts'
import type { App, AppOptions } from '../options.ts'
import { malformed, notFound, type Problem, problem, refusalProblem, shown } from '../problem.ts'
import { problems } from '../schemas/basics.ts'
import { ExportQuery, Imported, ImportQuery } from '../schemas/listings.ts'
import { operator, type Scope, scopeIncludes } from '../scopes.ts'

/** Octets of the largest list. Its entries are limited too, so this only stops a body without end. */
const maxBodyBytes = 2 * 1024 ** 3

/** The last one is what curl says of any body. The query says the format, not the media type. */
const otherTypes = [
  'text/csv',
  'application/x-ndjson',
  'application/jsonl',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
]

/** Exports at once, for all keys together and for one: each holds the database's old pages until its reader is done. */
const maxExports = 4
const maxExportsOfKey = 2
const retryAfterSeconds = 10

export function listRoutes(app: App, options: AppOptions): void {
  addImport(app, options)
  addExport(app, options)
}

function addImport(app: App, { blocklist, now }: AppOptions): void {
  app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(['text/plain', ...otherTypes], (_request, payload, done) =>
      done(null, payload),
    )
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
          response: { 200: Imported, ...problems(422) },
        },
      },
      async ({ query, body, headers, caller }) => {
        const { list, format = 'text', type, strict, force, dryRun } = query as ImportQuery
        if (type !== undefined && format !== 'rbldnsd') return typeWithoutRbldnsd
        if (body === undefined || body === null) {
          // Nobody empties a list by forgetting to send one.
          return malformed('the list is missing: send it as the body')
        }
        if (Number(headers['content-length'] ?? 0) > maxBodyBytes) {
          throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
        }
        const octets = limited(body as AsyncIterable<Uint8Array>)
        const outcome = await blocklist.import({
          list,
          items: readFeed(octets, { format, now: now(), ...(type !== undefined && { type }) }),
          isStrict: strict === 'true',
          isForced: force === 'true',
          isDryRun: dryRun === 'true',
          actor: caller,
        })
        if (!('added' in outcome)) return importProblem(outcome, caller.scope)
        return {
          ...outcome,
          ...(dryRun === 'true' && { dryRun: true }),
          refused: outcome.refused.map((line) => lineFor(caller.scope, line)),
        }
      },
    )
    done()
  })
}

const typeWithoutRbldnsd = malformed('type is for format rbldnsd alone')

/** A list that is wrong as a whole was understood, but cannot be taken: 422, not 400. */
function importProblem(
  { line, ...refusal }: Refusal & { readonly line?: RefusedLine },
  scope: Scope,
): Problem {
  if (refusal.refused !== 'invalid') return refusalProblem(refusal)
  const isTold = line === undefined || scopeIncludes(scope, 'admin')
  const why = isTold ? refusal.why : `line ${line.line}: ${shown(line.text)}: ${line.why}`
  return problem(422, 'list-refused', `nothing was changed: ${why}`)
}

/** A wrong line as the scope may see it: below admin its text only if that is as short and plain as an entry. */
function lineFor(scope: Scope, line: RefusedLine): RefusedLine {
  return scopeIncludes(scope, 'admin') ? line : { ...line, text: shown(line.text) }
}

async function* limited(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of octets) {
    total += chunk.length
    if (total > maxBodyBytes) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
    yield chunk
  }
}

function addExport(app: App, { blocklist }: AppOptions): void {
  /** The callers whose exports are running, without the operator's own. */
  const running: string[] = []
  const hasRoom = (id: string): boolean =>
    running.length < maxExports && running.filter((each) => each === id).length < maxExportsOfKey

  app.get(
    '/v1/export',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'A whole list',
        description:
          'A named list, or without a name everything that is listed and not exempt, each prefix once. One moment, ' +
          `however long the reader takes. At once a key may have ${maxExportsOfKey} of them.`,
        querystring: ExportQuery,
        response: {
          200: Type.Any({ description: 'The list in the format asked for.' }),
          ...problems(404, 503),
        },
      },
    },
    async ({ query, caller }, reply) => {
      const { list, format = 'text', type } = query
      if (type !== undefined && format !== 'rbldnsd') return typeWithoutRbldnsd
      const isCounted = caller.id !== operator.id
      if (isCounted && !hasRoom(caller.id)) {
        reply.header('retry-after', retryAfterSeconds)
        const detail =
          'as many exports are running as there may be at once, in all or with this key'
        return problem(429, 'too-many-exports', detail)
      }
      const found = blocklist.export(list)
      if (!found) return notFound(`there is no list of name ${list}`)
      if (isCounted) running.push(caller.id)
      const texts = writeFeed(found, { format, ...(type !== undefined && { type }) })
      const stream = Readable.from(octets(texts))
      // However it ends: its reader may be gone before the first page.
      stream.once('close', () => {
        found.close()
        if (isCounted) running.splice(running.indexOf(caller.id), 1)
      })
      return reply.type(mediaTypeOf(format)).send(stream)
    },
  )
}

/** Leaves the event loop to others between pages. */
async function* octets(texts: Iterable<string>): AsyncGenerator<Buffer> {
  for (const text of texts) {
    if (text !== '') yield Buffer.from(text)
    await new Promise(setImmediate)
  }
}
