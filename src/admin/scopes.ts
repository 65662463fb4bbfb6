// Who may do what over HTTP. Every route names the scope it needs; the transport says who calls: whoever can open the
// control socket or the database is the operator, and may do everything.
import type {} from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs; `public` asks nothing. Every route says it. */
    scope?: Scope
    /** The media type of the body, where it is not JSON. */
    takes?: string
    /** Others that are taken as well. */
    takesToo?: readonly string[]
    /** Whether it is for a browser to show: all security headers, not those of data alone. */
    isPage?: boolean
    /** Whether a supervisor asks it, who must get an answer: no limit of requests, and no key is looked at. */
    isProbe?: boolean
  }
  interface FastifyRequest {
    /** Set before anything else looks at the request. */
    caller: Caller
  }
}

export const scopes = ['public', 'read', 'write', 'collect', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** Who sent a request: the name stands in the audit, the id tells callers apart that had one name after the other. */
export interface Caller {
  readonly name: string
  readonly id: string
  readonly scope: Scope
}

/** Whoever can open the control socket or the database. */
export const operator: Caller = { name: 'cli', id: 'cli', scope: 'admin' }

const included: Readonly<Record<Scope, readonly Scope[]>> = {
  public: ['public'],
  read: ['public', 'read'],
  write: ['public', 'read', 'write'],
  collect: ['public', 'collect'],
  admin: scopes,
}

/** Whether a caller with `granted` may use what needs `needed`. */
export function scopeIncludes(granted: Scope, needed: Scope): boolean {
  return included[granted].includes(needed)
}
