// `npm run -s openapi`: prints the OpenAPI 3.1 document that a server answers at /openapi.json, for generators of clients
// and for comparing two versions. Needs no configuration; nothing it opens is left behind.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLocalApp } from '../src/commands/client.ts'
import { demoConfig, loadConfig } from '../src/config/load.ts'

/** The document, as a server of this version answers it. */
export async function describeInterface(): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  try {
    const config = loadConfig({ file: demoConfig, env: {}, cwd: folder })
    const store = { ...config.store, path: join(folder, 'list.db') }
    const client = await openLocalApp({ ...config, store }, { isDescribed: true })
    const { body } = await client.request('GET', '/openapi.json')
    await client.close()
    return body
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await describeInterface(), null, 2)}\n`)
}
