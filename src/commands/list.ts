// `import` replaces a named list by a file, or shows what that would change. `export` prints a named list, or everything
// that is listed, on standard output.
import { createReadStream, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { Imported } from '../admin/schemas/listings.ts'
import { loadConfig } from '../config/load.ts'
import { fileFault, OperationalError } from '../errors.ts'
import { formatOfFile } from '../feeds/feed.ts'
import { expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, type Json, print, wrongUse } from './command.ts'
import { printable } from './format.ts'
import { ImportProgress } from './import-progress.ts'

interface FeedOptions {
  readonly list?: string
  readonly format?: string
  readonly type?: string
}

interface ImportOptions extends FeedOptions, Json {
  readonly list: string
  readonly strict?: true
  readonly force?: true
  readonly dryRun?: true
}

/** Most wrong lines that are printed. With `--json` there are up to a thousand. */
const shownLines = 20

export async function importList(
  context: CommandContext,
  file: string,
  options: ImportOptions,
): Promise<number> {
  const query = feedQuery(options, formatOfFile(file))
  const name = file === '-' ? 'standard input' : file
  for (const flag of ['strict', 'force', 'dryRun'] as const) {
    if (options[flag]) query.set(flag, 'true')
  }
  const config = loadConfig(context)
  const octets = sizeOf(file)
  const { status, body } = await withClient(config, async (client) => {
    const progress = new ImportProgress(options.list, octets)
    const content = Readable.from(contentOf(file, progress), { objectMode: false })
    const upload = () => client.upload(`/v1/import?${query}`, content)
    return await progress.during(client, upload, (reply) => reply.status < 300)
  })
  if (status === 422) throw refusal(name, body as { detail: string })
  if (status === 409) throw refusal(name, withFlag(body as { detail: string }))
  const imported = expectDone<Imported>({ status, body })
  if (!options.json) reportWrongLines(name, imported)
  return print(context, options, imported, (shown) => importInWords(shown, options.dryRun === true))
}

function importInWords(imported: Imported, isDryRun: boolean): string {
  const { list, added, removed, kept, refusedCount, needsForce } = imported
  const wouldBe = isDryRun ? 'would be ' : ''
  const force = needsForce === undefined ? '' : `The import would need --force: ${needsForce}.\n`
  return `${list}: ${added} ${wouldBe}added, ${removed} removed, ${kept} kept, ${refusedCount} refused.\n${force}`
}

async function* contentOf(file: string, progress: ImportProgress): AsyncGenerator<Buffer> {
  for await (const chunk of file === '-' ? process.stdin : createReadStream(file)) {
    progress.sent(chunk.length)
    yield chunk
  }
}

/** Rewrites "nothing was changed: line 7: 192.0.2.300: not an IP address" to "FILE:7: …", which editors can jump to. */
function refusal(file: string, { detail }: { readonly detail: string }): OperationalError {
  const [, line, why = ''] = /^nothing was changed: line (\d+): (.*)$/s.exec(detail) ?? []
  return new OperationalError(
    'request-refused',
    line === undefined ? detail : `${file}:${line}: ${printable(why)}; nothing was changed`,
  )
}

/** The server's advice to use force, as an option of this command. */
function withFlag({ detail }: { readonly detail: string }): { readonly detail: string } {
  return { detail: detail.replace('; use force ', '; use --force ') }
}

function reportWrongLines(file: string, { refused, refusedCount }: Imported): void {
  const shown = refused.slice(0, shownLines)
  for (const { line, text, why } of shown) {
    console.error(`${file}:${line}: ${text === '' ? '' : `${printable(text)}: `}${why}`)
  }
  const more = refusedCount - shown.length
  if (more > 0) console.error(`${file}: and ${more} more wrong lines`)
}

/** The size of the list; 0 for standard input, whose size is not known. */
function sizeOf(file: string): number {
  if (file === '-') return 0
  try {
    const found = statSync(file)
    if (!found.isDirectory()) return found.size
  } catch (cause) {
    throw new OperationalError('request-refused', `cannot read ${file}: ${fileFault(cause)}`, {
      cause,
    })
  }
  throw new OperationalError('request-refused', `${file}: is a directory`)
}

/** Prints a snapshot of a list, as fast as the output is read. */
export async function exportList(context: CommandContext, options: FeedOptions): Promise<number> {
  const query = feedQuery(options, 'text')
  return await withClient(loadConfig(context), async (client) => {
    const reply = await client.download(`/v1/export?${query}`)
    if ('status' in reply) {
      expectDone(reply)
      return exitCodes.failed
    }
    // A letter may be split between two pieces of the body.
    for await (const text of reply.setEncoding('utf8')) {
      context.write(text)
      await drained()
    }
    return exitCodes.done
  })
}

/** Waits until the written output has been read. Does not wait if the reader has gone away. */
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

/** The part of the query that import and export share. Throws `usage-invalid` for a wrong name, or a type of another format. */
function feedQuery(options: FeedOptions, defaultFormat: string): URLSearchParams {
  const { list, format = defaultFormat, type } = options
  if (list !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(list)) {
    throw wrongUse(`--list ${list}: letters, digits, dots, hyphens and underscores, at most 64`)
  }
  if (type !== undefined && format !== 'rbldnsd') {
    throw wrongUse(`--type ${type}: only for format rbldnsd, not ${format}`)
  }
  return new URLSearchParams({ ...(list && { list }), format, ...(type && { type }) })
}
