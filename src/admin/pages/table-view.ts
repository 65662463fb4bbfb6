// What the templates of the dashboard's tables show: cells, rows, filters, dialogs. The functions here turn values into cells;
// the words stand in the files of the pages.
import type { Page as ItemPage } from '../../blocklist/types.ts'

export interface Cell {
  readonly text: string
  /** Where the text leads. */
  readonly href?: string
  /** The text is a time, and this is the time in RFC 3339. */
  readonly at?: string
  /** A class of the badge that the text is shown as. */
  readonly badge?: 'good' | 'bad' | 'warn' | 'none'
  /** The text is an address, a name or the like, and is shown as code. */
  readonly isCode?: boolean
  /** A second line, in small print. */
  readonly note?: string
  /** More lines, shown on demand. */
  readonly more?: readonly { readonly name: string; readonly value: string }[]
}

/** A button that opens a dialog of the page, filled for one row. */
export interface RowAction {
  readonly label: string
  /** The id of the dialog. */
  readonly dialog: string
  /** What the dialog's form is sent to. */
  readonly url: string
  /** What the action is about: the dialog names it, and so does the button to a screen reader. */
  readonly subject: string
  /** The If-Match of the request. */
  readonly tag?: string
  /** Values of the form's fields. */
  readonly values?: Readonly<Record<string, string>>
}

export interface Row {
  readonly cells: readonly Cell[]
  readonly actions: readonly RowAction[]
}

export interface Column {
  readonly title: string
  readonly isNumber?: boolean
  /** Its texts may be long. */
  readonly isProse?: boolean
  /** Where the heading leads, to sort the table by this column. */
  readonly href?: string
  /** How the table is sorted by this column. */
  readonly sorted?: SortDirection
}

export type SortDirection = 'ascending' | 'descending'

export interface Table {
  readonly caption: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** What a page without rows says; it tells what to do. */
  readonly empty: string
  /** Whether a column for actions is shown. */
  readonly hasActions: boolean
  readonly firstPage: string | null
  readonly nextPage: string | null
}

export interface Field {
  readonly name: string
  readonly label: string
  readonly control: 'text' | 'select' | 'area' | 'time' | 'choices'
  readonly value?: string
  readonly hint?: string
  /** What is wrong with the value. */
  readonly fault?: string | undefined
  readonly isRequired?: boolean
  readonly maxLength?: number
  /** How the browser sends the text: 'lines' makes an array, 'utc' a time. */
  readonly sentAs?: 'lines' | 'utc'
  readonly options?: readonly Option[]
}

export interface Option {
  readonly value: string
  readonly text: string
  readonly isChosen?: boolean
  /** Members of the body, as JSON, that the option sends in place of its value. */
  readonly sends?: string
}

export interface Dialog {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly method: 'POST' | 'PATCH' | 'DELETE'
  /** Where its form is sent to, unless a row says it. */
  readonly url?: string
  readonly fields: readonly Field[]
  readonly submit: string
  readonly isDanger?: boolean
  /** What is said afterwards. {subject} stands for what the action was about. */
  readonly done: string
  /** The member of the answer that is shown once, such as a secret. */
  readonly shows?: string
}

/** The rows of a page of items, with links to the first and the next page. `filter`: the query without its cursor. */
export function tableOf<Item>(
  { items, nextCursor }: ItemPage<Item>,
  path: string,
  filter: Readonly<Record<string, unknown>>,
  isContinued: boolean,
  rowOf: (item: Item) => Row,
): Pick<Table, 'rows' | 'firstPage' | 'nextPage' | 'hasActions'> {
  const rows = items.map(rowOf)
  return {
    rows,
    hasActions: rows.some(({ actions }) => actions.length > 0),
    firstPage: isContinued ? linkTo(path, filter) : null,
    nextPage: nextCursor === null ? null : linkTo(path, { ...filter, cursor: nextCursor }),
  }
}

/** A path with a query of all values that are there. */
export function linkTo(path: string, query: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  const text = new URLSearchParams(given).toString()
  return text === '' ? path : `${path}?${text}`
}

export function textCell(text: string | null | undefined): Cell {
  return { text: text ?? '' }
}

export function codeCell(text: string | null, href?: string): Cell {
  return text === null ? { text: '' } : { text, isCode: true, ...(href !== undefined && { href }) }
}

/** A time to the minute, in UTC. With `now` (epoch seconds) a second line tells how long ago it was, or how soon it comes. */
export function timeCell(at: string | null, now?: number, absent = ''): Cell {
  if (at === null) return { text: absent }
  const text = at.slice(0, 16).replace('T', ' ')
  return { text, at, ...(now !== undefined && { note: distance(at, now) }) }
}

const units = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const
const inWords = new Intl.RelativeTimeFormat('en', { numeric: 'always' })

/** How far a time is from now, in the largest unit of which there are two: "in 3 days", "90 minutes ago". */
function distance(at: string, now: number): string {
  const seconds = Math.round(Date.parse(at) / 1000) - now
  const found = units.find(([, size]) => Math.abs(seconds) >= 2 * size)
  if (found === undefined) return seconds > 0 ? 'in a moment' : 'just now'
  const [unit, size] = found
  return inWords.format(Math.round(seconds / size), unit)
}

/** A field that chooses one of several values, or none. */
export function choice(
  name: string,
  label: string,
  values: readonly string[],
  chosen: string | undefined,
  any = 'any',
): Field {
  const options = values.map((value) => ({ value, text: value, isChosen: value === chosen }))
  return { name, label, control: 'select', options: [{ value: '', text: any }, ...options] }
}

export function textField(name: string, label: string, value: string | undefined): Field {
  return { name, label, control: 'text', ...(value !== undefined && { value }) }
}

/** A field for a time in UTC. */
export function timeField(name: string, label: string, value: string | undefined): Field {
  return { ...textField(name, label, value?.replace(/Z$/, '')), control: 'time' }
}

/** The members that have a text, by name. */
export function linesOf(
  members: Readonly<Record<string, string>>,
): { name: string; value: string }[] {
  return Object.entries(members).flatMap(([name, value]) => (value === '' ? [] : [{ name, value }]))
}
