// The look-up: / with its field, /lookup/ADDRESS, where the link of a TXT record leads, and the form there that asks for removal.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { formatAddress, parseGivenAddress } from '../../ip/address.ts'
import type { AdminLimits, App, AppOptions } from '../options.ts'
import { isProblem } from '../problem.ts'
import type { RemovalRequests } from '../removal-requests.ts'
import { type LookupOptions, lookupView } from './lookup-view.ts'
import { removalView } from './removal-view.ts'
import type { PageRenderer } from './render.ts'
import { languageOf, type TextKey, translator } from './texts.ts'

export interface LookupPageOptions
  extends Pick<
    AppOptions,
    'blocklist' | 'origin' | 'contact' | 'ttlSeconds' | 'mailDomain' | 'policy'
  > {
  readonly renderer: PageRenderer
  readonly limits: () => AdminLimits
  readonly requests: RemovalRequests
}

const config = { scope: 'public', isPage: true } as const
const shared = { section: 'lookup', styles: ['tables.css', 'lookup.css'] } as const
const schema = { params: Type.Object({ address: Type.String() }) }
/** An IPv6 address takes at most 45 characters. Of a longer text no more than this is shown again. */
const maxShownLength = 64

export function lookupPages(app: App, options: LookupPageOptions): void {
  const { blocklist, renderer, requests, mailDomain } = options
  // The form for removal has no fields: its address is in its path.
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: 1024 },
    (_request, _body, done) => done(null, {}),
  )

  const showField = (
    request: FastifyRequest,
    reply: FastifyReply,
    wrong: { readonly text: string; readonly fault: TextKey } | undefined,
  ): string => {
    const t = translator(languageOf(request))
    const title = t('lookup.title')
    if (wrong !== undefined) reply.code(400)
    const fault = wrong === undefined ? '' : t(wrong.fault)
    const view = { title, address: wrong?.text.slice(0, maxShownLength) ?? '', fault }
    return renderer.render(request, reply, { template: 'home', section: 'lookup', title, view })
  }

  app.get('/', { config }, async (request, reply) => showField(request, reply, undefined))

  app.get(
    '/lookup',
    { config, schema: { querystring: Type.Object({ address: Type.Optional(Type.String()) }) } },
    async (request, reply) => {
      const text = request.query.address?.trim() ?? ''
      if (text === '') return showField(request, reply, { text, fault: 'lookup.fault.empty' })
      return reply.redirect(`/lookup/${encodeURIComponent(text)}`, 303)
    },
  )

  app.get('/lookup/:address', { config, schema }, async (request, reply) => {
    const text = request.params.address
    const address = parseGivenAddress(text)
    if ('why' in address) return showField(request, reply, { text, fault: faultOf(text) })
    const finding = blocklist.find(address.value)
    const isByTrap = finding.origin === 'trap'
    const domain = isByTrap ? await mailDomain?.(address.value) : undefined
    const language = languageOf(request)
    const view = lookupView(finding, domain, lookupOptions(options), language)
    return renderer.render(request, reply, {
      ...{ ...shared, template: 'lookup', title: view.answer },
      scripts: isByTrap ? ['copy.js'] : [],
      view,
    })
  })

  app.post('/lookup/:address/removal', { config, schema }, async (request, reply) => {
    const taken = await requests.take(request.params.address, request, reply)
    if (isProblem(taken)) return taken
    const { asked, answer } = taken
    const language = languageOf(request)
    const address = formatAddress(asked)
    const shown = lookupOptions(options)
    const { contact } = shown
    const view = { ...removalView(address, answer, shown, language), address, contact }
    const { title } = view
    return renderer.render(request, reply, { ...shared, template: 'removal', title, view })
  })
}

function lookupOptions(options: LookupPageOptions): LookupOptions {
  const { origin, contact, ttlSeconds, limits } = options
  const { takesRemovals } = limits()
  return { site: origin, contact, ttlSeconds, takesRemovals, policy: options.policy?.() }
}

/** What is wrong with a text that is no address. */
function faultOf(text: string): TextKey {
  if (text.includes('/')) return 'lookup.fault.network'
  if (text.includes(':')) return 'lookup.fault.ipv6'
  return /^[\d.]*$/.test(text) ? 'lookup.fault.ipv4' : 'lookup.fault.name'
}
