// Health checks. /healthz: the process answers. /readyz: the list is loaded, every listener is bound, and the database can
// be written.
import type { App, AppOptions } from '../options.ts'
import { problem } from '../problem.ts'
import { Problem } from '../schemas/basics.ts'
import { Health } from '../schemas/server.ts'

export function healthRoutes(app: App, { isReady, blocklist }: AppOptions): void {
  app.get(
    '/healthz',
    {
      config: { scope: 'public', isProbe: true },
      schema: {
        operationId: 'getHealth',
        summary: 'Ask whether the process answers',
        description: 'Always 200 while it does. It has no limit on requests.',
        response: { 200: Health },
      },
    },
    async () => ({ status: 'ok' }),
  )

  app.get(
    '/readyz',
    {
      config: { scope: 'public', isProbe: true },
      schema: {
        operationId: 'getReadiness',
        summary: 'Ask whether the server is ready',
        description:
          '200 if the list is loaded, every listener is bound and the database can be written; else 503. It has no limit ' +
          'on requests.',
        response: { 200: Health, 503: Problem },
      },
    },
    async () => {
      if (!isReady()) return problem(503, 'not-ready', 'the list is still loading')
      const { writeFailure } = blocklist.status()
      if (writeFailure) return problem(503, 'database-failed', writeFailure.why)
      return { status: 'ready' }
    },
  )
}
