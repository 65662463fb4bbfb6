// Sessions of browsers: a key that was sent once at sign-in becomes a random token in a cookie. Sessions are kept in memory, so
// a restart ends them all. Also the rule that protects requests with that cookie from pages of other sites.
import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyRow } from '../store/keys.ts'
import type { KeyRing } from './key-ring.ts'
import type { Caller } from './scopes.ts'

const tokenBytes = 32
const longestSeconds = 12 * 3600
/** A session ends after this time without a request. */
const idleSeconds = 3600
/** If a key has more sessions than this, its oldest ends. Those of other keys go on. */
const maxSessionsOfKey = 50

/** Where a browser signs in. */
export const signInAt = '/dashboard/sign-in'

/** Methods that change nothing (RFC 9110 §9.2.1). */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

interface Session {
  readonly keyId: number
  readonly endsAt: number
  usedAt: number
}

export class Sessions {
  readonly #keys: KeyRing
  readonly #now: () => number
  /** Insertion order is the order in which the sessions began. */
  readonly #sessions = new Map<string, Session>()

  /** `now`: whole epoch seconds. */
  constructor(keys: KeyRing, now: () => number) {
    this.#keys = keys
    this.#now = now
  }

  /** Begins a session for the holder of this key. Returns its token. */
  begin({ id }: KeyRow): string {
    for (const token of this.#sessions.keys()) this.#find(token)
    const own = [...this.#sessions].filter(([, { keyId }]) => keyId === id)
    const [oldest] = own
    if (oldest !== undefined && own.length >= maxSessionsOfKey) this.#sessions.delete(oldest[0])
    const token = randomBytes(tokenBytes).toString('base64url')
    const now = this.#now()
    this.#sessions.set(token, { keyId: id, endsAt: now + longestSeconds, usedAt: now })
    return token
  }

  /**
   * The holder of the session with this token, who is the caller that the key makes. Undefined if there is no such session, it
   * has ended, or its key was revoked or has expired. `isUse`: whether a request now keeps the session from being idle.
   */
  holder(token: string | undefined, isUse: boolean): Caller | undefined {
    const found = token === undefined ? undefined : this.#find(token)
    if (found === undefined) return undefined
    if (isUse) found.session.usedAt = this.#now()
    return callerOfKey(found.key)
  }

  end(token: string | undefined): void {
    if (token !== undefined) this.#sessions.delete(token)
  }

  /** Forgets the session if it is over. */
  #find(token: string): { readonly session: Session; readonly key: KeyRow } | undefined {
    const session = this.#sessions.get(token)
    if (session === undefined) return undefined
    const now = this.#now()
    const isOver = now >= session.endsAt || now >= session.usedAt + idleSeconds
    const key = isOver ? undefined : this.#keys.valid(session.keyId)
    if (key !== undefined) return { session, key }
    this.#sessions.delete(token)
    return undefined
  }
}

/** The caller that a key makes, by its secret or by a session. */
export function callerOfKey({ id, name, scope }: KeyRow): Caller {
  return { name, id: `key:${id}`, scope }
}

/** By HTTPS the prefix keeps other hosts of the domain from setting a cookie of this name (RFC 6265bis §4.1.3.2). */
function cookieName({ protocol }: FastifyRequest): string {
  return protocol === 'https' ? '__Host-bsd_session' : 'bsd_session'
}

/** The token that the request's cookie carries; undefined without one. */
export function sessionToken(request: FastifyRequest): string | undefined {
  return request.cookies[cookieName(request)]
}

/** Gives the browser the token. The cookie goes only to this server, and only with requests that its own pages send. */
export function setSessionCookie(reply: FastifyReply, token: string): void {
  reply.setCookie(cookieName(reply.request), token, cookieOptions(reply.request))
}

export function clearSessionCookie(reply: FastifyReply): void {
  reply.clearCookie(cookieName(reply.request), cookieOptions(reply.request))
}

function cookieOptions({ protocol }: FastifyRequest) {
  return { path: '/', httpOnly: true, sameSite: 'strict', secure: protocol === 'https' } as const
}

/**
 * Whether a request that may change something was sent by a page of another origin. A browser says so in Sec-Fetch-Site; one that
 * does not send that field sends Origin (Fetch Metadata, and Fetch §3.2). A site may hold several origins, such as other ports
 * of the same host, so the cookie's SameSite alone is not enough.
 */
export function isCrossOrigin({ method, headers, host }: FastifyRequest): boolean {
  if (safeMethods.has(method)) return false
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  return origin === undefined || !URL.canParse(origin) || new URL(origin).host !== host
}

/** The sign-in page that leads to `path` afterwards. */
export function signInPath(path: string): string {
  return `${signInAt}?${new URLSearchParams({ to: path })}`
}

/** The page to show after the sign-in: `asked` if it is a page of the dashboard, else the overview. Never one of another site. */
export function pageAfterSignIn(asked: string | undefined): string {
  const overview = '/dashboard'
  const base = 'http://ours.invalid'
  if (asked === undefined || !URL.canParse(asked, base)) return overview
  const { origin, pathname, search } = new URL(asked, base)
  const isOurs = origin === base && /^\/dashboard(?:\/|$)/.test(pathname)
  return isOurs && !pathname.startsWith(signInAt) ? `${pathname}${search}` : overview
}
