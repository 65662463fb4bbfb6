// The frame of the dashboard's pages: their navigation, who is signed in, and the sign-out. They are in English.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Scope, scopeIncludes } from '../scopes.ts'
import type { Page, PageRenderer } from './render.ts'

/** The pages of the navigation, in its order, and the scope that each needs. */
export const dashboardPages = {
  overview: { url: '/dashboard', text: 'Overview', needs: 'read' },
  listings: { url: '/dashboard/listings', text: 'Listings', needs: 'read' },
  evidence: { url: '/dashboard/evidence', text: 'Evidence', needs: 'admin' },
  removals: { url: '/dashboard/removals', text: 'Removals', needs: 'read' },
  exemptions: { url: '/dashboard/exemptions', text: 'Exemptions', needs: 'read' },
  exclusions: { url: '/dashboard/exclusions', text: 'Exclusions', needs: 'read' },
  lists: { url: '/dashboard/lists', text: 'Lists', needs: 'read' },
  traps: { url: '/dashboard/traps', text: 'Traps', needs: 'admin' },
  purge: { url: '/dashboard/purge', text: 'Purge', needs: 'admin' },
  keys: { url: '/dashboard/keys', text: 'Keys', needs: 'admin' },
  audit: { url: '/dashboard/audit', text: 'Audit', needs: 'admin' },
} as const satisfies Readonly<Record<string, { url: string; text: string; needs: Scope }>>

export type DashboardSection = keyof typeof dashboardPages

interface DashboardPage extends Pick<Page, 'template' | 'title' | 'scripts' | 'styles'> {
  /** The part of the navigation that the page belongs to. */
  readonly section?: DashboardSection
  /** What the template shows, as `it.view`, which has the frame's own member `dashboard` too. */
  readonly view: object
}

/** Renders a page whose template has the layout `@dashboard`. */
export function renderDashboard(
  renderer: PageRenderer,
  request: FastifyRequest,
  reply: FastifyReply,
  { section, view, ...page }: DashboardPage,
): string {
  const { name, scope } = request.caller
  const pages = Object.entries(dashboardPages)
    .filter(([, { needs }]) => scopeIncludes(scope, needs))
    .map(([own, { url, text }]) => ({ url, text, isCurrent: own === section }))
  return renderer.render(request, reply, {
    ...page,
    language: 'en',
    isWide: true,
    styles: ['tables.css', 'dashboard.css', ...(page.styles ?? [])],
    view: { ...view, dashboard: { name, scope, pages } },
  })
}
