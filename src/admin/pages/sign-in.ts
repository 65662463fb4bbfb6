// Signing in to the dashboard and out of it: a form with a key begins a session.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { AccessControl } from '../auth.ts'
import type { KeyRing } from '../key-ring.ts'
import type { App } from '../options.ts'
import { strict } from '../schemas/basics.ts'
import { scopeIncludes } from '../scopes.ts'
import {
  clearSessionCookie,
  isCrossOrigin,
  pageAfterSignIn,
  type Sessions,
  sessionToken,
  setSessionCookie,
  signInAt,
} from '../sessions.ts'
import type { PageRenderer } from './render.ts'

const maxFormBytes = 8192

const To = Type.Optional(Type.String({ maxLength: 2048 }))
const SignInForm = Type.Object({ key: Type.String({ maxLength: 200 }), to: To }, strict)
const config = { scope: 'public', isPage: true } as const

export interface SignInOptions extends AccessControl {
  readonly keys: KeyRing
  readonly sessions: Sessions
}

export function signInPages(app: App, options: SignInOptions & { renderer: PageRenderer }): void {
  const { keys, sessions, noteWrongKey, renderer } = options
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: maxFormBytes },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )
  const formPage = (
    request: FastifyRequest,
    reply: FastifyReply,
    view: { to: string | undefined; fault?: string; hasEnded?: boolean },
  ): string =>
    renderer.render(request, reply, {
      ...{ template: 'sign-in', title: 'Sign in', language: 'en' },
      view: { fault: '', hasEnded: false, ...view, to: pageAfterSignIn(view.to) },
    })

  app.get(
    signInAt,
    { config, schema: { querystring: Type.Object({ to: To }) } },
    async (request, reply) => {
      const { to } = request.query
      const token = sessionToken(request)
      if (sessions.holder(token, true)) return reply.redirect(pageAfterSignIn(to), 303)
      // A link on another site led here, so the browser kept the cookie back. It sends the cookie when this page reloads itself.
      if (request.headers['sec-fetch-site'] === 'cross-site') reply.header('refresh', '0')
      if (token !== undefined) clearSessionCookie(reply)
      return formPage(request, reply, { to, hasEnded: token !== undefined })
    },
  )

  app.post(signInAt, { config, schema: { body: SignInForm } }, async (request, reply) => {
    const { key, to } = request.body
    const refuse = (status: number, fault: string): string => {
      reply.code(status)
      return formPage(request, reply, { to, fault })
    }
    if (isCrossOrigin(request))
      return refuse(403, 'A page of another site sent this form, so it was refused. Sign in here.')
    const holder = keys.find(key.trim())
    if (holder === undefined) {
      const seconds = await noteWrongKey(request)
      if (seconds === 0)
        return refuse(401, 'This is not a valid key: it is mistyped, revoked or expired.')
      reply.header('retry-after', seconds)
      return refuse(429, `Too many wrong keys from this address. Try again in ${seconds} seconds.`)
    }
    if (!scopeIncludes(holder.scope, 'read'))
      return refuse(403, `A key of scope ${holder.scope} shows no dashboard.`)
    sessions.end(sessionToken(request))
    setSessionCookie(reply, sessions.begin(holder))
    return reply.redirect(pageAfterSignIn(to), 303)
  })

  app.post('/dashboard/sign-out', { config }, async (request, reply) => {
    const token = sessionToken(request)
    sessions.end(token)
    // A form of another site comes without the cookie, and must not make the browser forget it.
    if (token !== undefined) clearSessionCookie(reply)
    return reply.redirect(signInAt, 303)
  })
}
