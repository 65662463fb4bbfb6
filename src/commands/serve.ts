// `serve`: the composition root. Opens the store under its lock, loads the tree, answers DNS, then brings up the
// control socket and the traps. What is heavy to load (Fastify, the mail packages) comes after DNS answers.
import { availableParallelism } from 'node:os'
import { Blocklist } from '../blocklist/blocklist.ts'
import { Clock } from '../clock.ts'
import { type Config, type ConfigSource, demoConfig, loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { prepareNameserver } from '../nameserver/nameserver.ts'
import { encodeZone } from '../resolver/records.ts'
import { openStore, type Store } from '../store/database.ts'
import type { MailboxStatus, Traps } from '../traps/traps.ts'
import { TreeWriter } from '../tree/writer.ts'
import { authenticitySources } from './authenticity-sources.ts'
import { watchCapacity } from './capacity-watch.ts'
import { requireServable } from './config-faults.ts'
import { watchFiles } from './file-watch.ts'
import { createLog, type ServerLog } from './log.ts'
import { cookieSecretsOf, nameserverOptions, policyOptions, zoneOptions } from './options.ts'
import { systemdNotice } from './systemd.ts'
import { allowMoreInlining, keepOldSpaceSmall } from './v8-flags.ts'
import { version } from './version.ts'

/** Expiry and freshness are looked at this often: an expired listing is gone from DNS well within 5 s. */
const housekeepingMs = 1000
/** SIGTERM to exit takes at most 5 s; whatever has not drained by then is cut off. */
const drainMs = 4500

/**
 * Serves until SIGTERM or SIGINT, then drains and resolves with 0. Prints the ready line on stdout once every
 * listener is bound and the tree is loaded. SIGHUP confirms a held clock and re-reads the configuration, one that comes during the start after it. Throws OperationalError for what keeps
 * it from starting; resolves with 1 when it had to give up later.
 */
export async function serve(source: ConfigSource): Promise<number> {
  let isReloadWanted = false
  let onHangUp = (): void => {
    isReloadWanted = true
  }
  process.on('SIGHUP', () => onHangUp())
  const config = loadConfig(source)
  const log = createLog(config.log.level, process.stderr.isTTY)
  for (const { path, why } of config.warnings) log.warn({ key: path }, `configuration: ${why}`)
  const ending = awaitEnd(log)
  const notice = await systemdNotice(process.env, log)
  await using server = await start(config, log, ending.fatal).catch(async (error) => {
    // A room stops at its first fault, and knows no file's name.
    if (error instanceof OperationalError && error.code === 'config-invalid')
      await requireServable(config)
    throw error
  })
  process.stdout.write(`${server.readyLine}\n`)
  notice.ready()
  if (config.file === demoConfig) process.stderr.write(demoCommands(server.dnsAddress))
  onHangUp = () => {
    server.reload(source).catch((error) => log.error({ err: error }, 'not reloaded'))
  }
  if (isReloadWanted) onHangUp()
  const exitCode = await ending.ended
  onHangUp = () => undefined
  notice.stopping()
  log.info({}, 'stopping')
  // Nothing acknowledged is lost by leaving early, so a peer that will not let go does not hold the exit up.
  setTimeout(() => process.exit(exitCode), drainMs).unref()
  return exitCode
}

interface Server extends AsyncDisposable {
  readonly readyLine: string
  readonly dnsAddress: string
  reload(source: ConfigSource): Promise<void>
}

async function start(
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
  const tree = TreeWriter.create({ capacityBytes: config.dns.capacity })
  const prepared = starting.adopt(
    await prepareNameserver({
      ...nameserverOptions(config),
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
  const blocklist = starting.adopt(
    Blocklist.open({
      store,
      tree,
      policy: policyOptions(config),
      now,
      requireClock: () => clock.requireSure(),
      log,
      validForSeconds: config.zone.validFor,
      retired: config.zone.retired,
      minFreeBytes: config.store.minFree,
    }),
    (each) => each.close(),
  )
  const nameserver = starting.adopt(await prepared.listen(), (each) => each.close())
  const milliseconds = Math.round(performance.now() - startedAt)
  log.info({ dns: nameserver.addresses, milliseconds }, 'answering DNS')
  const isNearlyFull = watchCapacity(() => tree.stats(), log)
  const lookForFiles = watchFiles(log)
  starting.adopt(
    setInterval(() => {
      isNearlyFull()
      lookForFiles()
      clockCorrection[0] = clock.correction
      blocklist.expire().catch((error) => {
        // The door says so by itself, once a minute.
        if (blocklist.status().writeFailure) return
        log.error({ err: error }, 'expiry failed, tried again')
      })
    }, housekeepingMs),
    clearInterval,
  )
  starting.adopt(await scheduleEvidencePurge(blocklist, log), (each) => each.stop())

  let traps: Traps | undefined
  let isReady = false
  const { startAdmin } = await import('./serve-admin.ts')
  const admin = starting.use(
    await startAdmin(config, {
      ...{ blocklist, store, now, requireClock: () => clock.requireSure(), log },
      status: () => ({
        version,
        ...blocklist.status(),
        tree: { ...blocklist.status().tree, nearlyFull: isNearlyFull() },
        ...(clock.held && { clockHeld: clock.held }),
        dns: nameserver.counters(),
        workers: nameserver.workers,
        uptimeSeconds: Math.floor(process.uptime()),
        udp: nameserver.udp(),
        mailboxes: traps?.mailboxes() ?? ([] as MailboxStatus[]),
      }),
      isReady: () => isReady,
      traps: () => traps,
    }),
  )
  const startTraps = await trapStarter(blocklist, store, now, log, fatal)
  starting.defer(async () => traps?.close())
  traps = await startTraps(config)
  isReady = true
  setImmediate(() => blocklist.finishImports())

  let current = config
  const running = starting.move()
  return {
    readyLine: readyLine(nameserver.addresses, admin.address(), traps.addresses),
    dnsAddress: nameserver.addresses[0] ?? '',
    async reload(source) {
      clock.confirm()
      const next = loadConfig(source)
      await requireServable(next)
      const cookieSecrets = cookieSecretsOf(next)
      log.level = next.log.level
      await blocklist.reconfigure(policyOptions(next))
      // Random ones go on as they are: a new set would cost every client its cookie.
      if (cookieSecrets !== undefined) nameserver.replaceCookieSecrets(cookieSecrets)
      if (changed(current, next, ['trapSmtp', 'mailbox', 'trace', 'resolver'])) {
        await traps?.close()
        traps = await startTraps(next).catch(async (error) => {
          traps = await startTraps(current)
          throw error
        })
      } else {
        await traps?.renewCertificate()
      }
      await admin.reload(next)
      for (const key of ['zone', 'dns', 'control', 'store'] as const) {
        if (changed(current, next, [key])) log.warn({ key }, 'a change here needs a restart')
      }
      if (current.admin && next.admin && current.admin.publicUrl !== next.admin.publicUrl) {
        log.warn({ key: 'admin.publicUrl' }, 'a change here needs a restart')
      }
      current = next
      log.info({ file: next.file }, 'reloaded')
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Deletes what evidence is kept no longer, once a day, when most is quiet. */
async function scheduleEvidencePurge(blocklist: Blocklist, log: ServerLog) {
  const { startSchedule } = await import('../schedule.ts')
  return startSchedule({
    expression: '23 3 * * *',
    run: async () => {
      try {
        const messages = await blocklist.purgeEvidence()
        log.info({ messages }, 'old evidence deleted')
      } catch (error) {
        log.error({ err: error }, 'old evidence not deleted, tried again tomorrow')
      }
    },
  })
}

/** Loads the mail packages and gives a function that starts the traps of a configuration. */
async function trapStarter(
  blocklist: Blocklist,
  { mailboxPositions }: Store,
  now: () => number,
  log: ServerLog,
  fatal: (error: Error) => void,
) {
  const { startTraps } = await import('../traps/traps.ts')
  return async (config: Config): Promise<Traps> => {
    if (config.mailbox.length > 0) keepOldSpaceSmall()
    return await startTraps({
      ...(config.trapSmtp && {
        smtp: {
          listen: config.trapSmtp.listen,
          hostname: config.trapSmtp.hostname,
          lmtp: config.trapSmtp.lmtp,
          certificateFile: config.trapSmtp.certificateFile,
          keyFile: config.trapSmtp.keyFile,
          proxies: config.trapSmtp.proxies,
          proxyProtocol: config.trapSmtp.proxyProtocol,
          greetingDelaySeconds: config.trapSmtp.greetingDelay,
          maxBytes: config.trapSmtp.maxSize,
          maxConnections: config.trapSmtp.connections,
          maxClientConnections: config.trapSmtp.clientConnections,
          perMinute: config.trapSmtp.perMinute,
        },
      }),
      mailboxes: config.mailbox.map(({ maxSize, ...mailbox }) => ({
        ...mailbox,
        maxBytes: maxSize,
      })),
      positions: {
        get: (mailbox) => mailboxPositions.get(mailbox),
        set: (mailbox, position) => mailboxPositions.set(mailbox, position, now()),
      },
      trace: config.trace,
      authenticity: authenticitySources(config),
      markFile: `${config.store.path}-reading`,
      isTrap: (address) => blocklist.trapMatcher()(address) !== undefined,
      record: (evidence) => blocklist.record(evidence),
      now,
      log,
      onFatal: fatal,
    })
  }
}

/** Resolves with the exit code once a signal or a fatal error says that it is time to stop. */
function awaitEnd(log: ServerLog) {
  const { promise: ended, resolve } = Promise.withResolvers<number>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'signal received')
      resolve(0)
    })
  }
  const fatal = (error: Error): void => {
    log.error({ err: error }, 'cannot go on')
    resolve(1)
  }
  // Node would print it, whatever it says.
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

/** What to try with the demonstration, as commands that can be pasted. */
function demoCommands(dns: string): string {
  const port = dns.slice(dns.lastIndexOf(':') + 1)
  const dig = `dig @127.0.0.1 -p ${port} +noall +answer`
  const sender = '10.100.51.198.bl.backscatter.example'
  return `
Three commands to try in another terminal, in this folder:

  ${dig} 2.0.0.127.bl.backscatter.example A
  npm run sample
  ${dig} ${sender} A ${sender} TXT

`
}

function changed(before: Config, after: Config, keys: readonly (keyof Config)[]): boolean {
  return keys.some((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
}
