// What @fastify/helmet answers with, asked once: it works its headers out anew for each request, which takes longer
// than a look-up, and they are the same for every one. Called by app.ts at its start.
import { fastifyHelmet } from '@fastify/helmet'
import fastify from 'fastify'

/** Nothing but data comes from here; /docs has a policy of its own. */
const apiPolicy = {
  useDefaults: false,
  directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
}

/** Those that mean something where no page is shown (OWASP, REST Security Cheat Sheet: security headers). */
const ofData = [
  'content-security-policy',
  'cross-origin-resource-policy',
  'referrer-policy',
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
]

/** Name, in lower case, to value. */
type Headers = Readonly<Record<string, string>>

/** For pages, all; for data, those that a browser heeds there: each header costs the time of a small look-up. */
export interface SecurityHeaders {
  readonly pages: Headers
  readonly data: Headers
}

let headers: Promise<SecurityHeaders> | undefined

/** The same object each time. */
export function securityHeaders(): Promise<SecurityHeaders> {
  headers ??= askHelmet()
  return headers
}

async function askHelmet(): Promise<SecurityHeaders> {
  const app = fastify()
  app.register(fastifyHelmet, { global: true, contentSecurityPolicy: apiPolicy })
  app.get('/', async (_request, { raw }) => ({ ...raw.getHeaders() }))
  try {
    const pages: Headers = (await app.inject('/')).json()
    const data = Object.fromEntries(ofData.map((name) => [name, pages[name] ?? '']))
    return { pages, data }
  } finally {
    await app.close()
  }
}
