// /healthz: the process answers. /readyz: the list is loaded, every listener bound, and what comes in can be written. For
// supervisors and probes.
import Type from 'typebox'
import type { App, AppOptions } from '../app.ts'
import { problem, sendProblem } from '../problem.ts'
import { Problem } from '../schemas.ts'

const Health = Type.Object({ status: Type.String() })

export function healthRoutes(app: App, { isReady, blocklist }: AppOptions): void {
  app.get(
    '/healthz',
    {
      config: { scope: 'public', isProbe: true },
      schema: { response: { 200: Health } },
    },
    async () => ({ status: 'ok' }),
  )
  app.get(
    '/readyz',
    {
      config: { scope: 'public', isProbe: true },
      schema: { response: { 200: Health, 503: Problem } },
    },
    async (_request, reply) => {
      if (!isReady())
        return sendProblem(reply, problem(503, 'not-ready', 'the list is still loading'))
      const { writeFailure } = blocklist.status()
      if (writeFailure) return sendProblem(reply, problem(503, 'database-failed', writeFailure.why))
      return { status: 'ready' }
    },
  )
}
