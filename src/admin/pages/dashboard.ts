// The frame of the dashboard's pages: their navigation, who is signed in, and the sign-out. They are in English.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Page, PageRenderer } from './render.ts'

/** The pages of the navigation, in its order. */
const dashboardPages = [
  { name: 'overview', url: '/dashboard', text: 'Overview' },
] as const satisfies { name: string; url: string; text: string }[]

interface DashboardPage extends Pick<Page, 'template' | 'title' | 'scripts'> {
  /** The part of the navigation that the page belongs to. */
  readonly section?: (typeof dashboardPages)[number]['name']
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
  const pages = dashboardPages.map(({ name: own, ...shown }) => ({
    ...shown,
    isCurrent: own === section,
  }))
  return renderer.render(request, reply, {
    ...page,
    language: 'en',
    isWide: true,
    view: { ...view, dashboard: { name, scope, pages } },
  })
}
