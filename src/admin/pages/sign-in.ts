// Signing in to the dashboard and out of it: a form with a key begins a session.
import Type from 'typebox'
import type { AccessControl } from '../auth.ts'
import type { KeyRing } from '../key-ring.ts'
import type { App } from '../options.ts'
import { problem } from '../problem.ts'
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

const maxFormBytes = 8192

const SignInForm = Type.Object(
  { key: Type.String({ maxLength: 200 }), to: Type.Optional(Type.String({ maxLength: 2048 })) },
  strict,
)

interface SignInOptions extends AccessControl {
  readonly keys: KeyRing
  readonly sessions: Sessions
}

export function signInRoutes(app: App, { keys, sessions, noteWrongKey }: SignInOptions): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: maxFormBytes },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )

  app.post(
    signInAt,
    { config: { scope: 'public' }, schema: { hide: true, body: SignInForm } },
    async (request, reply) => {
      if (isCrossOrigin(request))
        return problem(403, 'cross-origin', 'a page of another site sent this form: it was refused')
      const { key, to } = request.body
      const holder = keys.find(key.trim())
      if (holder === undefined) {
        const seconds = await noteWrongKey(request)
        if (seconds === 0) return problem(401, 'wrong-key', 'this is not a valid key')
        reply.header('retry-after', seconds)
        const detail = `too many wrong keys from this address: try again in ${seconds} s`
        return problem(429, 'too-many-wrong-keys', detail)
      }
      if (!scopeIncludes(holder.scope, 'read'))
        return problem(403, 'forbidden', `a key of scope ${holder.scope} shows no dashboard`)
      sessions.end(sessionToken(request))
      setSessionCookie(reply, sessions.begin(holder))
      return reply.redirect(pageAfterSignIn(to), 303)
    },
  )

  app.post(
    '/dashboard/sign-out',
    { config: { scope: 'public' }, schema: { hide: true } },
    async (request, reply) => {
      sessions.end(sessionToken(request))
      clearSessionCookie(reply)
      return reply.redirect(signInAt, 303)
    },
  )
}
