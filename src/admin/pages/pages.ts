// The pages that people use, beside the HTTP interface: their security headers, their errors as pages, and their routes. They
// are rendered on the server, work without JavaScript, and load nothing from other sites.
import { fastifyAccepts } from '@fastify/accepts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App, AppOptions } from '../options.ts'
import { isProblem, type Problem } from '../problem.ts'
import { serveAssets } from './assets.ts'
import { dashboardTables } from './dashboard-tables.ts'
import { addGuide } from './guide-pages.ts'
import { pageHeaders } from './headers.ts'
import { type LookupPageOptions, lookupPages } from './lookup-page.ts'
import { wholeMinutes } from './lookup-view.ts'
import { overviewPages } from './overview.ts'
import { addPolicy } from './policy-page.ts'
import { PageRenderer } from './render.ts'
import { type SignInOptions, signInPages } from './sign-in.ts'
import { languageOf, type TextKey, translator } from './texts.ts'

type PagesOptions = AppOptions & Omit<LookupPageOptions, 'renderer'>

/** Adds the pages. Call it after access control and the problems of the HTTP interface are added. */
export function addPages(app: App, options: PagesOptions, signIn: SignInOptions): void {
  const renderer = new PageRenderer(options.origin)
  app.register(fastifyAccepts)
  app.addHook('preSerialization', (request, reply, payload, done) => {
    if (isProblem(payload) && wantsPage(request)) {
      reply.helmet(pageHeaders)
      const html = errorPage(renderer, request, reply, payload)
      reply.serializer(() => html)
    }
    done(null, payload)
  })
  serveAssets(app)
  app.register((scope, _options, done) => {
    lookupPages(scope, { ...options, renderer })
    const { policy } = options
    if (policy) addPolicy(scope, { ...options, policy, renderer })
    addGuide(scope, renderer)
    overviewPages(scope, { ...options, renderer, sessions: signIn.sessions })
    dashboardTables(scope, { ...options, renderer, keys: signIn.keys })
    done()
  })
  // Its forms are read in another way than the bodies of all other routes.
  app.register((scope, _options, done) => {
    signInPages(scope, { ...signIn, renderer })
    done()
  })
}

/** Whether an error is shown as a page: on the path of a page, and to a browser on a path that has nothing. */
function wantsPage(request: FastifyRequest): boolean {
  if (!request.is404) return request.routeOptions.config.isPage === true
  return !request.url.startsWith('/v1/') && request.accepts().type('json', 'html') === 'html'
}

const titles: Readonly<Record<number, TextKey>> = {
  400: 'error.400',
  403: 'error.403',
  404: 'error.404',
  405: 'error.405',
  429: 'error.429',
  503: 'error.503',
}

function errorPage(
  renderer: PageRenderer,
  request: FastifyRequest,
  reply: FastifyReply,
  { status, detail }: Problem,
): string {
  const t = translator(languageOf(request))
  const title = t(titles[status] ?? (status < 500 ? 'error.400' : 'error.500'))
  const isMissing = status === 404
  const seconds = reply.getHeader('retry-after')
  const time = seconds === undefined ? '' : wholeMinutes(Number(seconds), languageOf(request))
  const view = {
    ...{ title, isMissing },
    // These two have words of their own. Other problems are told in the words of the HTTP interface, which are English.
    detail: isMissing || time !== '' ? '' : detail,
    wait: time === '' ? '' : t('error.429.text', { time }),
    requestId: status >= 500 ? request.id : '',
  }
  return renderer.render(request, reply, { template: 'error', title, view })
}
