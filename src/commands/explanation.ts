// The answer of /v1/lookup as plain sentences and tables.
import { codeMeanings, formatColumns, formatTime, formatUntil, printable } from './format.ts'

interface Listing {
  readonly prefix: string
  readonly kinds: readonly string[]
  readonly state: string
  readonly origin: string
  readonly list: string | null
  readonly reason: string | null
  readonly createdAt: string
  readonly lastHitAt: string | null
  readonly expiresAt: string | null
  readonly hits: number
}

interface Exception {
  readonly prefix: string
  readonly source: string
  readonly note: string | null
  readonly createdAt: string
}

interface EvidenceItem {
  readonly seenAt: string
  readonly client: string | null
  readonly kind: string | null
  readonly rule: string
  readonly trap: string
  readonly decision: string
  readonly why: string
  readonly reportingMta?: string
  readonly messageId?: string
  readonly spf?: string
  readonly dkim?: string
  readonly dmarcPolicy?: string
  readonly returnedOrigin?: string
}

/** What the operator gets from /v1/lookup. */
export interface Explanation {
  readonly query: string
  readonly listed: boolean
  readonly codes: readonly string[]
  readonly since: string | null
  readonly until: string | null
  readonly state: string | null
  readonly decidedBy: string | null
  readonly isTestEntry: boolean
  readonly specialPurpose: string | null
  readonly exemption: Exception | null
  readonly exclusion: Exception | null
  readonly listings: readonly Listing[]
  readonly history: readonly (Listing & { readonly endedAt: string })[]
  readonly evidence: readonly EvidenceItem[]
}

/** Paragraphs, the verdict first. `now` is epoch seconds. */
export function explainInWords(explanation: Explanation, now: number): string {
  const { exemption, exclusion, listings, history, evidence } = explanation
  const paragraphs = [verdict(explanation, now)]
  if (exemption !== null) {
    paragraphs.push(`${exception(exemption, 'exempt')} Nothing in it is ever listed.\n`)
  }
  if (exclusion !== null) {
    paragraphs.push(`${exception(exclusion, 'excluded')} Only a longer listing inside it holds.\n`)
  }
  if (listings.length > 0) {
    const rows = listings.map((listing) => [
      listing.prefix,
      stateWords[listing.state] ?? listing.state,
      listing.kinds.join(',') || 'no kind',
      origin(listing),
      `since ${formatTime(listing.createdAt)}`,
      formatUntil(listing.expiresAt, now),
      listing.reason === null ? '' : printable(listing.reason),
    ])
    paragraphs.push(`Listings that hold here:\n${formatColumns(rows, '  ')}`)
  }
  if (evidence.length > 0) paragraphs.push(messages(evidence) + authenticity(evidence))
  if (history.length > 0) {
    const rows = history.map((past) => [
      past.prefix,
      past.state,
      past.kinds.join(',') || 'no kind',
      origin(past),
      `${formatTime(past.createdAt)} – ${formatTime(past.endedAt)}`,
      past.reason === null ? '' : printable(past.reason),
    ])
    paragraphs.push(`Earlier listings, the latest first:\n${formatColumns(rows, '  ')}`)
  }
  return paragraphs.join('\n')
}

const stateWords: Readonly<Record<string, string>> = {
  listed: 'listed',
  held: 'held back, not yet published',
  shadow: 'only counted, not published',
}

function verdict(explanation: Explanation, now: number): string {
  const { query, codes, decidedBy, since, until } = explanation
  if (explanation.isTestEntry) {
    return `${query} is listed: it is the zone's test entry (RFC 5782), with ${codes.join(', ')}.\n`
  }
  if (!explanation.listed) return `${query} is not listed${whyNot(explanation)}.\n`
  const through = decidedBy?.startsWith(`${query}/`) ? '' : `, as part of ${decidedBy}`
  const from = since === null ? '' : `, since ${formatTime(since)}`
  const rows = codes.map((code) => [code, codeMeanings[code] ?? ''])
  return `${query} is listed${through}${from}, ${formatUntil(until, now)}.\n${formatColumns(rows, '  ')}`
}

/** The reason, as far as it is not told in a paragraph of its own; begins with a separator. */
function whyNot(explanation: Explanation): string {
  const { state, listings, history, specialPurpose, evidence } = explanation
  const [last] = history
  switch (state) {
    case 'exempt':
      return explanation.exemption === null
        ? ': it is the test address that never is (RFC 5782)'
        : ': it is exempt'
    case 'excluded':
      return `: it is excluded from ${listings.find((each) => each.state === 'listed')?.prefix}`
    case 'held':
      return ' yet: its listing is held back for a while (policy.holdFor)'
    case 'shadow':
      return ': what it sent only counts and is not published (policy.publish)'
    case 'listed':
      return explanation.decidedBy === null
        ? ' yet: the server is still bringing an import into DNS'
        : ': the zone is retired and lists nothing'
    case 'expired':
      return `: its listing expired at ${formatTime(last?.endedAt ?? '')}`
    case 'removed':
      return `: it was removed at ${formatTime(last?.endedAt ?? '')}`
    default:
      if (specialPurpose !== null) return `: it lies in ${specialPurpose}, which is never listed`
      return evidence.length > 0
        ? '; what it sent has not been enough'
        : ' and nothing is known of it'
  }
}

function exception({ prefix, source, note, createdAt }: Exception, state: string): string {
  const by = source === 'config' ? 'by the configuration' : 'by hand'
  const why = note === null || note === '' ? '' : ` (${printable(note)})`
  return `${prefix} is ${state} ${by}${why}, since ${formatTime(createdAt)}.`
}

function origin({ origin: from, list, hits, lastHitAt }: Listing): string {
  if (from === 'manual') return 'by hand'
  if (from === 'import') return `import${list === null ? '' : ` of ${printable(list)}`}`
  const last = lastHitAt === null ? '' : `, last ${formatTime(lastHitAt)}`
  return `by trap (${hits} ${hits === 1 ? 'hit' : 'hits'}${last})`
}

function messages(evidence: readonly EvidenceItem[]): string {
  const header = ['time', 'kind', 'rule', 'decision', 'trap', 'reporting MTA', 'message id']
  const rows = evidence.map((item) => [
    formatTime(item.seenAt),
    item.kind ?? 'not recognised',
    item.rule,
    item.decision,
    printable(item.trap),
    item.reportingMta === undefined ? '–' : printable(item.reportingMta),
    item.messageId === undefined ? '–' : printable(item.messageId),
  ])
  const [newest] = evidence
  const why = newest === undefined ? '' : `The newest one: ${printable(newest.why)}.\n`
  return `Messages to traps, the newest first:\n${formatColumns([header, ...rows], '  ')}${why}`
}

/** Of the messages that gave one back and for which somebody looked; nothing when there is none. */
function authenticity(evidence: readonly EvidenceItem[]): string {
  const rows = evidence
    .filter(({ spf, dkim, dmarcPolicy }) => spf ?? dkim ?? dmarcPolicy)
    .map(({ seenAt, spf, dkim, dmarcPolicy, returnedOrigin }) => [
      formatTime(seenAt),
      ...[spf, dkim, dmarcPolicy, returnedOrigin].map((word) =>
        word === undefined ? '–' : printable(word),
      ),
    ])
  if (rows.length === 0) return ''
  const header = ['time', 'SPF', 'DKIM', 'DMARC policy', 'handed over by']
  return `What says whether the returned messages were forged:\n${formatColumns([header, ...rows], '  ')}`
}
