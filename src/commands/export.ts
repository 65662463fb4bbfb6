// `export`: a named list, or all that is listed, to standard output as it comes.
import { loadConfig } from '../config/load.ts'
import { expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes } from './context.ts'
import { feedQuery } from './import.ts'

export interface ExportOptions {
  readonly list?: string
  readonly format?: string
  readonly type?: string
}

export async function exportList(context: CommandContext, options: ExportOptions): Promise<number> {
  const query = feedQuery(options)
  return await withClient(loadConfig(context), async (client) => {
    const reply = await client.download(`/v1/export?${query}`)
    if ('status' in reply) {
      expectDone(reply)
      return exitCodes.failed
    }
    for await (const chunk of reply) {
      context.write(String(chunk))
      await drained()
    }
    return exitCodes.done
  })
}

/** Waits for a reader that is slower than we are. */
async function drained(): Promise<void> {
  const { stdout } = process
  if (!stdout.writableNeedDrain || stdout.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const events = ['drain', 'close', 'error']
  const go = () => resolve()
  for (const event of events) stdout.once(event, go)
  await promise
  for (const event of events) stdout.off(event, go)
}
