// The look-up: / with its field, and /lookup/ADDRESS, where the link of a TXT record leads.
import Type from 'typebox'
import { formatAddress, parseGivenAddress } from '../../ip/address.ts'
import type { App, AppOptions } from '../options.ts'
import type { PageRenderer } from './render.ts'
import { languageOf, translator } from './texts.ts'

interface LookupPageOptions extends Pick<AppOptions, 'blocklist'> {
  readonly renderer: PageRenderer
}

const config = { scope: 'public', isPage: true } as const
/** An IPv6 address takes at most 45 characters. What is longer is told to be wrong, and shown in part. */
const maxShownLength = 64

export function lookupPages(app: App, { blocklist, renderer }: LookupPageOptions): void {
  app.get('/', { config }, async (request, reply) => {
    const title = translator(languageOf(request))('lookup.title')
    const view = { title, address: '', fault: '' }
    return renderer.render(request, reply, { template: 'home', section: 'lookup', title, view })
  })

  app.get(
    '/lookup',
    { config, schema: { querystring: Type.Object({ address: Type.Optional(Type.String()) }) } },
    async ({ query: { address = '' } }, reply) => {
      const wanted = address.trim()
      return reply.redirect(wanted === '' ? '/' : `/lookup/${encodeURIComponent(wanted)}`, 303)
    },
  )

  app.get(
    '/lookup/:address',
    { config, schema: { params: Type.Object({ address: Type.String() }) } },
    async (request, reply) => {
      const t = translator(languageOf(request))
      const { address: text } = request.params
      const address = parseGivenAddress(text)
      if ('why' in address) {
        reply.code(400)
        const fault = t('lookup.malformed', { why: address.why })
        const title = t('lookup.title')
        const view = { title, address: text.slice(0, maxShownLength), fault }
        return renderer.render(request, reply, { template: 'home', section: 'lookup', title, view })
      }
      const shown = formatAddress(address.value)
      const { listed } = blocklist.find(address.value)
      const answer = t(listed ? 'lookup.listed' : 'lookup.unlisted', { address: shown })
      const view = { answer, listed, address: shown, fault: '' }
      const title = t('lookup.titleOf', { address: shown })
      return renderer.render(request, reply, { template: 'lookup', section: 'lookup', title, view })
    },
  )
}
