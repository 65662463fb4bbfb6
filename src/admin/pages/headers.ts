// What sets the routes of pages apart: the security headers that web pages need, no place in the API's description, and errors as
// pages. A route is a page if its config says so.
import type { FastifyHelmetOptions } from '@fastify/helmet'
import type { RouteOptions } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route answers with HTML, errors too. */
    isPage?: boolean
  }
}

const self = ["'self'"]
const none = ["'none'"]
/** No script or style stands in a page itself, so a text that slipped through unescaped cannot run. */
export const pageHeaders: FastifyHelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: none,
      scriptSrc: self,
      styleSrc: self,
      imgSrc: self,
      fontSrc: self,
      connectSrc: self,
      formAction: self,
      frameAncestors: none,
      baseUri: none,
    },
  },
  crossOriginOpenerPolicy: true,
  originAgentCluster: true,
  // With no-referrer a browser sends forms with `Origin: null` (Fetch §3.2). strict-origin tells nobody a path or query either.
  referrerPolicy: { policy: 'strict-origin' },
}

/** Prepares the route of a page. Call it in a hook `onRoute` that was added before helmet's. */
export function preparePage(route: RouteOptions): void {
  route.helmet = pageHeaders
  route.schema = { ...route.schema, hide: true }
}
