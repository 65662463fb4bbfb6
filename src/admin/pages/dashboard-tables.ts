// All pages of the dashboard that show tables, and the navigation between them.
import type { KeyRing } from '../key-ring.ts'
import type { App, AppOptions } from '../options.ts'
import { exceptionTables } from './exception-tables.ts'
import { listTables } from './list-tables.ts'
import { listingPage } from './listing-page.ts'
import { listingTables } from './listing-tables.ts'
import { operatorTables } from './operator-tables.ts'
import { removalTable } from './removal-table.ts'
import type { DashboardOptions } from './table-pages.ts'

interface Options extends DashboardOptions, Pick<AppOptions, 'store' | 'status' | 'blocklist'> {
  readonly keys: KeyRing
}

export function dashboardTables(app: App, options: Options): void {
  listingTables(app, options)
  listingPage(app, options)
  exceptionTables(app, options)
  removalTable(app, options)
  listTables(app, options)
  operatorTables(app, options)
}
