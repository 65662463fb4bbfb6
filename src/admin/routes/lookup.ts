// /v1/lookup/{address}: listed or not, and why. Anyone may ask; how much is told depends on who asks: see
// lookup-body.ts.
import type { App, AppOptions } from '../app.ts'
import { LookupBody, lookupBody } from '../lookup-body.ts'
import { readAddress } from '../parse-params.ts'
import { problem, sendProblem, shown } from '../problem.ts'
import { AddressParams, problems } from '../schemas.ts'

export function lookupRoutes(app: App, { blocklist }: AppOptions): void {
  app.get(
    '/v1/lookup/:address',
    {
      config: { scope: 'public' },
      schema: { params: AddressParams, response: { 200: LookupBody, ...problems(400, 414) } },
    },
    async (request, reply) => {
      const { address: text } = request.params
      const address = readAddress(text)
      if ('why' in address) {
        return sendProblem(reply, problem(400, 'malformed', `${shown(text)}: ${address.why}`))
      }
      return lookupBody(blocklist, address.value, request.caller.scope)
    },
  )
}
