// `check-config`: validates the file as `serve` would read it, and the files that it names, without a database, a socket or
// a running server.
import { type ConfigSource, loadConfig } from '../config/load.ts'
import { requireSound } from './config-faults.ts'
import { unwritablePaths } from './unit-paths.ts'

/** Prints what is wrong (stderr, by the error of either) or `FILE: ok` (stdout) with a line for each warning (stderr). */
export async function checkConfig(source: ConfigSource): Promise<number> {
  const config = loadConfig(source)
  await requireSound(config)
  for (const { path, why } of config.warnings) console.error(`${config.file}: ${path}: ${why}`)
  for (const path of unwritablePaths(config)) {
    console.error(`${config.file}: backscatterd.service lacks this line: ReadWritePaths=${path}`)
  }
  console.log(`${config.file}: ok`)
  return 0
}
