// A list of 1 M lines into an empty running server, and once more into the same (all of it kept), with everything else
// going on. Goals: under 20 s, under 350 MiB over the empty server, no question unanswered, look-ups under 50 ms (p99),
// messages acknowledged within 1 s. Called by run.ts, or alone: `node test/bench/import.ts [LINES]`.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ImportFigures, importUnderLoad, residentMiB } from '../support/import-load.ts'
import { randomLines } from '../support/seeded.ts'
import { Site } from '../support/server.ts'

/** The first import, then the same file again. */
export async function benchImport(lines = 1_000_000): Promise<ImportFigures[]> {
  const cleanups: (() => unknown)[] = []
  const site = new Site({ after: (cleanup) => cleanups.push(cleanup) })
  try {
    const server = await site.start()
    const file = join(site.folder, 'list.txt')
    writeFileSync(file, randomLines(lines))
    const emptyMiB = residentMiB(server.pid)
    const first = await importUnderLoad(site, server, file, 'bench', emptyMiB)
    return [first, await importUnderLoad(site, server, file, 'bench', emptyMiB)]
  } finally {
    for (const cleanup of cleanups) await cleanup()
  }
}

if (import.meta.main) {
  const runs = await benchImport(Number(process.argv[2] ?? 1_000_000))
  for (const run of runs) process.stdout.write(`${JSON.stringify(run)}\n`)
}
