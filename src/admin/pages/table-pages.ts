// A page of the dashboard that is one table: its query is checked as that of the HTTP interface, its rows come from the same
// functions, and what the key's scope does not allow is said, or left out.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { Page as ItemPage } from '../../blocklist/types.ts'
import type { App, AppOptions } from '../options.ts'
import { isProblem, malformedAt, type Problem, problemOf } from '../problem.ts'
import { scopeIncludes } from '../scopes.ts'
import { type DashboardSection, dashboardPages, renderDashboard } from './dashboard.ts'
import type { PageRenderer } from './render.ts'
import { type Column, type Dialog, type Field, linkTo, type Row, tableOf } from './table-view.ts'

export interface DashboardOptions extends Pick<AppOptions, 'now'> {
  readonly renderer: PageRenderer
}

/** What rows and actions depend on. */
export interface Viewer {
  readonly now: number
  readonly mayWrite: boolean
  readonly isAdmin: boolean
}

export interface TablePage<Query extends TSchema, Item> {
  readonly section: DashboardSection
  readonly intro: string
  readonly query: Query
  /** The fields that filter the table. */
  filters(query: Partial<Static<Query>>): readonly Field[]
  read(query: Static<Query>): ItemPage<Item> | Problem | Promise<ItemPage<Item> | Problem>
  columns(viewer: Viewer, query: Partial<Static<Query>>): readonly Column[]
  rowOf(item: Item, viewer: Viewer): Row
  /** What a page without rows says, and what to do. */
  empty(isFiltered: boolean, viewer: Viewer): string
  /** The buttons of the page, by the ids of their dialogs. */
  actions(viewer: Viewer): readonly { readonly label: string; readonly dialog: string }[]
  dialogs(viewer: Viewer): readonly Dialog[]
  /** A part above the table. */
  above?(viewer: Viewer): Part | undefined
  /** A part below the table. */
  below?(viewer: Viewer): Part | undefined
}

/** A further part of a page, made by a template of its own. */
export interface Part {
  readonly template: string
  readonly script: string
  readonly view: object
}

const rowsOfPage = 50
/** The files in assets/ that forms and dialogs need. */
export const forms = { scripts: ['actions.js'], styles: ['actions.css'] } as const

export function addTablePage<Query extends TSchema, Item>(
  app: App,
  { renderer, now }: DashboardOptions,
  page: TablePage<Query, Item>,
): void {
  const { section } = page
  const { url, text: title, needs } = dashboardPages[section]
  app.get(
    url,
    {
      config: { scope: 'read', isPage: true },
      preValidation: readForm,
      attachValidation: true,
      schema: { querystring: page.query },
    },
    async (request, reply) => {
      if (!scopeIncludes(request.caller.scope, needs)) {
        return refusalPage(renderer, request, reply, section)
      }
      const viewer = viewerOf(request, now())
      const { validationError } = request
      const given = request.query as Given<Query>
      const read = validationError
        ? problemOf(validationError)
        : await page.read({ limit: rowsOfPage, ...given } as Static<Query>)
      if (isProblem(read)) reply.code(read.status)
      const view = {
        ...partsOf(page, viewer),
        filters: filtersOf(page, given, validationError ? undefined : given.sort, read),
        table: tableView(page, given, validationError ? {} : given, read, viewer),
      }
      const scripts = [view.above, view.below].flatMap((part) => (part ? [part.script] : []))
      return renderDashboard(renderer, request, reply, {
        ...{ template: 'table-page', title, section, view },
        ...{ ...forms, scripts: [...forms.scripts, ...scripts] },
      })
    },
  )
}

/** A query as it was sent. What the schema refuses is in it too. */
type Given<Query extends TSchema> = Partial<Static<Query>> & {
  readonly cursor?: string
  readonly sort?: string
}

/** What does not depend on the query. */
function partsOf<Query extends TSchema, Item>(page: TablePage<Query, Item>, viewer: Viewer) {
  return {
    title: dashboardPages[page.section].text,
    intro: page.intro,
    actions: page.actions(viewer),
    dialogs: page.dialogs(viewer),
    above: page.above?.(viewer),
    below: page.below?.(viewer),
  }
}

/** The form of the filters, each field with what was typed; false if the page has none. */
function filtersOf<Query extends TSchema, Item>(
  page: TablePage<Query, Item>,
  given: Given<Query>,
  sort: string | undefined,
  read: ItemPage<Item> | Problem,
) {
  const fields = page.filters(textsOf(given))
  if (fields.length === 0) return false
  const { url, text } = dashboardPages[page.section]
  return {
    ...withFaults(fields, isProblem(read) ? read : undefined),
    ...{ isUsed: isFiltered(given), url, sort },
    cleared: linkTo(url, { sort }),
    label: `Filter: ${text}`,
  }
}

/** `understood`: the query, or nothing of it if the schema refused it. */
function tableView<Query extends TSchema, Item>(
  page: TablePage<Query, Item>,
  given: Given<Query>,
  understood: Partial<Static<Query>>,
  read: ItemPage<Item> | Problem,
  viewer: Viewer,
) {
  const { url, text: caption } = dashboardPages[page.section]
  const { cursor, ...filter } = given
  const items = isProblem(read) ? { items: [], nextCursor: null } : read
  const further = items.nextCursor === null ? '' : ' The next page may have some.'
  return {
    caption,
    columns: page.columns(viewer, understood),
    empty: isProblem(read) ? 'Change the filter.' : page.empty(isFiltered(given), viewer) + further,
    ...tableOf(items, url, filter, cursor !== undefined, (item) => page.rowOf(item, viewer)),
  }
}

function isFiltered(given: object): boolean {
  return Object.keys(given).some((name) => name !== 'sort' && name !== 'cursor')
}

/** What the field of a time sends. */
const localTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/

/** A form sends its empty fields too; here they are as good as absent. Its times are in UTC, though it does not say so. */
async function readForm(request: FastifyRequest): Promise<void> {
  const given = Object.entries(request.query as Record<string, unknown>)
  request.query = Object.fromEntries(
    given.flatMap(([name, value]) => {
      if (value === '') return []
      if (typeof value !== 'string' || !localTime.test(value)) return [[name, value]]
      return [[name, `${value}${value.length === 16 ? ':00' : ''}Z`]]
    }),
  )
}

/** The members of a query that are given once. */
function textsOf<Query extends object>(query: Query): Partial<Query> {
  const texts = Object.entries(query).filter(([, value]) => typeof value === 'string')
  return Object.fromEntries(texts) as Partial<Query>
}

/** The fields, each with what is wrong with its value; and what is wrong elsewhere in the query, or ''. */
function withFaults(fields: readonly Field[], problem: Problem | undefined) {
  const { detail = '', errors } = problem ?? {}
  const faultAt = (name: string) => errors?.find(({ at }) => at === `querystring/${name}`)
  const elsewhere = errors?.filter((error) => fields.every(({ name }) => faultAt(name) !== error))
  return {
    fields: fields.map((field) => ({ ...field, fault: faultAt(field.name)?.why })),
    fault: elsewhere === undefined ? detail : malformedAt(elsewhere).detail,
  }
}

export function viewerOf({ caller: { scope } }: FastifyRequest, now: number): Viewer {
  return { now, mayWrite: scopeIncludes(scope, 'write'), isAdmin: scopeIncludes(scope, 'admin') }
}

/** The page that says which scope is needed. */
function refusalPage(
  renderer: PageRenderer,
  request: FastifyRequest,
  reply: FastifyReply,
  section: DashboardSection,
): string {
  reply.code(403)
  const { text: title, needs } = dashboardPages[section]
  const { name, scope } = request.caller
  const view = { title, needs, name, scope }
  return renderDashboard(renderer, request, reply, {
    template: 'needs-scope',
    title,
    section,
    view,
  })
}
