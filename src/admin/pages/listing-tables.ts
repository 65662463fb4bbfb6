// /dashboard/listings: what is or was listed, and what can be done about it.
import { backscatterKinds } from '../../classify/kinds.ts'
import type { App, AppOptions } from '../options.ts'
import { entityTag, listingsBody } from '../routes/listings.ts'
import { maxReasonLength } from '../schemas/basics.ts'
import { type Listing, ListingQuery } from '../schemas/listings.ts'
import { dashboardPages } from './dashboard.ts'
import { addTablePage, type DashboardOptions, type Viewer } from './table-pages.ts'
import {
  type Cell,
  type Column,
  choice,
  codeCell,
  type Dialog,
  type Field,
  linkTo,
  type Option,
  type Row,
  type RowAction,
  type SortDirection,
  textCell,
  textField,
  timeCell,
} from './table-view.ts'

export const listingsPath = dashboardPages.listings.url
const states = ['listed', 'held', 'shadow', 'expired', 'removed']
/** The states of a listing that has not ended. */
const presentStates: readonly string[] = ['listed', 'held', 'shadow']
const origins: Readonly<Record<Listing['origin'], string>> = {
  trap: 'trap',
  manual: 'hand',
  import: 'list',
}

export function listingTables(
  app: App,
  options: DashboardOptions & Pick<AppOptions, 'store'>,
): void {
  addTablePage(app, options, {
    section: 'listings',
    intro:
      'What is or was listed by traps and by hand, in the order that you choose by a heading of the table; then the entries of lists, in the order of their addresses. With an address or network in the filter, all are in the order of their addresses.',
    query: ListingQuery,
    filters: ({ prefix, kind, state, origin, list }) => [
      textField('prefix', 'Address or network', prefix),
      choice('kind', 'Kind', backscatterKinds, kind),
      choice('state', 'State', states, state),
      choice('origin', 'Listed by', Object.keys(origins), origin),
      textField('list', 'List', list),
    ],
    read: (query) => listingsBody(options, query),
    columns: (_viewer, query) => sortedColumns(query),
    rowOf: listingRow,
    empty: (isFiltered, { mayWrite }) =>
      isFiltered
        ? 'No listing matches the filter.'
        : `Nothing is listed. Mail to a trap lists its sender${mayWrite ? '; or add a listing, or import a list' : ''}.`,
    actions: ({ mayWrite }) => (mayWrite ? [{ label: 'Add a listing', dialog: 'add' }] : []),
    dialogs: ({ mayWrite }) => (mayWrite ? [addDialog, ...listingDialogs] : []),
  })
}

interface ListingColumn extends Column {
  /** The order that the heading leads to, and its direction in this column. */
  readonly sort?: ListingQuery['sort']
  readonly direction?: SortDirection
}

export const listingColumns: readonly ListingColumn[] = [
  { title: 'Prefix', sort: 'address', direction: 'ascending' },
  { title: 'Kinds' },
  { title: 'State' },
  { title: 'Listed by' },
  { title: 'Reason', isProse: true },
  { title: 'Since (UTC)', sort: 'newest', direction: 'descending' },
  { title: 'Ends (UTC)', sort: 'ending', direction: 'ascending' },
  { title: 'Hits', isNumber: true },
]

/** The columns of a table with this query. With a prefix no other order can be chosen. */
function sortedColumns(query: Partial<ListingQuery>): Column[] {
  const { cursor: _cursor, sort: chosen = 'newest', ...filter } = query
  const inUse = filter.prefix === undefined ? chosen : 'address'
  return listingColumns.map(({ sort, direction, ...column }) => {
    if (sort === undefined || direction === undefined) return column
    const href = linkTo(listingsPath, { ...filter, sort: sort === 'newest' ? undefined : sort })
    return {
      ...column,
      ...(filter.prefix === undefined && { href }),
      ...(sort === inUse && { sorted: direction }),
    }
  })
}

export function listingRow(listing: Listing, viewer: Viewer): Row {
  const { id, prefix, kinds, reason, createdAt, expiresAt, lastHitAt, hits } = listing
  const { now } = viewer
  const { note } = timeCell(lastHitAt, now)
  return {
    cells: [
      codeCell(prefix, listingPath(id)),
      textCell(kinds.join(', ')),
      stateCell(listing),
      originCell(listing),
      textCell(reason),
      timeCell(createdAt, now),
      timeCell(expiresAt, now, 'never'),
      { text: String(hits), ...(note !== undefined && { note }) },
    ],
    actions: viewer.mayWrite ? listingActions(listing) : [],
  }
}

/** The page of a listing. The id of an entry holds a colon, and those of IPv6 prefixes more. */
function listingPath(id: number | string): string {
  return `${listingsPath}/${encodeURIComponent(id)}`
}

export function stateCell({ state, shadow }: Pick<Listing, 'state' | 'shadow'>): Cell {
  if (!presentStates.includes(state)) return { text: state }
  return {
    text: state,
    badge: state === 'listed' ? 'none' : 'warn',
    ...(shadow && { note: shadow }),
  }
}

export function originCell({ origin, list }: Pick<Listing, 'origin' | 'list'>): Cell {
  return list === null
    ? { text: origins[origin] }
    : { text: `list ${list}`, href: linkTo(listingsPath, { list }) }
}

/** What can be done about a listing that has not ended. */
export function listingActions(listing: Listing): RowAction[] {
  const { id, prefix: subject, origin, state } = listing
  if (!presentStates.includes(state)) return []
  const url = `/v1/listings/${encodeURIComponent(id)}`
  const extend = { label: 'Extend', dialog: 'extend', url, subject, tag: entityTag(listing) }
  return [
    // An entry of a list ends as its list says.
    ...(origin === 'import' ? [] : [extend]),
    { label: 'Delist', dialog: 'delist', url, subject },
    {
      ...{ label: 'Exempt', dialog: 'exempt', url: '/v1/exemptions', subject },
      values: { prefix: subject },
    },
  ]
}

const terms: readonly Option[] = [
  { value: '1d', text: '1 day' },
  { value: '7d', text: '7 days', isChosen: true },
  { value: '28d', text: '28 days' },
  { value: '90d', text: '90 days' },
  { value: '365d', text: '1 year' },
  { value: 'never', text: 'for good', sends: '{"expiresAt":null}' },
]

const term: Field = { name: 'duration', label: 'From now, for', control: 'select', options: terms }

const addDialog: Dialog = {
  id: 'add',
  title: 'Add a listing',
  text: 'DNS answers it within seconds. A prefix that is listed by hand already is extended.',
  method: 'POST',
  url: '/v1/listings',
  fields: [
    {
      ...{ name: 'prefixes', label: 'Addresses or networks', control: 'area', sentAs: 'lines' },
      ...{ isRequired: true, hint: 'One in each line, such as 192.0.2.1 or 2001:db8::/64.' },
    },
    {
      ...{ name: 'kinds', label: 'Kinds', control: 'choices' },
      options: backscatterKinds.map((value) => ({ value, text: value })),
    },
    term,
    {
      ...{ name: 'reason', label: 'Reason', control: 'text', maxLength: maxReasonLength },
      hint: 'For whoever reads the list with a key. DNS does not answer it.',
    },
  ],
  submit: 'Add',
  done: 'It is listed.',
}

/** The dialogs of `listingActions`. */
export const listingDialogs: readonly Dialog[] = [
  {
    id: 'extend',
    title: 'Extend',
    text: 'The listing then ends at this time, also if it would end later now.',
    method: 'PATCH',
    fields: [term],
    submit: 'Extend',
    done: '{subject} has another end now.',
  },
  {
    id: 'delist',
    title: 'Delist',
    text: 'DNS stops answering it within seconds. New messages to traps list it again, and the next import of its list does too; exempt it to prevent that.',
    method: 'DELETE',
    fields: [],
    submit: 'Delist',
    isDanger: true,
    done: '{subject} is off the list.',
  },
  {
    id: 'exempt',
    title: 'Exempt',
    text: 'DNS stops answering it, and nothing lists it until the exemption is removed.',
    method: 'POST',
    fields: [
      {
        ...{ name: 'prefix', label: 'Address or network', control: 'text', isRequired: true },
        maxLength: 64,
      },
      { name: 'note', label: 'Note', control: 'text', maxLength: maxReasonLength },
    ],
    submit: 'Exempt',
    done: '{subject} is exempt.',
  },
]
