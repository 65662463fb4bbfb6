// /v1/export: a named list, or all that is listed, as of one moment, as fast as the reader takes it. Each holds the
// database's old pages until its reader is done, so there are a few at once.

import { Readable } from 'node:stream'
import Type from 'typebox'
import type { Export } from '../../blocklist/types.ts'
import { mediaTypeOf, writeFeed } from '../../feeds/feed.ts'
import type { App, AppOptions } from '../app.ts'
import { problem, sendProblem } from '../problem.ts'
import { ExportQuery, problems } from '../schemas.ts'
import { type Caller, operator } from '../scopes.ts'

/** Exports at once for all keys together, and for one. The operator's own are not counted. */
const maxExports = 4
const maxExportsOfKey = 2
const retryAfterSeconds = 10

export function exportRoutes(app: App, { blocklist }: AppOptions): void {
  const running: string[] = []

  /** Counts an export of the caller's; the function ends that. undefined: there are as many as there may be. */
  const begin = ({ id }: Caller): (() => void) | undefined => {
    if (id === operator.id) return () => undefined
    const ofKey = running.filter((each) => each === id).length
    if (running.length >= maxExports || ofKey >= maxExportsOfKey) return undefined
    running.push(id)
    return () => {
      running.splice(running.indexOf(id), 1)
    }
  }

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
          ...problems(400, 401, 403, 404, 503),
        },
      },
    },
    async (request, reply) => {
      const { list, format = 'text', type } = request.query
      if (type !== undefined && format !== 'rbldnsd') {
        return sendProblem(reply, problem(400, 'malformed', 'type is for format rbldnsd alone'))
      }
      const end = begin(request.caller)
      if (end === undefined) {
        reply.header('retry-after', retryAfterSeconds)
        const detail =
          'as many exports are running as there may be at once, in all or with this key'
        return sendProblem(reply, problem(429, 'too-many-exports', detail))
      }
      let found: Export | undefined
      try {
        found = blocklist.export(list)
      } finally {
        if (!found) end()
      }
      if (!found) {
        return sendProblem(reply, problem(404, 'not-found', `there is no list of name ${list}`))
      }
      const { close } = found
      const feed = { format, ...(type !== undefined && { type }) }
      const stream = Readable.from(octets(writeFeed(found, feed)))
      // However it ends: its reader may be gone before the first page.
      stream.once('close', () => {
        close()
        end()
      })
      reply.type(mediaTypeOf(format))
      return reply.send(stream)
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
