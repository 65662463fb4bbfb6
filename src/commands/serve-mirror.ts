// `serve` with zone.primary: a mirror of another backscatterd. It answers DNS from a copy of the primary's zone, and does nothing
// else: there is no database, no HTTP interface and no trap.
import { availableParallelism } from 'node:os'
import type { Config } from '../config/load.ts'
import { types } from '../dns/wire.ts'
import { serialFromEnd, type ZoneData } from '../dns/zone.ts'
import { hostPrefix, parseAddress } from '../ip/address.ts'
import type { Primary } from '../mirror/fetch-zone.ts'
import type { OwnPart } from '../mirror/mirror-thread.ts'
import { isStatus } from '../mirror/mirrored-zone.ts'
import { RemoteMirror } from '../mirror/remote-mirror.ts'
import { type Nameserver, prepareNameserver } from '../nameserver/nameserver.ts'
import { encodeZone } from '../resolver/records.ts'
import { takeLock } from '../store/lock.ts'
import { version } from './command.ts'
import { watchCapacity, watchFiles } from './housekeeping.ts'
import type { ServerLog } from './log.ts'
import { mirrorFile, nameserverOptions, primaryOf, readTsigKeys, zoneOptions } from './options.ts'
import type { Server } from './running-server.ts'
import { allowMoreInlining } from './v8-flags.ts'

const housekeepingMs = 1000
const emptyTree = { usedBytes: 0, freeBytes: 0, capacityBytes: 1 }

/** Throws OperationalError if it cannot start. `fatal` is called if it cannot go on. */
export async function startMirror(
  config: Config,
  log: ServerLog,
  fatal: (error: Error) => void,
): Promise<Server> {
  await using starting = new AsyncDisposableStack()
  allowMoreInlining()
  const lock = takeLock(config.store.path)
  starting.defer(() => lock.release())
  const primary = primaryOf(config)
  const configured: ZoneData = encodeZone(zoneOptions(config))
  const notices = new Int32Array(new SharedArrayBuffer(4))
  const clockCorrection = new SharedArrayBuffer(8)
  let nameserver: Nameserver | undefined
  let isClosing = false
  // The threads take the zone's own records at their start. These change seldom, so new threads on new sockets are good enough.
  const answerWith = async (zone: ZoneData): Promise<Nameserver> => {
    const next = await prepareNameserver({
      ...nameserverOptions(config),
      listen: nameserver?.addresses ?? config.dns.listen,
      workers: config.dns.workers || availableParallelism(),
      zone,
      tree,
      clockCorrection,
      version: config.dns.version && `backscatterd ${version}`,
      notify: notifyOptions(config, primary, notices.buffer),
      log,
      onFatal: fatal,
    })
    await nameserver?.close()
    return await next.listen()
  }
  starting.defer(async () => {
    isClosing = true
    await nameserver?.close()
  })
  let shown: ZoneData = configured
  const mirror = new RemoteMirror({
    path: mirrorFile(config),
    primary,
    origin: configured.origin,
    text: config.zone.text,
    capacityBytes: config.dns.capacity,
    log,
    onFatal: fatal,
    async onOwn(own) {
      const next = zoneDataOf(own, configured)
      if (isSame(shown, next)) return
      shown = next
      if (nameserver === undefined || isClosing) return
      nameserver = await answerWith(next)
    },
  })
  starting.defer(async () => await mirror.close())
  const tree = await mirror.tree
  nameserver = await answerWith(shown)
  log.info({ dns: nameserver.addresses, primary: config.zone.primary }, 'answering DNS as a mirror')
  const isNearlyFull = watchCapacity(() => mirror.usage ?? emptyTree, log)
  const lookForFiles = watchFiles(log)
  const housekeeping = setInterval(() => {
    isNearlyFull()
    lookForFiles()
  }, housekeepingMs)
  starting.defer(() => clearInterval(housekeeping))
  starting.defer(onNotice(notices, () => mirror.ask()))
  mirror.ask()
  const running = starting.move()
  return {
    readyLine: `backscatterd ready dns=${nameserver.addresses.join(',')}`,
    dnsAddress: nameserver.addresses[0] ?? '',
    adminAddress: undefined,
    reload: async () => mirror.ask(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** NOTIFY is taken from the primary's address, and with its key if there is one. */
function notifyOptions(config: Config, { host, key }: Primary, count: SharedArrayBuffer) {
  const address = parseAddress(host)
  if ('why' in address) throw new Error(`${host}: ${address.why}`)
  const primary = { clients: hostPrefix(address.value), key: key?.name, count }
  return { keys: readTsigKeys(config), rules: [], primary }
}

/** What the name server answers besides the listings. The server makes `_status` itself. */
function zoneDataOf({ own, ttl }: OwnPart, configured: ZoneData): ZoneData {
  const records = own.filter((record) => !isStatus(record, configured.origin))
  const minimum = Buffer.from(own[0]?.rdata ?? []).subarray(-4)
  const negativeTtl = minimum.length === 4 ? minimum.readUInt32BE() : configured.negativeTtl
  return { ...configured, records, ttl: ttl || configured.ttl, negativeTtl }
}

/** Whether two zones differ in nothing but the SOA's serial. */
function isSame(a: ZoneData, b: ZoneData): boolean {
  return shownText(a) === shownText(b)
}

function shownText({ records, ttl, negativeTtl }: ZoneData): string {
  const texts = records.map(({ owner, type, ttl: own, rdata }) => {
    const octets = Buffer.from(rdata)
    if (type === types.SOA) octets.writeUInt32BE(0, octets.length - serialFromEnd)
    return `${Buffer.from(owner).toString('hex')} ${type} ${own} ${octets.toString('hex')}`
  })
  return [ttl, negativeTtl, ...texts.sort()].join('\n')
}

/** Calls `act` when the count grows. Returns the function that ends this. */
function onNotice(count: Int32Array, act: () => void): () => void {
  let isOver = false
  const watch = async (): Promise<void> => {
    for (let seen = 0; !isOver; ) {
      await Atomics.waitAsync(count, 0, seen).value
      seen = Atomics.load(count, 0)
      if (!isOver) act()
    }
  }
  void watch()
  return () => {
    isOver = true
    Atomics.add(count, 0, 1)
    Atomics.notify(count, 0)
  }
}
