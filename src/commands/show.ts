// `show`: the story of one address in sentences that an operator can read out on the telephone, with the messages it
// rests on. Exit code 0 whether it is listed or not.
import { loadConfig } from '../config/load.ts'
import { formatAddress } from '../ip/address.ts'
import { expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson } from './context.ts'
import { type Explanation, explainInWords } from './explanation.ts'
import { readAddress } from './prefix-argument.ts'

export async function show(
  context: CommandContext,
  argument: string,
  options: { readonly json?: true },
): Promise<number> {
  const path = `/v1/lookup/${formatAddress(readAddress(argument))}`
  const reply = await withClient(loadConfig(context), (client) => client.request('GET', path))
  const explanation = expectDone(reply) as Explanation
  if (options.json) writeJson(context, explanation)
  else context.write(explainInWords(explanation, Date.now() / 1000))
  return exitCodes.done
}
