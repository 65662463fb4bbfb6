// /dashboard/exemptions and /dashboard/exclusions: what is never listed, and the holes in listings.
import type { ExceptionKind } from '../../blocklist/types.ts'
import type { App, AppOptions } from '../options.ts'
import { exceptionsBody } from '../routes/exceptions.ts'
import { maxReasonLength, PageQuery } from '../schemas/basics.ts'
import type { Exception } from '../schemas/listings.ts'
import { addTablePage, type DashboardOptions } from './table-pages.ts'
import { type Column, codeCell, type Field, type Row, textCell, timeCell } from './table-view.ts'

interface Words {
  readonly path: 'exemptions' | 'exclusions'
  readonly intro: string
  readonly empty: string
  readonly add: string
  readonly addText: string
  readonly removeText: string
  /** What is said of a prefix that was added. */
  readonly added: string
  readonly removed: string
}

const words: Readonly<Record<ExceptionKind, Words>> = {
  exemption: {
    path: 'exemptions',
    intro: 'These prefixes are never listed, nor is anything in them.',
    empty: 'Nothing is exempt. Exempt your own relays, so that no mistake lists them.',
    add: 'Add an exemption',
    addText:
      'The prefix is never listed, nor is anything in it. What is listed there now is no longer answered.',
    removeText: 'What is still listed there is answered again.',
    added: 'It is exempt.',
    removed: '{subject} is not exempt any more.',
  },
  exclusion: {
    path: 'exclusions',
    intro:
      'These prefixes are holes in the larger listings around them. A smaller listing inside a hole is still answered.',
    empty:
      'There are no holes. Exclude a prefix if a larger listing is right, but not for this part of it.',
    add: 'Add an exclusion',
    addText: 'The prefix is left out of every larger listing, now and later.',
    removeText: 'The listings around it are answered there again.',
    added: 'It is left out of larger listings.',
    removed: '{subject} is not left out any more.',
  },
}

const columns: readonly Column[] = [
  { title: 'Prefix' },
  { title: 'Note', isProse: true },
  { title: 'Added by' },
  { title: 'Since (UTC)' },
]

/** A prefix and a note. */
const fields: readonly Field[] = [
  {
    ...{ name: 'prefix', label: 'Address or network', control: 'text', isRequired: true },
    ...{ maxLength: 64, hint: 'Such as 192.0.2.1 or 2001:db8::/64.' },
  },
  { name: 'note', label: 'Note', control: 'text', maxLength: maxReasonLength },
]

export function exceptionTables(
  app: App,
  options: DashboardOptions & Pick<AppOptions, 'store'>,
): void {
  for (const kind of ['exemption', 'exclusion'] as const) addExceptions(app, options, kind)
}

function addExceptions(
  app: App,
  options: DashboardOptions & Pick<AppOptions, 'store'>,
  kind: ExceptionKind,
): void {
  const { path, intro, empty, ...told } = words[kind]
  const api = `/v1/${path}`
  const rowOf = (item: Exception, now: number, mayWrite: boolean): Row => ({
    cells: [
      codeCell(item.prefix),
      textCell(item.note),
      textCell(item.source === 'config' ? 'configuration' : 'hand'),
      timeCell(item.createdAt, now),
    ],
    actions:
      mayWrite && item.source === 'manual'
        ? [{ label: 'Remove', dialog: 'remove', url: `${api}/${item.id}`, subject: item.prefix }]
        : [],
  })
  addTablePage(app, options, {
    ...{ section: path, intro, query: PageQuery },
    filters: () => [],
    read: (query) => exceptionsBody(options.store, kind, query),
    columns: () => columns,
    rowOf: (item, { now, mayWrite }) => rowOf(item, now, mayWrite),
    empty: () => empty,
    actions: ({ mayWrite }) => (mayWrite ? [{ label: told.add, dialog: 'add' }] : []),
    dialogs: ({ mayWrite }) =>
      mayWrite
        ? [
            {
              ...{ id: 'add', title: told.add, text: told.addText, method: 'POST', url: api },
              ...{ fields, submit: 'Add', done: told.added },
            },
            {
              ...{ id: 'remove', title: 'Remove', text: told.removeText, method: 'DELETE' },
              ...{ fields: [], submit: 'Remove', isDanger: true, done: told.removed },
            },
          ]
        : [],
  })
}
