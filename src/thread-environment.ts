// The environment that a worker thread is started with.
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'

/**
 * This process's environment, with its compile cache: a thread does not inherit one that was switched on by call, only one from
 * the environment, and with it a thread is up in a third of the time.
 */
export function threadEnvironment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir()
  return cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) }
}
