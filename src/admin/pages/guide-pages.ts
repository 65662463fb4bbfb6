// The guide on the web: /guide with all its pages, and /guide/PAGE.
import Type from 'typebox'
import type { App } from '../options.ts'
import { notFound } from '../problem.ts'
import { guidePages } from './guide.ts'
import type { PageRenderer } from './render.ts'

const config = { scope: 'public', isPage: true } as const
/** The guide is in English only. */
const shared = { section: 'guide', language: 'en', styles: ['tables.css', 'guide.css'] } as const

export function addGuide(app: App, renderer: PageRenderer): void {
  app.get('/guide', { config }, async (request, reply) => {
    const view = { pages: [...guidePages().values()] }
    return renderer.render(request, reply, {
      ...{ ...shared, template: 'guide', title: 'Guide', view },
    })
  })

  app.get(
    '/guide/:page',
    { config, schema: { params: Type.Object({ page: Type.String() }) } },
    async (request, reply) => {
      const page = guidePages().get(request.params.page)
      if (page === undefined) return notFound('the guide has no such page')
      const { title } = page
      return renderer.render(request, reply, {
        ...{ ...shared, template: 'guide-page', title, view: page },
        isWide: true,
        scripts: ['copy.js'],
      })
    },
  )
}
