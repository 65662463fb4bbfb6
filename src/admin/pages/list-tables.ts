// /dashboard/lists, with the import, and /dashboard/purge: what changes many listings at once. Both are tried before they are done.
import { backscatterKinds } from '../../classify/kinds.ts'
import { importFormats } from '../../feeds/feed.ts'
import type { App, AppOptions } from '../options.ts'
import { listsBody } from '../routes/lists.ts'
import { noticesBody } from '../routes/purges.ts'
import { PageQuery } from '../schemas/basics.ts'
import type { NamedList } from '../schemas/listings.ts'
import { listingsPath } from './listing-tables.ts'
import { addTablePage, type DashboardOptions, type Part, type Viewer } from './table-pages.ts'
import { choice, linkTo, type Row, textCell, textField, timeCell, timeField } from './table-view.ts'

type Options = DashboardOptions & Pick<AppOptions, 'store' | 'status'>

export function listTables(app: App, options: Options): void {
  addLists(app, options)
  addPurge(app, options)
}

function addLists(app: App, options: Options): void {
  addTablePage(app, options, {
    section: 'lists',
    intro: 'Whole lists, each by its name. An import replaces its list at once.',
    query: PageQuery,
    filters: () => [],
    read: (query) => listsBody(options.store, query),
    columns: () => [
      { title: 'Name' },
      { title: 'Entries', isNumber: true },
      { title: 'Imported (UTC)' },
      { title: 'State' },
    ],
    rowOf: listRow,
    empty: (_isFiltered, { mayWrite }) =>
      `There is no list.${mayWrite ? ' Import one below: its name is yours to choose.' : ''}`,
    actions: () => [],
    dialogs: () => [],
    below: ({ mayWrite }) => (mayWrite ? importPart(options.status().imports[0]?.list) : undefined),
  })
}

function listRow({ name, entries, importedAt, isPublished }: NamedList, { now }: Viewer): Row {
  return {
    cells: [
      { text: name, href: linkTo(listingsPath, { list: name }) },
      { text: entries.toLocaleString('en') },
      timeCell(importedAt, now, 'never'),
      isPublished
        ? { text: 'DNS answers it', badge: 'good' }
        : { text: 'DNS does not answer it yet', badge: 'warn' },
    ],
    actions: [],
  }
}

/** `running`: the list that is being imported now. */
function importPart(running: string | undefined): Part {
  const name = {
    maxLength: 64,
    isRequired: true,
    hint: 'Letters, digits, dots, hyphens and underscores.',
  }
  const options = importFormats.map((value) => ({ value, text: value }))
  return {
    template: 'import',
    script: 'import.js',
    view: {
      running,
      fields: [
        { ...textField('list', 'Name of the list', undefined), ...name },
        { name: 'format', label: 'Format', control: 'select', options },
      ],
    },
  }
}

function addPurge(app: App, options: Options): void {
  addTablePage(app, options, {
    section: 'purge',
    intro:
      'Takes back evidence that should never have counted, such as that of a trap whose address was published. The listings become what they would be without it.',
    query: PageQuery,
    filters: () => [],
    read: (query) => noticesBody(options.store, query),
    columns: () => [{ title: 'Purged (UTC)' }, { title: 'What the public is told', isProse: true }],
    rowOf: ({ publishedAt, text }, { now }) => ({
      cells: [timeCell(publishedAt, now), textCell(text)],
      actions: [],
    }),
    empty: () => 'Nothing has been purged yet.',
    actions: () => [],
    dialogs: () => [],
    above: () => purgePart,
  })
}

const purgePart: Part = {
  template: 'purge',
  script: 'purge.js',
  view: {
    fields: [
      {
        ...textField('trap', 'Trap', undefined),
        ...{ maxLength: 254, hint: 'A pattern as the page of traps shows it, or one address.' },
      },
      { ...textField('mailbox', 'Mailbox', undefined), maxLength: 64, hint: 'Its name.' },
      {
        ...textField('collector', 'Collector', undefined),
        ...{ maxLength: 64, hint: 'The name of its key.' },
      },
      choice('kind', 'Kind', backscatterKinds, undefined),
      { ...timeField('from', 'Seen from (UTC)', undefined), sentAs: 'utc' },
      { ...timeField('to', 'Seen before (UTC)', undefined), sentAs: 'utc' },
    ],
  },
}
