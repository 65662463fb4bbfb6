// `show`: explains in sentences and tables whether an address is listed, by which listing, and on what evidence.
import type { Exception, Listing } from '../admin/schemas/listings.ts'
import type { LookupBody } from '../admin/schemas/lookup.ts'
import { formatAddress } from '../ip/address.ts'
import { formatTime } from '../quantity.ts'
import { askAndPrint } from './client.ts'
import { type CommandContext, type Json, readAddress } from './command.ts'
import {
  codeMeanings,
  formatColumns,
  formatKinds,
  formatUntil,
  printable,
  wrapText,
} from './format.ts'

/** The answer of /v1/lookup to the operator, who may see all of it. */
type Explanation = LookupBody
type Evidence = Explanation['evidence'][number]
type Advice = Explanation['advice'][number]

/** Prints the explanation. The exit code is 0 whether the address is listed or not. */
export async function show(
  context: CommandContext,
  argument: string,
  options: Json,
): Promise<number> {
  const path = `/v1/lookup/${formatAddress(readAddress(argument))}`
  const now = Date.now() / 1000
  return await askAndPrint<Explanation>(context, options, ['GET', path], (explanation) =>
    explain(explanation, now),
  )
}

/** The explanation in paragraphs, beginning with the verdict. `now`: epoch seconds. */
function explain(explanation: Explanation, now: number): string {
  const { exemption, exclusion, listings, history, evidence } = explanation
  const paragraphs = [formatVerdict(explanation, now)]
  if (explanation.verifiedName !== null) {
    paragraphs.push(`Its verified name in DNS: ${printable(explanation.verifiedName)}.\n`)
  }
  if (exemption !== null) {
    paragraphs.push(`${formatException(exemption, 'exempt')} Nothing in it is ever listed.\n`)
  }
  if (exclusion !== null) {
    const exception = formatException(exclusion, 'excluded')
    paragraphs.push(`${exception} Only a longer listing inside it applies.\n`)
  }
  if (listings.length > 0) {
    const rows = listings.map((listing) => [
      listing.prefix,
      formatState(listing),
      formatKinds(listing.kinds),
      formatOrigin(listing),
      `since ${formatTime(listing.createdAt)}`,
      formatUntil(listing.expiresAt, now),
      printable(listing.reason ?? ''),
    ])
    paragraphs.push(`Present listings:\n${formatColumns(rows, '  ')}`)
  }
  if (evidence.length > 0) paragraphs.push(formatMessages(evidence) + formatAuthenticity(evidence))
  if (history.length > 0) {
    const rows = history.map((past) => [
      past.prefix,
      past.isPurged ? 'purged' : past.state,
      formatKinds(past.kinds),
      formatOrigin(past),
      `${formatTime(past.createdAt)} – ${formatTime(past.endedAt)}`,
      printable(past.reason ?? ''),
    ])
    paragraphs.push(`Earlier listings, the latest first:\n${formatColumns(rows, '  ')}`)
  }
  paragraphs.push(...formatAdvice(explanation))
  return paragraphs.join('\n')
}

function formatState({ state, shadow }: Listing): string {
  if (state === 'held') return 'held back, not yet published'
  if (shadow === null) return state
  return shadow === 'kind' ? 'only counted, not published' : `only counted: ${formatMember(shadow)}`
}

/** What a host is, from 'whitelist ZONE' or 'pool NAME'. */
function formatMember(shadow: string): string {
  const [, what, name] = /^(\S+) (.*)$/s.exec(shadow) ?? []
  return what === 'whitelist'
    ? `on the whitelist ${name} (policy.whitelists)`
    : `a shared outbound server of ${name} (policy.pools)`
}

function formatVerdict(explanation: Explanation, now: number): string {
  const { query, codes, decidedBy, since, until } = explanation
  if (explanation.isTestEntry) {
    return `${query} is listed: it is the zone's test entry (RFC 5782), with ${codes.join(', ')}.\n`
  }
  if (!explanation.listed) return `${query} is not listed${whyNot(explanation)}.\n`
  const covering = decidedBy?.startsWith(`${query}/`) ? '' : `, as part of ${decidedBy}`
  const from = since === null ? '' : `, since ${formatTime(since)}`
  const rows = codes.map((code) => [code, codeMeanings[code] ?? ''])
  return `${query} is listed${covering}${from}, ${formatUntil(until, now)}.\n${formatColumns(rows, '  ')}`
}

/** The end of the sentence "X is not listed…": the reason, if no other paragraph gives it. */
function whyNot(explanation: Explanation): string {
  const { state, listings, history, specialPurpose, evidence } = explanation
  const endedAt = formatTime(history[0]?.endedAt ?? '')
  switch (state) {
    case 'exempt':
      return explanation.exemption === null
        ? ': it is the test address that is never listed (RFC 5782)'
        : ': it is exempt'
    case 'excluded':
      return `: it is excluded from ${listings.find((each) => each.state === 'listed')?.prefix}`
    case 'held':
      return ' yet: its listing is still held back, by policy.holdFor or until DNS answers about the host'
    case 'shadow':
      return formatShadow(listings)
    case 'listed':
      return explanation.decidedBy === null
        ? ' yet: the server is still publishing an import'
        : ': the zone is retired and lists nothing'
    case 'expired':
      return `: its listing expired at ${endedAt}`
    case 'removed':
      return history[0]?.isPurged
        ? `: its listing was purged at ${endedAt}, since its evidence should not have counted`
        : `: it was removed at ${endedAt}`
    default:
      if (specialPurpose !== null) return `: it lies in ${specialPurpose}, which is never listed`
      return evidence.length > 0
        ? '; its messages have not been enough to list it'
        : ' and nothing is known of it'
  }
}

function formatShadow(listings: readonly Listing[]): string {
  const shadow = listings.find(({ state }) => state === 'shadow')?.shadow ?? 'kind'
  return shadow === 'kind'
    ? ': the kind of its messages is only counted, not published (policy.publish)'
    : `: its listing is only counted, since it is ${formatMember(shadow)}`
}

function formatException({ prefix, source, note, createdAt }: Exception, state: string): string {
  const by = source === 'config' ? 'by the configuration' : 'by hand'
  const why = note ? ` (${printable(note)})` : ''
  return `${prefix} is ${state} ${by}${why}, since ${formatTime(createdAt)}.`
}

function formatOrigin({ origin, list, hits, lastHitAt }: Listing): string {
  if (origin === 'manual') return 'by hand'
  if (origin === 'import') return `import${list === null ? '' : ` of ${printable(list)}`}`
  const last = lastHitAt === null ? '' : `, last ${formatTime(lastHitAt)}`
  return `by trap (${hits} ${hits === 1 ? 'hit' : 'hits'}${last})`
}

function formatMessages(evidence: readonly Evidence[]): string {
  const header = [
    'time',
    'kind',
    'certainty',
    'rule',
    'decision',
    'trap',
    'reporting MTA',
    'message id',
  ]
  const rows = evidence.map((item) => [
    formatTime(item.seenAt),
    item.kind ?? 'not recognised',
    item.certainty ?? '–',
    item.rule,
    ...[item.decision, item.trap, item.reportingMta, item.messageId].map(printableOrDash),
  ])
  const why = `The newest one: ${printable(evidence[0]?.why ?? '')}.\n`
  const doubt = evidence.some(({ certainty }) => certainty === 'likely') ? likelyMeans : ''
  return `Messages to traps, the newest first:\n${formatColumns([header, ...rows], '  ')}${why}${doubt}`
}

const likelyMeans = `${wrapText(
  'A message is only likely if its words alone say what it is, if something in it speaks against that, or if its connection was lost. Then it lists nobody by itself, unless policy.likely is “list”.',
).join('\n')}\n`

/** A table of the messages whose returned message was checked with SPF, DKIM or DMARC. '' if there is none. */
function formatAuthenticity(evidence: readonly Evidence[]): string {
  const rows = evidence
    .filter(({ spf, dkim, dmarcPolicy }) => spf ?? dkim ?? dmarcPolicy)
    .map(({ seenAt, spf, dkim, dmarcPolicy, returnedOrigin }) => [
      formatTime(seenAt),
      ...[spf, dkim, dmarcPolicy, returnedOrigin].map(printableOrDash),
    ])
  if (rows.length === 0) return ''
  const header = ['time', 'SPF', 'DKIM', 'DMARC policy', 'handed over by']
  return `Whether the returned messages were forged:\n${formatColumns([header, ...rows], '  ')}`
}

/**
 * Paragraphs on what to change: the items for the host's own software and those for any, then a line for each other software that
 * it may be.
 */
function formatAdvice({ advice, evidence }: Explanation): string[] {
  const isForOthers = ({ generator }: Advice) =>
    generator !== null && !evidence.some((item) => item.generator === generator)
  const paragraphs = advice
    .filter((item) => !isForOthers(item))
    .map(({ title, text, settings, log, links }) => {
      const seen = `In the log: ${log.line}`
      const lines = [title, ...wrapText(text), ...settings.map((each) => `    ${each}`)]
      return [...lines, ...wrapText(seen), `    ${log.command}`, ...links]
    })
  const others = advice.filter(isForOthers).map(({ title, links }) => `${title}: ${links[0]}`)
  if (others.length > 0) paragraphs.push(['If the host runs one of these:', ...others])
  return paragraphs.map(([title, ...lines], index) => {
    const heading = index === 0 ? 'What its postmaster should change:\n\n' : ''
    return `${heading}${[title, ...lines.map((line) => `  ${line}`)].join('\n')}\n`
  })
}

function printableOrDash(text: string | undefined): string {
  return text === undefined ? '–' : printable(text)
}
