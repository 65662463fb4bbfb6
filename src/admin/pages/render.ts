// A page of a template and a view to HTML. Templates escape every value (eta's autoEscape); they are compiled at the first use
// of this file, so that an upgrade on disk cannot mix old code with new templates.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Eta } from 'eta'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { assetsPath } from './assets.ts'
import { type Language, languageOf, type TextKey, translator } from './texts.ts'

/** The pages of the navigation, in its order. */
const sections = [
  { name: 'lookup', url: '/', text: 'site.lookup' },
  { name: 'policy', url: '/policy', text: 'site.policy' },
  { name: 'guide', url: '/guide', text: 'site.guide' },
] as const satisfies {
  name: string
  url: string
  text: TextKey
}[]
type SectionName = (typeof sections)[number]['name']

export interface Page {
  /** The file in templates/, without its extension. */
  readonly template: string
  /** What the browser shows as the name of the page, before the name of the zone. */
  readonly title: string
  /** The part of the navigation that the page belongs to. */
  readonly section?: SectionName
  /** @default what the client prefers */
  readonly language?: Language
  /** Whether the page has tables that want the whole width. */
  readonly isWide?: boolean
  /** Browser modules of the page: files in assets/. */
  readonly scripts?: readonly string[]
  /** Style sheets of the page, beside that of all pages: files in assets/. */
  readonly styles?: readonly string[]
  /** What the template shows, as `it.view`. */
  readonly view: object
}

const folder = join(import.meta.dirname, 'templates')
const eta = new Eta({ autoEscape: true, autoTrim: [false, 'nl'] })
for (const file of readdirSync(folder)) {
  if (file.endsWith('.eta')) {
    eta.loadTemplate(`@${file.slice(0, -'.eta'.length)}`, readFileSync(join(folder, file), 'utf8'))
  }
}

/** Renders pages with the name of the zone in their head. */
export class PageRenderer {
  readonly #site: string

  constructor(site: string) {
    this.#site = site
  }

  /** Renders a template that is a part of a page. Its values are the members of `it`. */
  renderPart(template: string, view: object): string {
    return eta.render(`@${template}`, view)
  }

  /** Sets the reply's headers for this page, and returns its HTML. */
  render(request: FastifyRequest, reply: FastifyReply, page: Page): string {
    const { template, title, section, isWide = false, scripts = [], styles = [], view } = page
    if (page.language === undefined) reply.header('vary', 'Accept-Language')
    const language = page.language ?? languageOf(request)
    const t = translator(language)
    reply.type('text/html; charset=utf-8').header('content-language', language)
    return eta.render(`@${template}`, {
      ...{ t, language, title, isWide, view, site: this.#site, assets: assetsPath },
      scripts: scripts.map((file) => `${assetsPath}/${file}`),
      styles: styles.map((file) => `${assetsPath}/${file}`),
      sections: sections.map(({ name, url, text }) => ({
        ...{ url, text: t(text) },
        isCurrent: name === section,
      })),
    })
  }
}
