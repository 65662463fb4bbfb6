// Who may do what over HTTP: every route names the scope it needs, and every request has a caller with a scope.

const scopes = ['public', 'read', 'write', 'collect', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** Who sent a request. The audit shows the name; the id stays different when a name is used again. */
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
