// Begins the process of a command anew, in its own place, to take less memory. Called for the commands that go through
// mail by the gigabyte, serve and ingest, before their code is loaded.
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'

/**
 * Mail is garbage as soon as it is read, and V8 lets it pile up: its young generation grows to tens of megabytes in each
 * thread. V8 takes this bound at a process's start alone. And it compiles what answers a query as one piece of code only
 * where so much may be inlined, which spares a tenth of an answer's time.
 */
const flags = [
  '--max-semi-space-size=2',
  '--max-inlined-bytecode-size=2000',
  '--max-inlined-bytecode-size-cumulative=8000',
]
/** glibc's malloc else keeps for itself what large messages took, in an arena for each thread (mallopt(3)). */
const environment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

/**
 * Replaces this process by itself (execve(2): same id, same files) with bounds on its heaps, and with the compile cache
 * at hand from the first file on: what strips types takes more memory with each file and gives none back, so nobody
 * should load it. For that the first start after a change of the sources fills the cache with what `load` imports, and begins
 * once more. Returns where nothing is to be gained, or where no process may replace itself.
 */
export async function becomeLean(command: string, load: () => Promise<unknown>): Promise<void> {
  const { execPath, execArgv, argv, env } = process
  // `node --watch` talks to the process that it started.
  if (process.execve === undefined || process.connected) return
  const cache = getCompileCacheDir()
  const isBounded = execArgv.includes(flags[0] ?? '')
  // What is loaded before the cache is switched on is cached in the second process only, so that one fills it.
  if (isBounded && (cache === undefined || !(await fill(cache, command, load)))) return
  const more = isBounded ? [] : flags
  try {
    process.execve(execPath, [execPath, ...more, ...execArgv, ...argv.slice(1)], {
      ...environment,
      ...env,
      ...(cache !== undefined && { NODE_COMPILE_CACHE: dirname(cache) }),
    })
  } catch {
    // Forbidden here: it goes on as it is, and is only larger.
  }
}

/**
 * From now on what outlives the young generation is looked at after each tenth of growth: without it 2 GB of mbox take
 * 330 MB, with it 240. Only for who reads mailboxes, since live mail costs half as much processor time again with it.
 * V8 reads the flag whenever it sizes a heap.
 */
export function keepOldSpaceSmall(): void {
  setFlagsFromString('--heap-growing-percent=10')
}

/** Whether the cache was filled just now. */
async function fill(
  cache: string,
  command: string,
  load: () => Promise<unknown>,
): Promise<boolean> {
  const filled = join(cache, `filled-${command}`)
  if (isNewerThanSources(filled)) return false
  await load()
  flushCompileCache()
  try {
    writeFileSync(filled, '')
    return true
  } catch {
    // Packages that nobody may write to.
    return false
  }
}

function isNewerThanSources(file: string): boolean {
  const madeAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs
  if (madeAt === undefined) return false
  const sources = resolve(import.meta.dirname, '..')
  return readdirSync(sources, { recursive: true, withFileTypes: true }).every(
    ({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs <= madeAt,
  )
}
