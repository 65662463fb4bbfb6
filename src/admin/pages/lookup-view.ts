// What the public may know of an address → what the page of its look-up shows, in one language. It takes nothing else of the list
// than the answer of /v1/lookup without a key.
import type { Finding, PublicEvidence } from '../../blocklist/types.ts'
import { formatTimestamp } from '../../quantity.ts'
import type { MailDomain } from '../../traps/mail-domain.ts'
import { type Advice, adviceFor } from '../advice.ts'
import type { ShownPolicy } from '../options.ts'
import { formatDuration, removalRule } from './policy-page.ts'
import { type Language, type Translate, translator } from './texts.ts'

export interface LookupOptions {
  readonly site: string
  readonly contact: string
  readonly ttlSeconds: number
  readonly takesRemovals: boolean
  readonly policy?: ShownPolicy | undefined
}

/** A time: for people, and for the attribute `datetime`. */
interface ShownTime {
  readonly text: string
  readonly datetime: string
}

interface AdviceView extends Omit<Advice, 'settings' | 'links'> {
  /** '' if there is nothing to set. */
  readonly settings: string
  readonly links: readonly { readonly url: string; readonly text: string }[]
}

export function lookupView(
  finding: Finding,
  domain: MailDomain | undefined,
  options: LookupOptions,
  language: Language,
) {
  const t = translator(language)
  const { query, listed, prefix, origin } = finding
  const isByTrap = origin === 'trap'
  return {
    address: query,
    listed,
    answer: t(listed ? 'lookup.listed' : 'lookup.unlisted', { address: query }),
    unlisted: listed ? [] : unlistedTexts(language, options),
    isTest: listed && prefix === null,
    isByOperator: listed && prefix !== null && !isByTrap,
    isByTrap,
    ...options,
    removalRule: options.policy ? removalRule(options.policy.removal, language) : '',
    facts: listed && prefix !== null ? factsOf(finding, options, language) : [],
    evidence: finding.evidence.map((each) => evidenceRow(each, language, t)),
    ...adviceViews(finding, language),
    domain: domain && domainView(domain, t),
  }
}

function unlistedTexts(language: Language, { ttlSeconds }: LookupOptions): string[] {
  const t = translator(language)
  return [
    t('lookup.unlisted.text', { minutes: wholeMinutes(ttlSeconds, language) }),
    t('lookup.unlisted.other'),
  ]
}

/** Seconds in words, rounded up to minutes. */
export function wholeMinutes(seconds: number, language: Language): string {
  return formatDuration(Math.ceil(seconds / 60) * 60, language)
}

interface Fact {
  readonly name: string
  readonly text: string
  readonly datetime?: string
}

function factsOf(finding: Finding, { policy }: LookupOptions, language: Language): Fact[] {
  const t = translator(language)
  const { query, prefix, kinds, since, until, codes, evidence, origin } = finding
  const facts: Fact[] = []
  if (prefix !== null && prefix !== `${query}/32` && prefix !== `${query}/128`)
    facts.push({ name: t('facts.network'), text: prefix })
  facts.push({
    name: t('facts.reason'),
    text: kinds.map((kind) => t(`kind.${kind}`)).join('; '),
  })
  if (since !== null) {
    const isHour = evidence.length > 0
    facts.push({ name: t('facts.since'), ...shownTime(since, language, isHour ? 'hour' : 'day') })
  }
  if (until !== null) {
    const { text: date, datetime } = shownTime(until, language, 'day')
    facts.push({ name: t('facts.until'), text: t('facts.until.at', { date }), datetime })
  } else if (origin === 'trap') {
    const text = policy
      ? t('facts.until.term', { term: formatDuration(policy.firstListingSeconds, language) })
      : t('facts.until.trap')
    facts.push({ name: t('facts.until'), text })
  }
  facts.push({ name: t('facts.codes'), text: codes.join(', ') })
  return facts
}

/** Epoch seconds as a day or a minute, in UTC. */
export function shownTime(
  seconds: number,
  language: Language,
  precision: 'hour' | 'day',
): ShownTime {
  const locale = language === 'de' ? 'de-DE' : 'en-GB'
  const format = new Intl.DateTimeFormat(locale, {
    dateStyle: 'long',
    ...(precision === 'hour' && { timeStyle: 'short' }),
    timeZone: 'UTC',
  })
  const text = format.format(seconds * 1000)
  const datetime = formatTimestamp(seconds)
  return precision === 'day'
    ? { text, datetime: datetime.slice(0, 'YYYY-MM-DD'.length) }
    : { text: translator(language)('facts.utc', { time: text }), datetime }
}

const details = ['helo', 'reportingMta', 'generator', 'status'] as const

function evidenceRow(evidence: PublicEvidence, language: Language, t: Translate) {
  const { kind, certainty, messages, traps, hours } = evidence
  return {
    kind: t(`certainty.${certainty}`, { kind: t(`evidence.kind.${kind}`) }),
    messages: countText(messages, language),
    traps: countText(traps, language),
    hours: hours.map((hour) => shortHour(hour, language)),
    details: details.flatMap((name) => {
      const value = evidence[name]
      return value === undefined ? [] : [{ name: t(`detail.${name}`), value }]
    }),
  }
}

function countText(count: PublicEvidence['messages'], language: Language): string {
  return language === 'de' ? count.replace('and more', 'und mehr') : count
}

function shortHour(seconds: number, language: Language): ShownTime {
  const format = new Intl.DateTimeFormat(language === 'de' ? 'de-DE' : 'en-GB', {
    ...{ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' },
  })
  return { text: format.format(seconds * 1000), datetime: formatTimestamp(seconds) }
}

/** What fits every host, and what fits one software each: if the software is known, it comes first; else people open their own. */
function adviceViews(finding: Finding, language: Language) {
  const { origin, kinds, evidence } = finding
  const all = origin === 'trap' ? adviceFor(kinds, evidence, language) : []
  const known = new Set(evidence.flatMap(({ generator }) => generator ?? []))
  const isForOthers = ({ generator }: Advice): boolean =>
    generator !== null && !known.has(generator)
  return {
    advice: all.filter((each) => !isForOthers(each)).map(adviceView),
    software: all.filter(isForOthers).map(adviceView),
  }
}

function adviceView({ settings, links, ...item }: Advice): AdviceView {
  return {
    ...item,
    settings: settings.join('\n'),
    links: links.map((url) => ({ url, text: linkText(url) })),
  }
}

/** An RFC's number, or the address without its scheme. */
function linkText(url: string): string {
  const rfc = /^https:\/\/www\.rfc-editor\.org\/rfc\/rfc(\d+)$/.exec(url)?.[1]
  return rfc === undefined ? url.replace(/^https:\/\/(www\.)?/, '') : `RFC ${rfc}`
}

function domainView({ name, domain, spf, dkim, dmarc }: MailDomain, t: Translate) {
  return {
    title: t('domain.title', { domain }),
    text: t('domain.text', { name }),
    records: [
      { name: 'SPF', found: spf, text: t(domainKey('spf', spf), { domain }) },
      { name: 'DKIM', found: dkim, text: t(domainKey('dkim', dkim), { domain }) },
      { name: 'DMARC', found: dmarc, text: t(domainKey('dmarc', dmarc), { domain }) },
    ],
  }
}

function domainKey(record: 'spf' | 'dkim' | 'dmarc', found: MailDomain['spf']) {
  if (found === 'unknown') return 'domain.unknown'
  if (record === 'dkim') return found === 'no' ? 'published.dkim.no' : 'published.dkim.yes'
  return `published.${record}.${found}` as const
}
