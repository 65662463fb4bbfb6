// The overview of the dashboard: whether all is well, in words, and the figures of the moment.
import { faultsOf } from '../faults.ts'
import type { App, AppOptions } from '../options.ts'
import { statusBody } from '../routes/stats.ts'
import { renderDashboard } from './dashboard.ts'
import type { PageRenderer } from './render.ts'

export function overviewPages(app: App, options: AppOptions & { renderer: PageRenderer }): void {
  app.get('/dashboard', { config: { scope: 'read', isPage: true } }, async (request, reply) => {
    const stats = statusBody(options, request.caller.scope)
    return renderDashboard(options.renderer, request, reply, {
      ...{ template: 'overview', title: 'Overview', section: 'overview' },
      view: { faults: faultsOf(stats, String), wellText: '' },
    })
  })
}
