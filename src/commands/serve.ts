// `serve` builds the whole server. It opens the store under its lock, loads the tree and starts to answer DNS. Then it starts
// the HTTP interface and the traps; their packages are loaded only then, since that takes long.
import { availableParallelism } from 'node:os'
import type { Answered } from '../admin/options.ts'
import type { ServerStatus } from '../admin/schemas/server.ts'
import { Blocklist } from '../blocklist/blocklist.ts'
import { Clock } from '../clock.ts'
import { type Config, type ConfigSource, demoConfig, loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import {
  type NameserverCounters,
  prepareNameserver,
  type UdpStatus,
} from '../nameserver/nameserver.ts'
import type { ThreadStatus } from '../nameserver/supervisor.ts'
import { encodeZone } from '../resolver/records.ts'
import { openStore } from '../store/database.ts'
import { Notifier } from '../transfer/notify.ts'
import { ownRecordsDigest } from '../transfer/zone-content.ts'
import type { Traps } from '../traps/traps.ts'
import { TreeWriter } from '../tree/writer.ts'
import { requireServable } from './check-config.ts'
import { version } from './command.ts'
import { systemdNotice, watchCapacity, watchFiles } from './housekeeping.ts'
import { createLog, type ServerLog } from './log.ts'
import {
  asksHosts,
  nameserverOptions,
  ownPaths,
  policyOptions,
  secondaries,
  trapsOptions,
  zoneOptions,
} from './options.ts'
import { reloading } from './reload-server.ts'
import type { Server } from './running-server.ts'
import { allowMoreInlining, keepOldSpaceSmall } from './v8-flags.ts'

/** How often expiry and freshness are checked: an expired listing must be gone from DNS within 5 s. */
const housekeepingMs = 1000
/** Time to finish open work after SIGTERM; then it is cut off. The whole exit may take 5 s. */
const drainMs = 4500

/**
 * Serves until SIGTERM or SIGINT, then finishes open work and resolves with 0; resolves with 1 after a fatal error. Prints
 * the ready line on standard output once every listener is bound and the tree is loaded. SIGHUP confirms a held clock and
 * reads the configuration again; a SIGHUP during the start is handled after it. A mirror asks its primary at once instead. Throws
 * OperationalError if it cannot start.
 */
export async function serve(source: ConfigSource): Promise<number> {
  let isReloadWanted = false
  let onHangUp = (): void => {
    isReloadWanted = true
  }
  process.on('SIGHUP', () => onHangUp())
  const config = loadConfig(source)
  const log = createLog(config.log.level, process.stderr.isTTY, ownPaths(config))
  for (const { path, why } of config.warnings) log.warn({ key: path }, `configuration: ${why}`)
  const ending = awaitEnd(log)
  const notice = await systemdNotice(process.env, log)
  const isMirror = config.zone.primary !== ''
  const starting = isMirror
    ? import('./serve-mirror.ts').then(({ startMirror }) => startMirror(config, log, ending.fatal))
    : start(source, config, log, ending.fatal)
  await using server = await starting.catch(async (error) => {
    // This error names only the first fault and no file. The full check names the file and every fault.
    if (error instanceof OperationalError && error.code === 'config-invalid')
      await requireServable(config)
    throw error
  })
  process.stdout.write(`${server.readyLine}\n`)
  notice.ready()
  if (config.file === demoConfig) process.stderr.write(demoCommands(server))
  onHangUp = () => {
    server.reload().catch((error) => log.error({ err: error }, 'not reloaded'))
  }
  if (isReloadWanted) onHangUp()
  const exitCode = await ending.ended
  onHangUp = () => undefined
  notice.stopping()
  log.info({}, 'stopping')
  // A peer that keeps its connection open must not delay the exit. Everything acknowledged is on disk.
  setTimeout(() => process.exit(exitCode), drainMs).unref()
  return exitCode
}

async function start(
  source: ConfigSource,
  config: Config,
  log: ServerLog,
  fatal: (error: Error) => void,
): Promise<Server> {
  await using starting = new AsyncDisposableStack()
  const startedAt = performance.now()
  allowMoreInlining()
  const zone = encodeZone(zoneOptions(config))
  const store = starting.adopt(openStore(config.store.path), (each) => each.close())
  const lastPublishedAt = store.journal.newest()?.generatedAt
  const clock = new Clock({ lastPublishedAt, log })
  const now = (): number => clock.now()
  const clockCorrection = new Float64Array(new SharedArrayBuffer(8))
  clockCorrection[0] = clock.correction
  const tree = new TreeWriter(config.dns.capacity)
  const ofNameserver = nameserverOptions(config)
  const prepared = starting.adopt(
    await prepareNameserver({
      ...ofNameserver,
      workers: config.dns.workers || availableParallelism(),
      zone,
      tree: tree.buffer,
      clockCorrection: clockCorrection.buffer,
      version: config.dns.version && `backscatterd ${version}`,
      log,
      onFatal: fatal,
    }),
    (each) => each.abandon(),
  )
  const notifier = starting.adopt(new Notifier(zone, secondaries(config), log), (each) =>
    each.close(),
  )
  const blocklist = starting.adopt(
    new Blocklist({
      store,
      tree,
      policy: policyOptions(config),
      now,
      requireClock: () => clock.requireSure(),
      log,
      validForSeconds: config.zone.validFor,
      retired: config.zone.retired,
      ownRecords: ownRecordsDigest(zone),
      minFreeBytes: config.store.minFree,
      asksHosts: asksHosts(config),
      onPublished: (serial) => notifier.onPublished(serial),
    }),
    (each) => each.close(),
  )
  const nameserver = starting.adopt(await prepared.listen(), (each) => each.close())
  const milliseconds = Math.round(performance.now() - startedAt)
  log.info({ dns: nameserver.addresses, milliseconds }, 'answering DNS')
  const catalog = ofNameserver.transfer?.catalog
  if (catalog !== undefined) {
    // Not every secondary takes the catalog, and whether one answers is told for the list.
    const tell = (fields: object, message: string): void => log.debug(fields, message)
    const quietLog = { error: tell, warn: tell, info: tell, debug: tell }
    const ofCatalog = new Notifier(catalog, secondaries(config), quietLog)
    // The catalog stays the same while the server runs.
    starting.adopt(ofCatalog, (each) => each.close()).onPublished(blocklist.status().serial)
  }
  const isNearlyFull = watchCapacity(() => tree.stats(), log)
  const lookForFiles = watchFiles(log)
  starting.adopt(
    setInterval(() => {
      isNearlyFull()
      lookForFiles()
      clockCorrection[0] = clock.correction
      blocklist.expire().catch((error) => {
        // If the disk fails, the blocklist logs that itself, once a minute.
        if (blocklist.status().writeFailure) return
        log.error({ err: error }, 'expiry failed, tried again')
      })
    }, housekeepingMs),
    clearInterval,
  )
  starting.adopt(await scheduleEvidencePurge(blocklist, log), (each) => each.stop())

  let traps: Traps | undefined
  let reload: ReturnType<typeof reloading> | undefined
  let inForce = config
  let keysForRestart: readonly string[] = []
  let isReady = false
  const { startAdmin } = await import('./serve-admin.ts')
  const admin = starting.use(
    await startAdmin(config, {
      blocklist,
      store,
      now,
      requireClock: () => clock.requireSure(),
      log,
      status: () => ({
        version,
        ...blocklist.status(),
        tree: { ...blocklist.status().tree, nearlyFull: isNearlyFull() },
        ...(clock.held && { clockHeld: clock.held }),
        dns: nameserver.counters() satisfies Answered<
          NameserverCounters,
          NonNullable<ServerStatus['dns']>
        >,
        workers: nameserver.workers,
        threads: nameserver.threads() satisfies Answered<
          ThreadStatus,
          NonNullable<ServerStatus['threads']>[number]
        >[],
        secondaries: notifier.status(),
        uptimeSeconds: Math.floor(process.uptime()),
        configReadAt: inForce.readAt,
        needRestart: keysForRestart,
        udp: nameserver.udp() satisfies Answered<UdpStatus, NonNullable<ServerStatus['udp']>>,
        mailboxes: traps?.mailboxes() ?? [],
      }),
      outcomes: () => nameserver.outcomes(),
      isReady: () => isReady,
      mail: () => traps,
      reload: () => reload?.(),
    }),
  )
  const { startTraps } = await import('../traps/traps.ts')
  const openTraps = async (next: Config): Promise<Traps> => {
    if (next.mailbox.length > 0) keepOldSpaceSmall()
    return await startTraps({
      ...trapsOptions(next),
      positions: {
        get: (mailbox) => store.mailboxPositions.get(mailbox),
        set: (mailbox, position) => store.mailboxPositions.set(mailbox, position, now()),
      },
      list: blocklist,
      hosts: blocklist,
      now,
      log,
      onFatal: fatal,
    })
  }
  starting.defer(async () => traps?.close())
  traps = await openTraps(config)
  isReady = true
  setImmediate(() => blocklist.finishImports())

  reload = reloading(source, config, {
    clock,
    blocklist,
    nameserver,
    admin,
    log,
    async reopenTraps(next, before) {
      await traps?.close()
      traps = await openTraps(next).catch(async (error) => {
        traps = await openTraps(before)
        throw error
      })
    },
    renewCertificate: async () => traps?.renewCertificate(),
    onApplied(next, needRestart) {
      inForce = next
      keysForRestart = needRestart
    },
  })
  const running = starting.move()
  return {
    readyLine: readyLine(nameserver.addresses, admin.address(), traps.addresses),
    dnsAddress: nameserver.addresses[0] ?? '',
    adminAddress: admin.address(),
    reload,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Deletes old evidence once a day, at night. */
async function scheduleEvidencePurge(blocklist: Blocklist, log: ServerLog) {
  const { startSchedule } = await import('../schedule.ts')
  return startSchedule({
    expression: '23 3 * * *',
    run: async () => {
      try {
        const messages = await blocklist.purgeEvidence()
        log.info({ messages }, 'old evidence deleted')
      } catch (error) {
        log.error({ err: error }, 'old evidence could not be deleted; trying again tomorrow')
      }
    },
  })
}

/** Waits for the end of the server. `ended` resolves with the exit code after a signal or a call of `fatal`. */
function awaitEnd(log: ServerLog) {
  const { promise: ended, resolve } = Promise.withResolvers<number>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'signal received')
      resolve(0)
    })
  }
  const fatal = (error: Error): void => {
    log.error({ err: error }, 'fatal error: the server stops')
    resolve(1)
  }
  // Without this handler Node would print the error unmasked.
  process.on('uncaughtException', fatal)
  return { ended, fatal }
}

function readyLine(
  dns: readonly string[],
  admin: string | undefined,
  smtp: readonly string[],
): string {
  const words = ['backscatterd ready', `dns=${dns.join(',')}`]
  if (admin !== undefined) words.push(`admin=${admin}`)
  if (smtp.length > 0) words.push(`smtp=${smtp.join(',')}`)
  return words.join(' ')
}

/** What to try with the demonstration: commands to paste into another terminal, and where the HTTP interface is. */
function demoCommands({
  dnsAddress: dns,
  adminAddress: http,
}: Pick<Server, 'dnsAddress' | 'adminAddress'>): string {
  const port = dns.slice(dns.lastIndexOf(':') + 1)
  const dig = `dig @127.0.0.1 -p ${port} +noall +answer`
  const sender = '10.100.51.198.bl.backscatter.example'
  return `
Three commands to try in another terminal, in this folder:

  ${dig} 2.0.0.127.bl.backscatter.example A
  npm run sample
  ${dig} ${sender} A ${sender} TXT
${
  http === undefined
    ? ''
    : `
The HTTP interface is at http://${http}, and http://${http}/docs shows its calls in a browser.
http://${http}/dashboard asks for the first admin key, which is printed above or in data/admin.key.
`
}
`
}
