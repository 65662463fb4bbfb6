// Applies a changed configuration to the running server, on SIGHUP and on POST /v1/reload. Nothing is changed if the
// configuration is wrong.
import type { Reloaded } from '../admin/schemas/server.ts'
import type { Blocklist } from '../blocklist/blocklist.ts'
import type { Clock } from '../clock.ts'
import { type Config, type ConfigSource, loadConfig } from '../config/load.ts'
import type { Nameserver } from '../nameserver/nameserver.ts'
import { requireServable } from './check-config.ts'
import type { ServerLog } from './log.ts'
import { asksHosts, policyOptions, readCookieSecrets } from './options.ts'
import type { Admin } from './serve-admin.ts'

interface Rooms {
  readonly clock: Clock
  readonly blocklist: Blocklist
  readonly nameserver: Nameserver
  readonly admin: Admin
  readonly log: ServerLog
  /** Closes the traps and opens them with the new settings. If that fails, opens them with the old ones and throws. */
  reopenTraps(next: Config, before: Config): Promise<void>
  renewCertificate(): Promise<void>
  /** Called with each configuration that is applied, and with the keys whose change needs a restart. */
  onApplied(config: Config, needRestart: readonly string[]): void
}

/**
 * Returns the function that reads the configuration again, one call after the other. It also accepts the time of a clock that
 * is held. It throws OperationalError if the configuration is wrong or an address cannot be bound.
 */
export function reloading(
  source: ConfigSource,
  config: Config,
  rooms: Rooms,
): () => Promise<Reloaded> {
  let current = config
  let last: Promise<unknown> = Promise.resolve()
  const reload = async (): Promise<Reloaded> => {
    rooms.clock.confirm()
    const next = loadConfig(source)
    await requireServable(next)
    await apply(current, next, rooms)
    const restart = needRestart(config, next)
    for (const key of restart) rooms.log.warn({ key }, 'a change here needs a restart')
    current = next
    rooms.onApplied(next, restart)
    rooms.log.info({ file: next.file }, 'reloaded')
    const warnings = next.warnings.map(({ path, why }) => ({ key: path, why }))
    return { file: next.file, warnings, restart }
  }
  return () => {
    const done = last.then(reload)
    last = done.catch(() => undefined)
    return done
  }
}

async function apply(current: Config, next: Config, rooms: Rooms): Promise<void> {
  const cookieSecrets = readCookieSecrets(next)
  rooms.log.level = next.log.level
  await rooms.blocklist.reconfigure(policyOptions(next), asksHosts(next))
  // Keep random secrets: new ones would make every client's cookie invalid.
  if (cookieSecrets !== undefined) rooms.nameserver.replaceCookieSecrets(cookieSecrets)
  const isOther = (['trapSmtp', 'mailbox', 'trace', 'resolver'] as const).some((key) =>
    hasChanged(current, next, key),
  )
  if (isOther) await rooms.reopenTraps(next, current)
  else await rooms.renewCertificate()
  await rooms.admin.reload(next)
}

/** The keys whose change has no effect before a restart. */
function needRestart(started: Config, next: Config): string[] {
  const keys: string[] = (['zone', 'dns', 'control', 'store'] as const).filter((key) =>
    hasChanged(started, next, key),
  )
  if (started.admin && next.admin && started.admin.publicUrl !== next.admin.publicUrl) {
    keys.push('admin.publicUrl')
  }
  return keys
}

function hasChanged(before: Config, after: Config, key: keyof Config): boolean {
  return JSON.stringify(before[key]) !== JSON.stringify(after[key])
}
