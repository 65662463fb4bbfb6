// The configuration, cut into the plain options that each room takes. Called by every command that composes rooms.
import { readFileSync } from 'node:fs'
import type { AdminLimits } from '../admin/app.ts'
import type { PolicyOptions } from '../blocklist/policy.ts'
import type { Config } from '../config/load.ts'
import { wrongKey } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import { parsePrefix } from '../ip/address.ts'
import { parseCookieSecrets } from '../nameserver/cookie-secrets.ts'
import type { NameserverOptions } from '../nameserver/nameserver.ts'

/** The configuration's policy, thresholds, exemptions, traps and what is kept of messages, as blocklist/ takes them. */
export function policyOptions(config: Config): PolicyOptions {
  const { policy } = config
  return {
    firstListingSeconds: policy.firstListing,
    longestListingSeconds: policy.longestListing,
    ipv6Prefix: policy.ipv6Prefix,
    holdForSeconds: policy.holdFor,
    publish: policy.publish,
    shortest4: policy.shortest4,
    shortest6: policy.shortest6,
    allowSpecial: policy.allowSpecial.map(checkedPrefix),
    threshold: {
      dsn: threshold(policy.threshold.dsn),
      'auto-reply': threshold(policy.threshold['auto-reply']),
      'challenge-response': threshold(policy.threshold['challenge-response']),
      'content-notice': threshold(policy.threshold['content-notice']),
      callout: threshold(policy.threshold.callout),
    },
    exempt: policy.exempt.map(({ prefix, note }) => ({ prefix: checkedPrefix(prefix), note })),
    traps: config.trap.map(({ address }) => address),
    evidencePerDay: config.evidence.perDay,
    evidenceKeepSeconds: config.evidence.keep,
  }
}

/** What `[admin]` allows to strangers. */
export function adminLimits({ admin }: Config): AdminLimits {
  return {
    trustedProxies: (admin?.trustedProxies ?? []).map(checkedPrefix),
    requestsPerMinute: admin?.rateLimit.requests ?? 0,
  }
}

/** What resolver/records needs to encode the zone's own records. */
export function zoneOptions(config: Config) {
  const { zone } = config
  return {
    origin: zone.origin,
    nameservers: zone.nameservers,
    hostmaster: zone.hostmaster,
    records: zone.records,
    ttlSeconds: zone.ttl,
    negativeTtlSeconds: zone.negativeTtl,
    text: zone.text,
    retired: zone.retired,
  }
}

/** The keys of [dns] and [zone] that the name server takes as they are; the cookie secrets are read here. */
export function nameserverOptions(config: Config) {
  const { dns, zone } = config
  const cookieSecrets = cookieSecretsOf(config)
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
  } satisfies Partial<NameserverOptions>
}

/** The secrets of dns.cookieSecretFile; undefined without one. Throws OperationalError 'config-invalid'. */
export function cookieSecretsOf({ dns }: Config): Uint8Array[] | undefined {
  if (dns.cookieSecretFile === '') return undefined
  try {
    return parseCookieSecrets(readFileSync(dns.cookieSecretFile, 'utf8'))
  } catch (error) {
    throw wrongKey('dns.cookieSecretFile', error)
  }
}

function threshold(values: { messages: number; traps: number; window: number }) {
  return { messages: values.messages, traps: values.traps, windowSeconds: values.window }
}

/** A prefix that the configuration's own validation has already read once. */
function checkedPrefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  if ('why' in parsed) throw new Error(`${text}: ${parsed.why}`)
  return parsed.value
}
