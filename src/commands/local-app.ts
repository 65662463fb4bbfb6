// The HTTP application in this process, for a command that finds no running server: the database under its lock, and
// no tree, since nobody answers DNS from here. Loaded by client.ts only when it comes to that.
import { buildApp } from '../admin/app.ts'
import { operator } from '../admin/scopes.ts'
import { Blocklist } from '../blocklist/blocklist.ts'
import type { Config } from '../config/load.ts'
import type { Logger } from '../errors.ts'
import { openStore } from '../store/database.ts'
import type { Client } from './client.ts'
import { policyOptions } from './options.ts'
import { version } from './version.ts'

const now = (): number => Math.floor(Date.now() / 1000)

/** Opens the database. OperationalError `database-locked` while another process has it, `database-failed` if it cannot be read. */
export async function openLocalApp(config: Config, { isDescribed = false } = {}): Promise<Client> {
  const store = openStore(config.store.path)
  let failure: unknown
  // The application hides what failed inside it from whoever asked; here both are the same process.
  const log: Logger = {
    error: (fields) => {
      failure = 'err' in fields ? fields.err : undefined
    },
    warn: () => undefined,
    info: () => undefined,
    debug: () => undefined,
  }
  try {
    const blocklist = Blocklist.open({
      store,
      policy: policyOptions(config),
      now,
      log,
      validForSeconds: config.zone.validFor,
      retired: config.zone.retired,
      minFreeBytes: config.store.minFree,
    })
    const app = buildApp({
      ...{ blocklist, store, version, isDescribed },
      status: () => ({
        version,
        ...blocklist.status(),
        workers: 0,
        uptimeSeconds: 0,
        mailboxes: [],
      }),
      isReady: () => false,
      callerOf: () => operator,
      now,
      log,
    })
    return {
      async request(method, url, body) {
        const reply = await app.inject({ method, url, ...(body && { payload: body }) })
        if (reply.statusCode >= 500 && failure !== undefined) throw failure
        return { status: reply.statusCode, body: reply.body === '' ? null : reply.json() }
      },
      async upload(url, list) {
        const headers = {
          'content-type': 'application/octet-stream',
          'transfer-encoding': 'chunked',
        }
        const reply = await app.inject({ method: 'POST', url, headers, payload: list })
        if (reply.statusCode >= 500 && failure !== undefined) throw failure
        return { status: reply.statusCode, body: reply.body === '' ? null : reply.json() }
      },
      async download(url) {
        const reply = await app.inject({ method: 'GET', url, payloadAsStream: true })
        if (reply.statusCode === 200) return reply.stream()
        const body = Buffer.concat(await reply.stream().toArray()).toString('utf8')
        return { status: reply.statusCode, body: JSON.parse(body) }
      },
      async close() {
        await app.close()
        blocklist.close()
        store.close()
      },
    }
  } catch (error) {
    store.close()
    throw error
  }
}
