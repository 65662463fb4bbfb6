// `import`: a whole named list from a file, in place of what the list held, or a look at what that would change.
import { createReadStream, statSync } from 'node:fs'
import { Transform } from 'node:stream'
import { loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { rbldnsdTypes } from '../feeds/entry.ts'
import { feedFormats, formatOfFile } from '../feeds/feed.ts'
import { expectDone, type Reply, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson, wrongUse } from './context.ts'
import { printable } from './format.ts'
import { type Progress, startProgress } from './progress.ts'

export interface ImportOptions {
  readonly list: string
  readonly format?: string
  readonly type?: string
  readonly strict?: true
  readonly force?: true
  readonly dryRun?: true
  readonly json?: true
}

interface Imported {
  readonly list: string
  readonly added: number
  readonly removed: number
  readonly kept: number
  readonly refused: readonly { line: number; text: string; why: string }[]
  readonly refusedCount: number
}

/** Wrong lines that are shown; `--json` has a thousand. */
const shownLines = 20

export async function importList(
  context: CommandContext,
  file: string,
  options: ImportOptions,
): Promise<number> {
  const query = feedQuery(options, file)
  if (options.strict) query.set('strict', 'true')
  if (options.force) query.set('force', 'true')
  if (options.dryRun) query.set('dryRun', 'true')
  const config = loadConfig(context)
  const size = sizeOf(file)
  const reply = await withClient(config, async (client) => {
    const progress = startProgress(size)
    let isComplete = false
    try {
      const feed = counted(createReadStream(file), progress)
      const reply = await client.upload(`/v1/import?${query}`, feed)
      isComplete = reply.status < 300
      return reply
    } finally {
      progress.end(isComplete)
    }
  })
  const { status, body } = reply satisfies Reply
  if (status === 422 && isProblem(body)) {
    // "nothing was changed: line 7: 192.0.2.300: not an IP address" → "FILE:7: …"
    const at = /^nothing was changed: (?:no line of it is an entry; )?line (\d+): (.*)$/s.exec(
      body.detail,
    )
    const detail = at
      ? `${file}:${at[1]}: ${printable(at[2] ?? '')}; nothing was changed`
      : body.detail
    throw new OperationalError('request-refused', detail)
  }
  const imported = expectDone(reply) as Imported
  if (options.json) {
    writeJson(context, imported)
    return exitCodes.done
  }
  for (const { line, text, why } of imported.refused.slice(0, shownLines)) {
    process.stderr.write(`${file}:${line}: ${text === '' ? '' : `${printable(text)}: `}${why}\n`)
  }
  const more = imported.refusedCount - Math.min(shownLines, imported.refused.length)
  if (more > 0) process.stderr.write(`${file}: and ${more} more wrong lines\n`)
  const { list, added, removed, kept, refusedCount } = imported
  const wouldBe = options.dryRun ? 'would be ' : ''
  context.write(
    `${list}: ${added} ${wouldBe}added, ${removed} removed, ${kept} kept, ${refusedCount} refused.\n`,
  )
  return exitCodes.done
}

/** The query that import and export have in common. Throws `usage-invalid` for a name that there is not. */
export function feedQuery(
  options: { readonly list?: string; readonly format?: string; readonly type?: string },
  file?: string,
): URLSearchParams {
  const { list, type } = options
  const format = options.format ?? (file === undefined ? 'text' : formatOfFile(file))
  const query = new URLSearchParams()
  if (list !== undefined) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(list)) {
      throw wrongUse(`--list ${list}: letters, digits, dots, hyphens and underscores, at most 64`)
    }
    query.set('list', list)
  }
  if (!(feedFormats as readonly string[]).includes(format)) {
    throw wrongUse(`--format ${format}: expected one of ${feedFormats.join(', ')}`)
  }
  query.set('format', format)
  if (type === undefined) return query
  if (format !== 'rbldnsd' || !(rbldnsdTypes as readonly string[]).includes(type)) {
    throw wrongUse(`--type ${type}: of format rbldnsd, one of ${rbldnsdTypes.join(', ')}`)
  }
  query.set('type', type)
  return query
}

function sizeOf(file: string): number {
  try {
    const found = statSync(file)
    if (found.isDirectory())
      throw new OperationalError('request-refused', `${file}: is a directory`)
    return found.size
  } catch (error) {
    if (error instanceof OperationalError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new OperationalError('request-refused', why, { cause: error })
  }
}

function isProblem(body: unknown): body is { detail: string } {
  return typeof body === 'object' && body !== null && 'detail' in body
}

/** The same octets, counted as they go by. */
function counted(octets: NodeJS.ReadableStream, progress: Progress): Transform {
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      progress.advance(chunk.length)
      done(null, chunk)
    },
  })
  octets.on('error', (error) => counter.destroy(error))
  return octets.pipe(counter)
}
