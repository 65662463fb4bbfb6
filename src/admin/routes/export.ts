// /v1/export: a named list, or all that is listed, as of one moment, as fast as the reader takes it.
import { Readable } from 'node:stream'
import Type from 'typebox'
import { mediaTypes, writeFeed } from '../../feeds/feed.ts'
import type { App, AppOptions } from '../app.ts'
import { problem, sendProblem } from '../problem.ts'
import { ExportQuery, problems } from '../schemas.ts'

export function exportRoutes(app: App, { blocklist }: AppOptions): void {
  app.get(
    '/v1/export',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'A whole list',
        description:
          'A named list, or without a name everything that is listed and not exempt, each prefix once. One moment, ' +
          'however long the reader takes.',
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
      const found = await blocklist.export(list)
      if (!found) {
        return sendProblem(reply, problem(404, 'not-found', `there is no list of name ${list}`))
      }
      const feed = { format, ...(type !== undefined && { type }) }
      const text = writeFeed(found, feed)
      reply.type(mediaTypes[format])
      return reply.send(Readable.from(octets(text)))
    },
  )
}

/** Leaves the event loop to others between pages. */
async function* octets(texts: Iterable<string>): AsyncGenerator<Buffer> {
  for (const text of texts) {
    yield Buffer.from(text)
    await new Promise(setImmediate)
  }
}
