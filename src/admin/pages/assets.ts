// Serves the files that pages load: styles and browser modules, as they lie on disk. Their path has a hash of them all, so that
// browsers may keep them for a year.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fastifyStatic } from '@fastify/static'
import type { App } from '../options.ts'

const folder = join(import.meta.dirname, 'assets')
const isServed = (file: string): boolean => !file.endsWith('.json')

/** Where the files are: /assets/HASH. */
export const assetsPath = `/assets/${hashOf(readdirSync(folder).filter(isServed).sort())}`

function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update(readFileSync(join(folder, file)))
  return hash.digest('base64url').slice(0, 12)
}

export function serveAssets(app: App): void {
  app.register(fastifyStatic, {
    root: folder,
    prefix: assetsPath,
    allowedPath: isServed,
    decorateReply: false,
    index: false,
    immutable: true,
    maxAge: '1y',
  })
}
