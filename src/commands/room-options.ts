// The configuration, cut into the plain options that each room takes. Called by every command that composes rooms.
import type { PolicyOptions } from '../blocklist/policy.ts'
import type { Config } from '../config.ts'
import type { Prefix } from '../ip/address.ts'
import { parsePrefix } from '../ip/address.ts'

/** The configuration's policy, thresholds, exemptions and traps as blocklist/ takes them. */
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

function threshold(values: { messages: number; traps: number; window: number }) {
  return { messages: values.messages, traps: values.traps, windowSeconds: values.window }
}

/** A prefix that the configuration's own validation has already read once. */
function checkedPrefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  if ('why' in parsed) throw new Error(`${text}: ${parsed.why}`)
  return parsed.value
}
