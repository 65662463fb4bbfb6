// The HTTP side of `serve`: serves the application on the control socket and, with `[admin]`, on a TCP address. Also creates
// the first admin key.
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildApp } from '../admin/app.ts'
import { RefusalLog } from '../admin/client-limits.ts'
import { KeyRing, newSecret } from '../admin/key-ring.ts'
import {
  isFromControlSocket,
  type Listener,
  serveOnSocket,
  serveOnTcp,
} from '../admin/listeners.ts'
import type { AppOptions } from '../admin/options.ts'
import { operator } from '../admin/scopes.ts'
import type { Config } from '../config/load.ts'
import { Resolver } from '../resolver/resolver.ts'
import { databaseFailure, isDiskFull } from '../store/database.ts'
import { giveToOwnerOf, writeStoreFile } from '../store/private-file.ts'
import type { MailDomains } from '../traps/mail-domain.ts'
import { version } from './command.ts'
import { adminLimits, shownPolicy, siteOptions, zoneText } from './options.ts'

/** The options of the HTTP application that the caller gives. startAdmin() sets the others. */
type AdminRooms = Omit<
  AppOptions,
  | 'version'
  | 'origin'
  | 'contact'
  | 'ttlSeconds'
  | 'isRetired'
  | 'mailDomain'
  | 'zone'
  | 'refusals'
  | 'publicUrl'
  | 'callerOf'
  | 'limits'
  | 'policy'
  | 'closing'
>

export interface Admin extends AsyncDisposable {
  /** The bound host:port. Undefined without `[admin]`. */
  address(): string | undefined
  /** Applies new limits and a new address. If the address cannot be bound, it throws and keeps the old one. */
  reload(config: Config): Promise<void>
}

/** Starts both listeners. Throws OperationalError `address-unavailable` if one cannot be bound. */
export async function startAdmin(config: Config, rooms: AdminRooms): Promise<Admin> {
  await using starting = new AsyncDisposableStack()
  let limits = adminLimits(config)
  let policy = shownPolicy(config)
  const refusals = new RefusalLog(rooms.log)
  let mailDomains = await mailDomainsOf(config)
  const closing = new AbortController()
  const app = starting.use(
    buildApp({
      ...rooms,
      version,
      ...siteOptions(config),
      mailDomain: async (host) => await mailDomains?.ask(host),
      zone: zoneText(config),
      refusals,
      closing: closing.signal,
      publicUrl: config.admin?.publicUrl ?? '',
      callerOf: (request) => (isFromControlSocket(request) ? operator : undefined),
      limits: () => limits,
      policy: () => policy,
    }),
  )
  starting.adopt(await serveOnSocket(app, config.control.socket), (each) => each.close())
  giveToOwnerOf(dirname(config.store.path), config.control.socket)
  const trustedProxies = () => limits.trustedProxies
  const open = (listen: string) => serveOnTcp(app, { listen, trustedProxies, refusals })
  let listen = config.admin?.listen
  let listener: Listener | undefined
  starting.defer(async () => listener?.close())
  if (listen !== undefined) {
    listener = await open(listen)
    makeFirstKey(config, rooms)
  }
  starting.defer(() => closing.abort())
  const running = starting.move()
  return {
    address: () => listener?.address,
    async reload(next) {
      const wanted = next.admin?.listen
      if (wanted !== listen) {
        const before = listener
        listener = wanted === undefined ? undefined : await open(wanted)
        listen = wanted
        // Not awaited: a request for this reload may come through the old listener.
        before?.close().catch((error) => rooms.log.error({ err: error }, 'not closed'))
        if (wanted !== undefined) makeFirstKey(next, rooms)
      }
      limits = adminLimits(next)
      policy = shownPolicy(next)
      mailDomains = await mailDomainsOf(next)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/**
 * Asks the configured name servers. Its cache is its own, so that the time of an answer does not tell whether a message made the
 * server ask before. Undefined without such servers.
 */
async function mailDomainsOf({ resolver: { servers } }: Config): Promise<MailDomains | undefined> {
  if (servers.length === 0) return undefined
  const { MailDomains: Domains } = await import('../traps/mail-domain.ts')
  return new Domains({ resolver: new Resolver({ servers }) })
}

/**
 * Creates the first key of scope admin, if there never was one. Prints it if standard error is a terminal; else writes it to
 * `admin.key` beside the database. A file of that name stays as it is, since it may hold the key of another database.
 */
function makeFirstKey({ store: { path } }: Config, rooms: AdminRooms): void {
  const keys = new KeyRing(rooms)
  if (keys.all().some(({ scope }) => scope === 'admin')) return
  const secret = newSecret()
  const file = join(dirname(path), 'admin.key')
  const isOnTerminal = process.stderr.isTTY
  if (!isOnTerminal && existsSync(file)) {
    rooms.log.warn(
      { file },
      'this file exists and may hold the key of another database, so no first admin key was made; ' +
        'make one with "backscatterd key create --scope admin --name NAME"',
    )
    return
  }
  try {
    // Write the file before the key is stored. Otherwise a failed write would leave a key that nobody knows.
    if (!isOnTerminal) writeSecret(file, secret)
    keys.create({ name: 'first', scope: 'admin', expiresAt: null }, 'config', secret)
  } catch (error) {
    if (!isOnTerminal) rmSync(file, { force: true })
    if (!isDiskFull(error)) throw error
    rooms.log.warn(
      { err: error },
      'the disk has no room for the first admin key; it will be created at the next start',
    )
    return
  }
  if (isOnTerminal) {
    process.stderr.write(`\nThe first admin key. It is shown only this once:\n\n  ${secret}\n\n`)
  } else {
    rooms.log.warn({ file }, 'the first admin key is in this file; read it and remove it')
  }
}

/** Writes a new file. It has mode 0600 from the start. */
function writeSecret(file: string, secret: string): void {
  try {
    writeStoreFile(file, `${secret}\n`)
  } catch (error) {
    throw databaseFailure(error, `${file}: cannot be written`)
  }
}
