// POST /v1/reload: makes the server read its configuration again, and tells what is wrong with it.
import { OperationalError } from '../../errors.ts'
import type { App, AppOptions } from '../options.ts'
import { type Problem, problem } from '../problem.ts'
import { problems } from '../schemas/basics.ts'
import { Reloaded } from '../schemas/server.ts'

export function reloadRoutes(app: App, { reload }: AppOptions): void {
  app.post(
    '/v1/reload',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'reloadConfiguration',
        summary: 'Read the configuration again',
        description:
          'Does what SIGHUP does, and answers when it is done. A held clock is accepted too. If the configuration is wrong, ' +
          'the server goes on with the old one, and `errors` names each wrong key.',
        response: { 200: Reloaded, ...problems(422, 503) },
      },
    },
    async () => {
      try {
        return (await reload?.()) ?? notRunning
      } catch (error) {
        if (error instanceof OperationalError) return reloadProblem(error)
        throw error
      }
    },
  )
}

const notRunning = problem(503, 'not-ready', 'no server runs in this process, or not yet')

function reloadProblem({ code, message, faults, keys }: OperationalError): Problem {
  if (faults.length === 0) return problem(422, code, `not reloaded: ${message}`)
  const detail = `the configuration is wrong, the old one stays: ${keys.join(', ')}`
  return problem(
    422,
    code,
    detail,
    faults.map(({ key, why }) => ({ at: key, why })),
  )
}
