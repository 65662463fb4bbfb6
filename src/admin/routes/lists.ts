// Whole lists. /v1/lists names them. /v1/import replaces a named list. /v1/export sends a snapshot of a named list or of everything
// that is listed, as fast as the client reads it.
import { Readable } from 'node:stream'
import { errorCodes, type FastifyReply } from 'fastify'
import Type from 'typebox'
import type { Refusal, RefusedLine } from '../../blocklist/types.ts'
import { mediaTypeOf, readFeed, writeFeed } from '../../feeds/feed.ts'
import type { Store } from '../../store/database.ts'
import { AtOnce } from '../at-once.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageOfAll, pageRequest } from '../parse-params.ts'
import { malformed, notFound, type Problem, problem, refusalProblem, shown } from '../problem.ts'
import { PageQuery, pageOf, problems, withTimes } from '../schemas/basics.ts'
import { ExportQuery, Imported, ImportQuery, NamedList } from '../schemas/listings.ts'
import { type Scope, scopeIncludes } from '../scopes.ts'

/** Octets of the largest list. The number of entries is limited too, so this only stops an endless body. */
const maxBodyBytes = 2 * 1024 ** 3

/** Accepted besides text/plain. The query gives the format, so the media type does not matter. curl sends the last one. */
const otherTypes = [
  'text/csv',
  'application/x-ndjson',
  'application/jsonl',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
]

const listExample = '198.51.100.0/25\n2001:db8::/48\n'

/**
 * Most exports at once, and most imports, in all and for one key. An export keeps old database pages until its client has read it
 * all, and an import keeps its entries in memory.
 */
const maxAtOnce = 4
const maxAtOnceOfKey = 2
const retryAfterSeconds = 10

export function listRoutes(app: App, options: AppOptions): void {
  addLists(app, options)
  addImport(app, options)
  addExport(app, options)
}

function addLists(app: App, { store }: AppOptions): void {
  app.get(
    '/v1/lists',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listLists',
        summary: 'Show the named lists',
        description: 'Every list that an import made, sorted by name.',
        querystring: PageQuery,
        response: { 200: pageOf(NamedList), ...problems() },
      },
    },
    async ({ query }) => listsBody(store, query),
  )
}

/** The page of named lists that a query asks for. */
export function listsBody(store: Store, query: PageQuery) {
  const page = pageOfAll(pageRequest(query), store.lists.summaries(), ({ name }) => name)
  return pageBody(page, withTimes)
}

function tooMany(what: 'exports' | 'imports', reply: FastifyReply): Problem {
  reply.header('retry-after', retryAfterSeconds)
  const detail = `too many ${what} are running, in all or with this key; try again later`
  return problem(429, `too-many-${what}`, detail)
}

function addImport(app: App, { blocklist, now }: AppOptions): void {
  const imports = new AtOnce(maxAtOnce, maxAtOnceOfKey)
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
        config: { scope: 'write', takes: 'text/plain', takesToo: otherTypes, example: listExample },
        bodyLimit: maxBodyBytes,
        schema: {
          operationId: 'importList',
          summary: 'Import a named list',
          description:
            'The body is the list in its format, as text/plain, text/csv, application/x-ndjson or plain octets. It replaces ' +
            'the whole list at once. Wrong lines are left out and reported; with strict, one wrong line refuses the import. ' +
            'Without force, an import is refused if it is empty or removes more than half of a list of over 100 entries. ' +
            'With dryRun nothing is changed; the answer says what would change. ' +
            `A key may run ${maxAtOnceOfKey} imports at once.`,
          querystring: ImportQuery,
          response: { 200: Imported, ...problems(422) },
        },
      },
      async ({ query, body, headers, caller }, reply) => {
        const { list, format = 'text', type, strict, force, dryRun } = query as ImportQuery
        if (type !== undefined && format !== 'rbldnsd') return typeWithoutRbldnsd
        if (body === undefined || body === null) {
          // A forgotten body must not empty the list.
          return malformed('the list is missing: send it as the body')
        }
        if (Number(headers['content-length'] ?? 0) > maxBodyBytes) {
          throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()
        }
        const end = imports.begin(caller)
        if (end === undefined) return tooMany('imports', reply)
        const octets = limited(body as AsyncIterable<Uint8Array>)
        const importing = blocklist.import({
          list,
          items: readFeed(octets, { format, now: now(), type }),
          isStrict: strict === 'true',
          isForced: force === 'true',
          isDryRun: dryRun === 'true',
          actor: caller,
        })
        const outcome = await importing.finally(end)
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

const typeWithoutRbldnsd = malformed('type is only for format rbldnsd')

/** Converts the refusal of an import to a problem. A wrong list is a 422: the request itself was well-formed. */
function importProblem(
  { line, ...refusal }: Refusal & { readonly line?: RefusedLine },
  scope: Scope,
): Problem {
  if (refusal.refused !== 'invalid') return refusalProblem(refusal)
  const isTold = line === undefined || scopeIncludes(scope, 'admin')
  const why = isTold ? refusal.why : `line ${line.line}: ${shown(line.text)}: ${line.why}`
  return problem(422, 'list-refused', `nothing was changed: ${why}`)
}

/** A wrong line as this scope may see it. Below admin its text is shown only if it looks like an address or prefix. */
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

function addExport(app: App, { blocklist, zone }: AppOptions): void {
  const exports = new AtOnce(maxAtOnce, maxAtOnceOfKey)
  app.get(
    '/v1/export',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'exportList',
        summary: 'Export a list, or all that is listed',
        description:
          'Returns a named list or, without a name, everything that is listed and not exempt, each prefix once. The answer ' +
          `is a snapshot, however long it takes to read. A key may run ${maxAtOnceOfKey} exports at once.`,
        querystring: ExportQuery,
        produces: ['text/plain', 'text/csv', 'application/x-ndjson'],
        response: {
          200: Type.Any({
            description: 'The list in the format asked for.',
            examples: [listExample],
          }),
          ...problems(404, 503),
        },
      },
    },
    async ({ query, caller }, reply) => {
      const { list, format = 'text', type } = query
      if (type !== undefined && format !== 'rbldnsd') return typeWithoutRbldnsd
      const found = blocklist.export(list)
      if (!found) return notFound(`there is no list named ${list}`)
      const end = exports.begin(caller)
      if (end === undefined) {
        found.close()
        return tooMany('exports', reply)
      }
      const texts = writeFeed(found, { format, type, zone })
      const stream = Readable.from(octets(texts))
      // 'close' comes however the export ends, even if the client is gone before the first page.
      stream.once('close', () => {
        found.close()
        end()
      })
      return reply.type(mediaTypeOf(format)).send(stream)
    },
  )
}

/** Encodes the pages. Other work gets a turn of the event loop between them. */
async function* octets(texts: Iterable<string>): AsyncGenerator<Buffer> {
  for (const text of texts) {
    if (text !== '') yield Buffer.from(text)
    await new Promise(setImmediate)
  }
}
