// /dashboard/listings/ID: one listing, what DNS answers there and why, the messages that led to it, and what would end it. The
// scope of the key decides whether traps are named.
import Type from 'typebox'
import type { Blocklist } from '../../blocklist/blocklist.ts'
import { addressBits, formatAddress, hostPrefix, parsePrefix } from '../../ip/address.ts'
import { formatTimesIn } from '../../quantity.ts'
import type { App, AppOptions } from '../options.ts'
import { isProblem } from '../problem.ts'
import { listingBody } from '../routes/listings.ts'
import { explainedBody } from '../routes/lookup.ts'
import { explainedPolicyBody } from '../routes/policy.ts'
import { type Listing, ListingParams } from '../schemas/listings.ts'
import type { LookupBody } from '../schemas/lookup.ts'
import type { PolicyExplanation } from '../schemas/policy.ts'
import type { Scope } from '../scopes.ts'
import { renderDashboard } from './dashboard.ts'
import {
  listingActions,
  listingColumns,
  listingDialogs,
  listingRow,
  originCell,
  stateCell,
} from './listing-tables.ts'
import { type DashboardOptions, forms, type Viewer, viewerOf } from './table-pages.ts'
import {
  type Cell,
  codeCell,
  linesOf,
  type Row,
  type Table,
  textCell,
  timeCell,
} from './table-view.ts'

type Options = DashboardOptions & Pick<AppOptions, 'store' | 'blocklist'>

export function listingPage(app: App, options: Options): void {
  const { renderer, now, blocklist } = options
  app.get(
    '/dashboard/listings/:id',
    {
      config: { scope: 'read', isPage: true },
      schema: { params: Type.Object({ id: ListingParams.properties.id }) },
    },
    async (request, reply) => {
      const listing = listingBody(options, request.params.id)
      if (isProblem(listing)) return listing
      const viewer = viewerOf(request, now())
      const view = listingView(blocklist, listing, request.caller.scope, viewer)
      return renderDashboard(renderer, request, reply, {
        ...{ template: 'listing', title: listing.prefix, section: 'listings', view, ...forms },
      })
    },
  )
}

function listingView(blocklist: Blocklist, listing: Listing, scope: Scope, viewer: Viewer) {
  const parsed = parsePrefix(listing.prefix)
  if ('why' in parsed) throw new Error(`listing ${listing.id} has no prefix`)
  const { value: prefix } = parsed
  const address = hostPrefix(prefix)
  const lookup = explainedBody(blocklist, address, scope)
  const policy = explainedPolicyBody(blocklist.explainPolicy(address))
  const isHost = prefix.length === addressBits(prefix.family)
  const first = formatAddress(prefix)
  return {
    title: listing.prefix,
    actions: viewer.mayWrite ? listingActions(listing) : [],
    answer: answerOf(lookup, isHost ? listing.prefix : `${first}, the first address`),
    facts: factsOf(listing, lookup, viewer),
    sentences: isHost || listing.origin === 'trap' ? sentencesOf(listing, policy) : [],
    tables: tablesOf(listing, lookup, viewer, isHost ? '' : `Of ${first}, its first address.`),
    dialogs: viewer.mayWrite ? listingDialogs : [],
  }
}

function answerOf({ listed, codes, decidedBy, state }: LookupBody, subject: string) {
  if (listed) {
    const by = decidedBy === null ? '' : `, because ${decidedBy} is listed`
    return { look: 'bad', text: `DNS answers ${codes.join(', ')} for ${subject}${by}.` }
  }
  const why = state === 'exempt' || state === 'excluded' ? `, since ${decidedBy} is ${state}` : ''
  return { look: 'good', text: `DNS does not answer ${subject}${why}.` }
}

function factsOf(listing: Listing, lookup: LookupBody, { now }: Viewer) {
  const { id, kinds, reason, createdAt, expiresAt, lastHitAt, hits } = listing
  const { verifiedName, specialPurpose, exemption, exclusion } = lookup
  const facts: [name: string, cell: Cell][] = [
    ['State', stateCell(listing)],
    ['Kinds', textCell(kinds.join(', '))],
    ['Listed by', originCell(listing)],
    ['Reason', textCell(reason)],
    ['Since (UTC)', timeCell(createdAt, now)],
    ['Ends (UTC)', timeCell(expiresAt, now, 'never')],
    ['Last message (UTC)', timeCell(lastHitAt, now)],
    ['Messages', textCell(String(hits))],
    ['Verified name', codeCell(verifiedName)],
    ['Special purpose', textCell(specialPurpose)],
    ['Exempt', textCell(exemption && noted(exemption))],
    ['Excluded', textCell(exclusion && noted(exclusion))],
    ['Id', codeCell(String(id))],
  ]
  return facts.filter(([, { text }]) => text !== '').map(([name, cell]) => ({ name, cell }))
}

function noted({
  prefix,
  note,
}: {
  readonly prefix: string
  readonly note: string | null
}): string {
  return note === null ? prefix : `${prefix} (${note})`
}

/** What the policy says, as sentences. A listing by hand or of a list ends without it. */
function sentencesOf({ origin }: Listing, { sentence, kinds, exits }: PolicyExplanation) {
  const ways = exits.filter(({ by }) => origin === 'trap' && (by === 'time' || by === 'request'))
  return [
    { title: 'What the policy makes of it', items: [sentence] },
    { title: 'What would end it', items: ways.map((exit) => exit.sentence) },
    { title: 'What more messages would do', items: kinds.map((kind) => kind.sentence ?? '') },
  ]
    .map(({ title, items }) => ({ title, items: items.filter((item) => item !== '').map(shown) }))
    .filter(({ items }) => items.length > 0)
}

/** A sentence with a capital letter, and with times for people. */
function shown(sentence: string): string {
  const text = formatTimesIn(sentence)
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function tablesOf(listing: Listing, lookup: LookupBody, viewer: Viewer, intro: string) {
  const evidence = lookup.evidence.map((each) => messageRow(each, viewer))
  const others = lookup.listings.filter(({ id }) => id !== listing.id)
  const past = lookup.history.filter(({ id }) => id !== listing.id)
  const messages = {
    ...{ intro, caption: 'Newest messages', columns: messageColumns(viewer), rows: evidence },
    ...{ empty: 'No message of it is stored.', hasActions: false, firstPage: null, nextPage: null },
  }
  const tables: (Table & { readonly intro: string })[] = [messages]
  if (others.length > 0) tables.push(listingTable('Other listings of it', others, viewer))
  if (past.length > 0) tables.push(listingTable('Past listings of it', past, viewer))
  return tables
}

function listingTable(caption: string, listings: readonly Listing[], viewer: Viewer) {
  const rows = listings.map((each) => ({ ...listingRow(each, viewer), actions: [] }))
  const columns = listingColumns
  return {
    ...{ intro: '', caption, columns, rows, empty: '', hasActions: false },
    ...{ firstPage: null, nextPage: null },
  }
}

type Message = LookupBody['evidence'][number]

function messageColumns({ isAdmin }: Viewer) {
  const all = ['Seen (UTC)', 'From', 'Kind', 'Rule']
  const ofOperator = ['Trap', 'Decision', 'Why', 'Message']
  return [...all, ...(isAdmin ? ofOperator : [])].map((title) => ({
    title,
    isProse: title === 'Why',
  }))
}

function messageRow(message: Message, { now, isAdmin }: Viewer): Row {
  const { seenAt, client, kind, certainty, rule, trap, decision, why, ...details } = message
  const all = [
    timeCell(seenAt, now),
    codeCell(client ?? 'unknown'),
    { text: kind ?? 'none', ...(certainty !== null && { note: certainty }) },
    textCell(rule),
  ]
  const ofOperator = [
    codeCell(trap ?? ''),
    textCell(decision),
    textCell(why),
    { text: '', more: linesOf(details) },
  ]
  return { cells: [...all, ...(isAdmin ? ofOperator : [])], actions: [] }
}
