// Serves the files that pages load: styles and browser modules as they lie on disk, and the charts of uPlot. Their path has a hash
// of them all, so that browsers may keep them for a year.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fastifyStatic } from '@fastify/static'
import type { App } from '../options.ts'

const folder = join(import.meta.dirname, 'assets')
const charts = dirname(fileURLToPath(import.meta.resolve('uplot')))
const own = readdirSync(folder).filter((file) => !/\.(json|ts)$/.test(file))
/** Where each file lies. */
const files = new Map([
  ...own.sort().map((file) => [file, folder] as const),
  ...['uPlot.esm.js', 'uPlot.min.css'].map((file) => [file, charts] as const),
])

/** Where the files are: /assets/HASH. */
export const assetsPath = `/assets/${hashOf(files)}`

function hashOf(all: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256')
  for (const [file, place] of all) hash.update(file).update(readFileSync(join(place, file)))
  return hash.digest('base64url').slice(0, 12)
}

export function serveAssets(app: App): void {
  app.register(fastifyStatic, {
    root: [folder, charts],
    prefix: assetsPath,
    allowedPath: (path) => files.has(path.slice(1)),
    decorateReply: false,
    index: false,
    immutable: true,
    maxAge: '1y',
  })
}
