// Converts the configuration to the options that each room takes. Also reads the secret files that it names.
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import type { AdminLimits, ShownPolicy } from '../admin/options.ts'
import type { PolicyOptions } from '../blocklist/policy.ts'
import type { Config } from '../config/load.ts'
import { wrongKey } from '../errors.ts'
import type { ZoneText } from '../feeds/entry.ts'
import { isLoopbackText, type Prefix, parseGivenPrefix } from '../ip/address.ts'
import type { Primary } from '../mirror/fetch-zone.ts'
import { type ListenAddress, parseListenAddress } from '../nameserver/addresses.ts'
import { parseCookieSecrets } from '../nameserver/cookie-secrets.ts'
import type { NameserverOptions } from '../nameserver/nameserver.ts'
import { encodeCatalog, type ZoneOptions, zoneFileHead } from '../resolver/records.ts'
import type { Secondary } from '../transfer/notify.ts'
import { keyName, type TsigKey } from '../transfer/tsig.ts'
import type { AuthenticitySources } from '../traps/message-reader.ts'
import type { TrapsOptions } from '../traps/traps.ts'

export function policyOptions({ policy, removal, trap, evidence, admin }: Config): PolicyOptions {
  const { threshold } = policy
  return {
    firstListingSeconds: policy.firstListing,
    longestListingSeconds: policy.longestListing,
    ipv6Prefix: policy.ipv6Prefix,
    holdForSeconds: policy.holdFor,
    publish: policy.publish,
    whitelists: policy.whitelists,
    pools: policy.pools,
    likely: policy.likely,
    shortest4: policy.shortest4,
    shortest6: policy.shortest6,
    allowSpecial: policy.allowSpecial.map(checkedPrefix),
    threshold: {
      dsn: thresholdOptions(threshold.dsn),
      'auto-reply': thresholdOptions(threshold['auto-reply']),
      'challenge-response': thresholdOptions(threshold['challenge-response']),
      'content-notice': thresholdOptions(threshold['content-notice']),
      callout: thresholdOptions(threshold.callout),
    },
    exempt: policy.exempt.map(({ prefix, note }) => ({ prefix: checkedPrefix(prefix), note })),
    traps: trap.map(({ address }) => address),
    evidencePerDay: evidence.perDay,
    evidenceKeepSeconds: evidence.keep,
    evidenceMinTraps: evidence.minTraps,
    removal: {
      isOpen: admin?.removal ?? false,
      quietSeconds: removal.quiet,
      times: removal.times,
      periodSeconds: removal.period,
    },
  }
}

function thresholdOptions({ window, ...least }: Config['policy']['threshold']['dsn']) {
  return { ...least, windowSeconds: window }
}

/** Whether DNS can be asked about hosts. */
export function asksHosts({ resolver }: Config): boolean {
  return resolver.servers.length > 0
}

/** The limits for clients without a key. */
export function adminLimits({ admin }: Config): AdminLimits {
  return {
    trustedProxies: (admin?.trustedProxies ?? []).map(checkedPrefix),
    requestsPerMinute: admin?.rateLimit.requests ?? 0,
    takesRemovals: admin?.removal ?? true,
  }
}

export function zoneOptions({ zone }: Config): ZoneOptions {
  return { ...zone, ttlSeconds: zone.ttl, negativeTtlSeconds: zone.negativeTtl }
}

/** What the pages tell of the policy. */
export function shownPolicy(config: Config): ShownPolicy {
  return { ...policyOptions(config), asksHosts: asksHosts(config) }
}

/** What pages say of the list. The hostmaster's first dot stands for the @ (RFC 1035 §8). */
export function siteOptions({ zone }: Config) {
  const contact = zone.hostmaster.replace(/(?<!\\)\./, '@').replaceAll('\\.', '.')
  return { origin: zone.origin, contact, ttlSeconds: zone.ttl, isRetired: zone.retired }
}

/** What the configuration adds to an export as a zone file. */
export function zoneText(config: Config): ZoneText {
  const options = zoneOptions(config)
  return { head: (serial) => zoneFileHead(options, serial), text: config.zone.text }
}

function smtpOptions({
  greetingDelay,
  maxSize,
  connections,
  clientConnections,
  ...same
}: NonNullable<Config['trapSmtp']>) {
  return {
    ...same,
    proxies: same.proxies.map(checkedPrefix),
    proxyProtocol: same.proxyProtocol.map(checkedPrefix),
    greetingDelaySeconds: greetingDelay,
    maxBytes: maxSize,
    maxConnections: connections,
    maxClientConnections: clientConnections,
  }
}

/** Reads the cookie secrets too. Throws OperationalError `config-invalid` if their file cannot be read. */
export function nameserverOptions(config: Config) {
  const { dns, zone } = config
  const cookieSecrets = readCookieSecrets(config)
  return {
    listen: dns.listen,
    batch: dns.batch,
    udpPayload: dns.udpPayload,
    tcpConnections: dns.tcpConnections,
    tcpIdleSeconds: dns.tcpIdle,
    nsid: dns.nsid,
    queryLog: dns.queryLog,
    rateLimit: dns.rateLimit,
    access: dns.access.map(({ client, action }) => ({ prefix: checkedPrefix(client), action })),
    staleServfail: zone.staleServfail,
    ...(cookieSecrets && { cookieSecrets }),
    ...(dns.transfer.length > 0 && { transfer: transferOptions(config, readTsigKeys(config)) }),
  } satisfies Partial<NameserverOptions>
}

/** Who may transfer the zone. */
function transferOptions(config: Config, keys: readonly TsigKey[]) {
  const { dns, store } = config
  const catalog = catalogOf(config)
  const rules = dns.transfer.map(({ allow, key }) => ({
    clients: checkedPrefix(allow),
    key: key === '' ? undefined : keyName(key),
  }))
  return { path: store.path, keys, rules, ...(catalog && { catalog }) }
}

/** The catalog zone, encoded; undefined if there is none. */
function catalogOf(config: Config) {
  const { catalog } = config.dns
  return catalog === '' ? undefined : encodeCatalog(catalog, zoneOptions(config))
}

/** Who is told of changes of the zone. Throws as `readTsigKeys` does. */
export function secondaries(config: Config): Secondary[] {
  const keys = readTsigKeys(config)
  return config.dns.transfer.map(({ address, key }) => {
    const wanted = keyName(key)
    const secondary = parseListenAddress(address)
    return {
      ...secondary,
      localAddress: localAddressFor(secondary, config),
      key: keys.find(({ name }) => Buffer.compare(name, wanted) === 0),
    }
  })
}

/** Throws OperationalError `config-invalid` if a file cannot be read or does not hold a secret. */
export function readTsigKeys({ dns }: Config): TsigKey[] {
  return dns.key.map(({ name, algorithm, secretFile }, index) => {
    const key = `dns.key[${index + 1}].secretFile`
    const secret = fromFile(key, secretFile, readTsigSecret) ?? new Uint8Array()
    return { name: keyName(name), algorithm, secret }
  })
}

/** A secret shorter than 16 octets is too easily guessed (RFC 8945 §10 recommends as many as the MAC has). */
function readTsigSecret(path: string): Uint8Array {
  const text = readFileSync(path, 'latin1').trim()
  const secret = Buffer.from(text, 'base64')
  if (!/^[A-Za-z0-9+/\s]+=*$/.test(text) || secret.length < 16) {
    throw new Error(
      'expected at least 16 octets in Base64, such as `openssl rand -base64 32` makes',
    )
  }
  return secret
}

/** Throws OperationalError `config-invalid` if a file that `[trace]` names cannot be read. */
export function trapsOptions(config: Config) {
  const { trapSmtp, mailbox, trace, store } = config
  return {
    ...(trapSmtp && { smtp: smtpOptions(trapSmtp) }),
    mailboxes: mailbox.map(({ maxSize, ...each }) => ({ ...each, maxBytes: maxSize })),
    trace,
    authenticity: authenticitySources(config),
    markFile: `${store.path}-reading`,
  } satisfies Partial<TrapsOptions>
}

/** The secrets and files for checking returned messages. Throws as `readBatvKey` and `checkedMessageIdFile` do. */
export function authenticitySources(config: Config): AuthenticitySources {
  const batvKey = readBatvKey(config)
  const messageIdFile = checkedMessageIdFile(config)
  return {
    servers: config.resolver.servers,
    ...(batvKey && { batvKey }),
    ...(messageIdFile && { messageIdFile }),
  }
}

/** The secret in trace.batvKeyFile. Throws OperationalError `config-invalid` if it cannot be read or is empty. */
export function readBatvKey({ trace }: Config): Uint8Array | undefined {
  return fromFile('trace.batvKeyFile', trace.batvKeyFile, (path) => {
    const secret = readFileSync(path, 'utf8').trim()
    if (secret === '') throw new Error(`${path} is empty`)
    return Buffer.from(secret)
  })
}

/** The path in trace.messageIdFile. Throws OperationalError `config-invalid` if no file can be read there. */
export function checkedMessageIdFile({ trace }: Config): string | undefined {
  return fromFile('trace.messageIdFile', trace.messageIdFile, (path) => {
    accessSync(path, constants.R_OK)
    if (!statSync(path).isFile()) throw new Error(`${path} is not a file`)
    return path
  })
}

/** The secrets in dns.cookieSecretFile. Throws OperationalError `config-invalid` if they cannot be read. */
export function readCookieSecrets({ dns }: Config): Uint8Array[] | undefined {
  return fromFile('dns.cookieSecretFile', dns.cookieSecretFile, (path) =>
    parseCookieSecrets(readFileSync(path, 'utf8')),
  )
}

/** Paths of the configuration that the log may show. Paths of mailboxes are left out, since they may reveal a trap. */
export function ownPaths({ file, store, control, dns, trace, trapSmtp }: Config): string[] {
  return [
    file,
    store.path,
    `${store.path}-wal`,
    `${store.path}-shm`,
    control.socket,
    dns.cookieSecretFile,
    ...dns.key.map(({ secretFile }) => secretFile),
    trace.batvKeyFile,
    trace.messageIdFile,
    trapSmtp?.certificateFile ?? '',
    trapSmtp?.keyFile ?? '',
  ]
}

/** Calls `read` with the path that `key` holds. Returns undefined if the path is ''. Errors become `config-invalid`. */
function fromFile<T>(key: string, path: string, read: (path: string) => T): T | undefined {
  if (path === '') return undefined
  try {
    return read(path)
  } catch (error) {
    throw wrongKey(key, error)
  }
}

/** Parses a prefix that the configuration has checked. */
export function checkedPrefix(text: string): Prefix {
  const parsed = parseGivenPrefix(text)
  if ('why' in parsed) throw new Error(`${text}: ${parsed.why}`)
  return parsed.value
}

/** The file that keeps the zone. */
export function mirrorFile({ store }: Config): string {
  return `${store.path}-zone`
}

/** Of a mirror. Throws as `readTsigKeys` does. */
export function primaryOf(config: Config): Primary {
  const name = keyName(config.zone.primaryKey)
  const key = readTsigKeys(config).find((each) => Buffer.compare(each.name, name) === 0)
  const primary = parseListenAddress(config.zone.primary)
  return { ...primary, key, localAddress: localAddressFor(primary, config) }
}

/**
 * A machine may have several addresses, and its peers know the one that answers DNS. If that is a single one of the peer's family,
 * messages to the peer come from it; else the system chooses.
 */
function localAddressFor(peer: ListenAddress, { dns }: Config): string | undefined {
  const own = dns.listen
    .map(parseListenAddress)
    .filter(
      ({ family, host }) =>
        family === peer.family && isLoopbackText(host) === isLoopbackText(peer.host),
    )
  const [only] = new Set(own.map(({ host }) => host))
  return own.every(({ host }) => host === only) && only !== '0.0.0.0' && only !== '::'
    ? only
    : undefined
}
