// /dashboard/removals: the requests to be removed, and the decision on those that wait.
import { removalStates } from '../../store/removals.ts'
import type { App, AppOptions } from '../options.ts'
import { removalsBody } from '../routes/removals.ts'
import { maxReasonLength } from '../schemas/basics.ts'
import { type Removal, RemovalQuery } from '../schemas/removals.ts'
import { listingsPath } from './listing-tables.ts'
import { addTablePage, type DashboardOptions, type Viewer } from './table-pages.ts'
import {
  type Cell,
  choice,
  codeCell,
  type Dialog,
  type Field,
  linkTo,
  type Row,
  textCell,
  timeCell,
} from './table-view.ts'

/** What the page calls the states, and the class of their badges. */
const states: Readonly<Record<Removal['state'], Pick<Cell, 'text' | 'badge'>>> = {
  queued: { text: 'waits for you', badge: 'warn' },
  removed: { text: 'removed', badge: 'good' },
  refused: { text: 'refused', badge: 'bad' },
  obsolete: { text: 'obsolete', badge: 'none' },
}

const why: Field = {
  ...{ name: 'why', label: 'Reason', control: 'text', maxLength: maxReasonLength },
  hint: 'It is kept with the request. The host is not told.',
}

const dialogs: readonly Dialog[] = [
  {
    id: 'approve',
    title: 'Approve',
    text: 'The listing by trap ends at once. New messages to traps list the host again.',
    method: 'POST',
    fields: [why],
    submit: 'Approve',
    done: '{subject} is removed.',
  },
  {
    id: 'refuse',
    title: 'Refuse',
    text: 'The listing stays. Who asks again is refused until the rules allow the removal.',
    method: 'POST',
    fields: [why],
    submit: 'Refuse',
    isDanger: true,
    done: '{subject} stays listed.',
  },
]

export function removalTable(
  app: App,
  options: DashboardOptions & Pick<AppOptions, 'store'>,
): void {
  addTablePage(app, options, {
    section: 'removals',
    intro:
      'Requests to be removed, the newest first. Those that the rules allow are done at once; the others wait for a decision. Nothing is known of who asked.',
    query: RemovalQuery,
    filters: ({ state }) => [choice('state', 'State', removalStates, state)],
    read: (query) => removalsBody(options.store, query),
    columns: () => [
      { title: 'Prefix' },
      { title: 'State' },
      { title: 'Why', isProse: true },
      { title: 'Requested (UTC)' },
      { title: 'Decided (UTC)' },
      { title: 'Decided by' },
    ],
    rowOf: removalRow,
    empty: (isFiltered) =>
      isFiltered ? 'No request is in this state.' : 'Nobody has asked to be removed.',
    actions: () => [],
    dialogs: ({ mayWrite }) => (mayWrite ? dialogs : []),
  })
}

function removalRow(removal: Removal, { now, mayWrite }: Viewer): Row {
  const { id, prefix: subject, state, why: reason, requestedAt, decidedAt, decidedBy } = removal
  const url = `/v1/removals/${id}`
  return {
    cells: [
      codeCell(subject, linkTo(listingsPath, { prefix: subject })),
      states[state],
      textCell(reason),
      timeCell(requestedAt, now),
      timeCell(decidedAt, now),
      textCell(decidedBy),
    ],
    actions:
      mayWrite && state === 'queued'
        ? [
            { label: 'Approve', dialog: 'approve', url: `${url}/approve`, subject },
            { label: 'Refuse', dialog: 'refuse', url: `${url}/refuse`, subject },
          ]
        : [],
  }
}
