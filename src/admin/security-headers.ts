// What @fastify/helmet answers with, asked once: it works its headers out anew for each request, which takes longer
// than a look-up, and they are the same for every one. Called by app.ts at its start.
import { fastifyHelmet } from '@fastify/helmet'
import fastify from 'fastify'

/** Nothing but data comes from here; /docs has a policy of its own. */
const apiPolicy = {
  useDefaults: false,
  directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
}

let headers: Promise<Readonly<Record<string, string>>> | undefined

/** Name, in lower case, to value; the same object each time. */
export function securityHeaders(): Promise<Readonly<Record<string, string>>> {
  headers ??= askHelmet()
  return headers
}

async function askHelmet(): Promise<Readonly<Record<string, string>>> {
  const app = fastify()
  app.register(fastifyHelmet, { global: true, contentSecurityPolicy: apiPolicy })
  app.get('/', async (_request, { raw }) => ({ ...raw.getHeaders() }))
  try {
    return (await app.inject('/')).json()
  } finally {
    await app.close()
  }
}
