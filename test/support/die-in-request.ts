// A process that sends one request with an Idempotency-Key and kills itself (SIGKILL) right before or right after its
// commit. Also exports the application that both it and its test use.
import { buildApp } from '../../src/admin/app.ts'
import { operator } from '../../src/admin/scopes.ts'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { policy, start } from './admin.ts'

export interface PostRequest {
  readonly url: string
  readonly payload: object
}

export function openApp(path: string) {
  const silent = () => undefined
  const log = { error: silent, warn: silent, info: silent, debug: silent }
  const store: Store = openStore(path)
  const now = () => start
  const blocklist = new Blocklist({
    store,
    policy,
    log,
    now,
    validForSeconds: 86_400,
    retired: false,
  })
  const app = buildApp({
    origin: 'bl.test.example',
    contact: 'hostmaster@test.example',
    ttlSeconds: 300,
    isRetired: false,
    zone: { head: () => '', text: '' },
    blocklist,
    store,
    version: '0.0.0',
    isDescribed: false,
    log,
    now,
    status: () => ({
      ...blocklist.status(),
      version: '0.0.0',
      workers: 0,
      uptimeSeconds: 0,
      mailboxes: [],
    }),
    isReady: () => true,
    callerOf: () => operator,
  })
  const close = async (): Promise<void> => {
    await app.close()
    blocklist.close()
    store.close()
  }
  const post = ({ url, payload }: PostRequest) =>
    app.inject({ method: 'POST', url, payload, headers: { 'idempotency-key': 'once' } })
  return { store, post, close }
}

if (import.meta.main) {
  const [, , path = '', when = '', request = ''] = process.argv
  const { store, post } = openApp(path)
  const commit = store.commit.bind(store)
  store.commit = () => {
    if (when === 'after') commit()
    process.kill(process.pid, 'SIGKILL')
  }
  await post(JSON.parse(request))
}
