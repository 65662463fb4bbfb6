// Scopes: every route names the scope that it needs, and every request has a caller with a scope.

const scopes = ['public', 'read', 'write', 'collect', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** The sender of a request. The audit shows the name. A name may be used again by a later key; an id never is. */
export interface Caller {
  readonly name: string
  readonly id: string
  readonly scope: Scope
}

/** The caller for everyone who can open the control socket or the database. */
export const operator: Caller = { name: 'cli', id: 'cli', scope: 'admin' }

const included: Readonly<Record<Scope, readonly Scope[]>> = {
  public: ['public'],
  read: ['public', 'read'],
  write: ['public', 'read', 'write'],
  collect: ['public', 'collect'],
  admin: scopes,
}

/** Whether a caller of scope `granted` may use a route that needs scope `needed`. */
export function scopeIncludes(granted: Scope, needed: Scope): boolean {
  return included[granted].includes(needed)
}
