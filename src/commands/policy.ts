// `policy explain`: explains in sentences and tables what the policy makes of an address.
import type { PolicyExplanation } from '../admin/schemas/policy.ts'
import { formatAddress } from '../ip/address.ts'
import { formatDuration, formatTime, formatTimesIn, plural } from '../quantity.ts'
import { askAndPrint } from './client.ts'
import { type CommandContext, type Json, readAddress } from './command.ts'
import { formatColumns, formatKinds, wrapText } from './format.ts'

type Kind = PolicyExplanation['kinds'][number]
type Listing = NonNullable<PolicyExplanation['listing']>

/** The exit code is 0 whether the address is listed or not. */
export async function explainPolicy(
  context: CommandContext,
  argument: string,
  options: Json,
): Promise<number> {
  const path = `/v1/policy/explain/${formatAddress(readAddress(argument))}`
  return await askAndPrint<PolicyExplanation>(context, options, ['GET', path], explain)
}

function explain(explained: PolicyExplanation): string {
  const { sentence, listing, kinds, past, messages, counted, exits } = explained
  const wouldList = kinds.flatMap((each) => (each.sentence === null ? [] : [each.sentence]))
  const paragraphs = [
    `${wrapText(`${formatTimesIn(sentence)}.`).join('\n')}\n`,
    listing && formatListing(listing),
    formatCounts(kinds),
    formatMessages(messages),
    formatCounted(counted),
    formatPast(past),
    formatItems('What would list it or extend its listing, and until when if it came now:', [
      ...wouldList,
      ...(wouldList.length > 0 ? [formatNextListing(explained)] : []),
    ]),
    formatItems(
      'What would free it:',
      exits.map((exit) => exit.sentence),
    ),
  ]
  return paragraphs.filter(Boolean).join('\n')
}

function formatListing({ episode, termSeconds, createdAt, basis }: Listing): string {
  const term = termSeconds === null ? '' : `, term ${formatDuration(termSeconds)}`
  const rows = basis.map(({ rule, kind, messages, traps, from, to }) => [
    rule === 'lists' ? 'began with' : 'joined by',
    kind,
    `${plural(messages, 'message')} to ${plural(traps, 'trap')}`,
    `${shortTime(from)} – ${shortTime(to)}`,
  ])
  return `Its listing was made at ${formatTime(createdAt)} (episode ${episode}${term}):\n${formatColumns(rows, '  ')}`
}

function formatCounts(kinds: readonly Kind[]): string {
  const rows = kinds
    .filter(({ messages }) => messages > 0)
    .map((each) => [
      each.kind,
      `${each.messages} of ${each.messagesNeeded}`,
      `${each.traps} of ${each.trapsNeeded}`,
      formatDuration(each.windowSeconds),
      each.isReached ? 'yes' : 'no',
      timeOr(each.provenAt, 'none'),
      timeOr(each.leavesAt, '–'),
    ])
  if (rows.length === 0) return 'Nothing of it counts now.\n'
  const header = [
    'kind',
    'messages',
    'traps',
    'window',
    'reached',
    'newest certain (UTC)',
    'oldest leaves',
  ]
  return `What counts now:\n${formatColumns([header, ...rows], '  ')}`
}

function formatMessages(messages: PolicyExplanation['messages']): string {
  if (messages.length === 0) return ''
  const header = ['time', 'kind', 'certainty', 'rule']
  const rows = messages.map(({ seenAt, kind, certainty, rule }) => [
    formatTime(seenAt),
    kind ?? 'not recognised',
    certainty ?? '–',
    rule,
  ])
  const [first = '', ...lines] = formatColumns([header, ...rows], '  ')
    .trimEnd()
    .split('\n')
  const items = messages.map(({ why, did }, index) => {
    const told = [`now: ${why}`, ...(did === null ? [] : [`what it did: ${did}`])]
    const below = told
      .flatMap((each) => wrapText(formatTimesIn(each)))
      .map((each) => `    ${each}\n`)
    return `${lines[index]}\n${below.join('')}`
  })
  return `Its messages, the newest first:\n${first}\n${items.join('')}`
}

function formatCounted(counted: PolicyExplanation['counted']): string {
  if (counted.length === 0) return ''
  const rows = counted.map(({ kind, certainty, messages, seenAt }) => [
    kind,
    certainty ?? '–',
    plural(messages, 'message'),
    `newest ${formatTime(seenAt)}`,
  ])
  const heading = 'Not stored, since there were too many that day; they reach no threshold:'
  return `${heading}\n${formatColumns(rows, '  ')}`
}

function formatPast(past: PolicyExplanation['past']): string {
  if (past.length === 0) return ''
  const rows = past.map(({ listedAt, endsAt, kinds, episode, isRemoved }) => [
    timeOr(listedAt, 'before the oldest message'),
    `– ${shortTime(endsAt)}${isRemoved ? ' (removed)' : ''}`,
    formatKinds(kinds),
    `episode ${episode}`,
  ])
  return `Its listings as the present policy sees them:\n${formatColumns(rows, '  ')}`
}

function formatNextListing({ listing, next }: PolicyExplanation): string {
  const when = listing ? 'After this listing the next one' : 'The next listing'
  const lower =
    next.lowerAt === null ? '' : `, one episode lower from ${formatTime(next.lowerAt)} on`
  return `${when} has episode ${next.episode} and a term of ${formatDuration(next.termSeconds)}${lower}`
}

/** Each sentence begins a line of its own. */
function formatItems(heading: string, sentences: readonly string[]): string {
  if (sentences.length === 0) return ''
  const items = sentences.map((each) => `  ${wrapText(`${formatTimesIn(each)}.`).join('\n    ')}\n`)
  return `${heading}\n${items.join('')}`
}

/** Without the time zone, so that a line fits into 100 columns. */
function shortTime(time: string): string {
  return formatTime(time).replace(/ UTC$/, '')
}

function timeOr(time: string | null, instead: string): string {
  return time === null ? instead : shortTime(time)
}
