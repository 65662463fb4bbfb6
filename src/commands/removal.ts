// `removals list|approve|refuse`: requests to be removed from the list that the policy leaves to the operator.
import type { Removal } from '../admin/schemas/removals.ts'
import { loadConfig } from '../config/load.ts'
import { formatTime } from '../quantity.ts'
import { askAndPrint, firstItems, withClient } from './client.ts'
import { type CommandContext, type Json, print, wrongUse } from './command.ts'
import { formatTable, printable } from './format.ts'

interface ListOptions extends Json {
  readonly state: string
}

/** Prints the requests of one state, or of all. */
export async function listRemovals(context: CommandContext, options: ListOptions): Promise<number> {
  const { state } = options
  const filter = state === 'all' ? {} : { state }
  const { items } = await withClient(loadConfig(context), (client) =>
    firstItems<Removal>(client, '/v1/removals', Number.POSITIVE_INFINITY, filter),
  )
  return print(context, options, { items }, () =>
    formatTable(
      ['id', 'prefix', 'state', 'requested', 'decided by', 'why'],
      items.map(({ id, prefix, requestedAt, decidedBy, why, ...row }) => [
        String(id),
        prefix,
        row.state,
        formatTime(requestedAt),
        decidedBy ?? '–',
        printable(why),
      ]),
      state === 'queued'
        ? 'No request waits for a decision: “removals list --state all” shows the others.'
        : 'There are no such requests.',
    ),
  )
}

function deciding(action: 'approve' | 'refuse', done: string) {
  return async (
    context: CommandContext,
    id: string,
    options: Json & { readonly reason?: string },
  ) => {
    if (!/^[1-9]\d{0,14}$/.test(id)) {
      throw wrongUse(`${id}: expected the id of a request, as “removals” prints it`)
    }
    return await askAndPrint<Removal>(
      context,
      options,
      ['POST', `/v1/removals/${id}/${action}`, { why: options.reason }],
      ({ prefix }) => `${prefix} ${done}.\n`,
    )
  }
}

export const approveRemoval = deciding('approve', 'is removed from the list')
export const refuseRemoval = deciding('refuse', 'stays listed')
