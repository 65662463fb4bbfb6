// What only scope admin sees: /dashboard/evidence, /dashboard/traps, /dashboard/keys and /dashboard/audit.
import { backscatterKinds } from '../../classify/kinds.ts'
import type { KeyRing } from '../key-ring.ts'
import type { App, AppOptions } from '../options.ts'
import { auditBody } from '../routes/audit.ts'
import { evidenceBody } from '../routes/evidence.ts'
import { keysBody } from '../routes/keys.ts'
import { trapsBody } from '../routes/traps.ts'
import { PageQuery } from '../schemas/basics.ts'
import { AuditQuery, type Change, type Key } from '../schemas/server.ts'
import { EvidenceQuery, type StoredEvidence, type Trap } from '../schemas/traps.ts'
import { dashboardPages } from './dashboard.ts'
import { listingsPath } from './listing-tables.ts'
import { addTablePage, type DashboardOptions, type Viewer } from './table-pages.ts'
import {
  choice,
  codeCell,
  type Dialog,
  linesOf,
  linkTo,
  type Row,
  textCell,
  textField,
  timeCell,
  timeField,
} from './table-view.ts'

interface OperatorOptions extends DashboardOptions, Pick<AppOptions, 'store'> {
  readonly keys: KeyRing
}

export function operatorTables(app: App, options: OperatorOptions): void {
  addEvidence(app, options)
  addTraps(app, options)
  addKeys(app, options)
  addAudit(app, options)
}

function addEvidence(app: App, options: OperatorOptions): void {
  addTablePage(app, options, {
    section: 'evidence',
    intro:
      'The messages that reached traps, the newest first. Times are those at which a message was seen.',
    query: EvidenceQuery,
    filters: ({ address, kind, trap, from, to }) => [
      textField('address', 'From', address),
      choice('kind', 'Kind', backscatterKinds, kind),
      textField('trap', 'Trap', trap),
      timeField('from', 'Seen from (UTC)', from),
      timeField('to', 'Seen before (UTC)', to),
    ],
    read: (query) => evidenceBody(options.store, query),
    columns: () => [
      { title: 'Seen (UTC)' },
      { title: 'From' },
      { title: 'Kind' },
      { title: 'Trap' },
      { title: 'Decision' },
      { title: 'Why', isProse: true },
      { title: 'Message' },
    ],
    rowOf: evidenceRow,
    empty: (isFiltered) =>
      isFiltered
        ? 'No message matches the filter.'
        : 'No message has reached a trap yet. See that a trap is set, and that its mail comes in: the overview shows the mailboxes.',
    actions: () => [],
    dialogs: () => [],
  })
}

function evidenceRow(evidence: StoredEvidence, { now }: Viewer): Row {
  const { seenAt, client, kind, certainty, trap, decision, why, rule, source, details } = evidence
  const from = client === null ? undefined : linkTo(listingsPath, { prefix: client })
  return {
    cells: [
      timeCell(seenAt, now),
      codeCell(client ?? 'unknown', from),
      { text: kind ?? 'none', ...(certainty !== null && { note: certainty }) },
      codeCell(trap),
      textCell(decision),
      textCell(why),
      { text: rule, more: linesOf({ source, ...details }) },
    ],
    actions: [],
  }
}

function addTraps(app: App, options: OperatorOptions): void {
  addTablePage(app, options, {
    section: 'traps',
    intro: 'Addresses that nobody may write to. Keep them secret.',
    query: PageQuery,
    filters: () => [],
    read: (query) => trapsBody(options.store, query),
    columns: () => [{ title: 'Pattern' }, { title: 'Added by' }, { title: 'Since (UTC)' }],
    rowOf: trapRow,
    empty: () => 'There is no trap, so no mail lists anybody. Add an address that never sent mail.',
    actions: () => [{ label: 'Add a trap', dialog: 'add' }],
    dialogs: () => trapDialogs,
  })
}

const trapDialogs: readonly Dialog[] = [
  {
    id: 'add',
    title: 'Add a trap',
    text: 'Mail to it counts from now on.',
    method: 'POST',
    url: '/v1/traps',
    fields: [
      {
        ...{ name: 'pattern', label: 'Pattern', control: 'text', isRequired: true, maxLength: 512 },
        hint: 'One address, a whole domain (@example.org) or its subdomains (@*.example.org).',
      },
    ],
    submit: 'Add',
    done: 'The trap is set.',
  },
  {
    id: 'remove',
    title: 'Remove',
    text: 'Mail to it does not count any more. Evidence that it received stays, and still counts; a purge takes it back.',
    method: 'DELETE',
    fields: [],
    submit: 'Remove',
    isDanger: true,
    done: '{subject} is no trap any more.',
  },
]

function trapRow({ id, pattern: subject, source, createdAt }: Trap, { now }: Viewer): Row {
  const remove = { label: 'Remove', dialog: 'remove', url: `/v1/traps/${id}`, subject }
  return {
    cells: [
      codeCell(subject, linkTo(dashboardPages.evidence.url, { trap: subject })),
      textCell(source === 'config' ? 'configuration' : 'hand'),
      timeCell(createdAt, now),
    ],
    actions: source === 'manual' ? [remove] : [],
  }
}

function addKeys(app: App, options: OperatorOptions): void {
  addTablePage(app, options, {
    section: 'keys',
    intro: 'The keys of people and programs. Their secrets are kept nowhere.',
    query: PageQuery,
    filters: () => [],
    read: (query) => keysBody(options.keys, query),
    columns: () => [
      { title: 'Name' },
      { title: 'Scope' },
      { title: 'State' },
      { title: 'Made (UTC)' },
      { title: 'Last used (UTC)' },
      { title: 'Expires (UTC)' },
    ],
    rowOf: keyRow,
    empty: () => 'There is no key.',
    actions: () => [{ label: 'Make a key', dialog: 'add' }],
    dialogs: () => keyDialogs,
  })
}

const keyDialogs: readonly Dialog[] = [
  {
    id: 'add',
    title: 'Make a key',
    text: 'The secret is shown once, here. Give each person and each program a key of its own.',
    method: 'POST',
    url: '/v1/keys',
    fields: [
      {
        ...{ name: 'name', label: 'Name', control: 'text', isRequired: true, maxLength: 64 },
        hint: 'The audit shows it.',
      },
      {
        ...{ name: 'scope', label: 'Scope', control: 'select' },
        options: ['read', 'write', 'collect', 'admin'].map((value) => ({ value, text: value })),
      },
      {
        ...{ name: 'duration', label: 'Expires after', control: 'text', maxLength: 32 },
        hint: 'Such as 90d. Without it, the key never expires.',
      },
    ],
    submit: 'Make',
    done: 'Keep this secret now. It cannot be shown again.',
    shows: 'key',
  },
  {
    id: 'revoke',
    title: 'Revoke',
    text: 'The key stops working at once, and who is signed in with it is signed out.',
    method: 'DELETE',
    fields: [],
    submit: 'Revoke',
    isDanger: true,
    done: 'Key {subject} is revoked.',
  },
]

function keyRow(key: Key, { now }: Viewer): Row {
  const { id, name: subject, scope, createdAt, lastUsedAt, expiresAt, revokedAt } = key
  const isExpired = expiresAt !== null && Date.parse(expiresAt) <= now * 1000
  const revoke = { label: 'Revoke', dialog: 'revoke', url: `/v1/keys/${id}`, subject }
  return {
    cells: [
      textCell(subject),
      textCell(scope),
      revokedAt !== null
        ? { text: 'revoked', badge: 'bad' }
        : isExpired
          ? { text: 'expired', badge: 'none' }
          : { text: 'valid', badge: 'good' },
      timeCell(createdAt, now),
      timeCell(lastUsedAt, now, 'never'),
      timeCell(expiresAt, now, 'never'),
    ],
    actions: revokedAt === null ? [revoke] : [],
  }
}

function addAudit(app: App, options: OperatorOptions): void {
  addTablePage(app, options, {
    section: 'audit',
    intro: 'Who changed what, the newest first.',
    query: AuditQuery,
    filters: ({ actor, action, target }) => [
      textField('actor', 'Who', actor),
      textField('action', 'Action', action),
      textField('target', 'Target', target),
    ],
    read: (query) => auditBody(options.store, query),
    columns: () => [
      { title: 'When (UTC)' },
      { title: 'Who' },
      { title: 'Action' },
      { title: 'Target' },
      { title: 'What changed' },
    ],
    rowOf: changeRow,
    empty: (isFiltered) =>
      isFiltered
        ? 'No change matches the filter. Write who, action and target exactly as the table shows them.'
        : 'Nothing was changed yet.',
    actions: () => [],
    dialogs: () => [],
  })
}

function changeRow({ at, actor, action, target, before, after }: Change, { now }: Viewer): Row {
  const more = changedMembers(before, after)
  return {
    cells: [
      timeCell(at, now),
      textCell(actor),
      textCell(action),
      codeCell(target),
      { text: '', ...(more.length > 0 && { more }) },
    ],
    actions: [],
  }
}

/** The members that a change has changed, each as it was and as it is. Of what is new, or gone: all members. */
function changedMembers(before: unknown, after: unknown): { name: string; value: string }[] {
  const was = membersOf(before)
  const is = membersOf(after)
  const names = [...was.keys().filter((name) => !is.has(name)), ...is.keys()]
  return names.flatMap((name) => {
    const [from = 'nothing', to = 'nothing'] = [was.get(name), is.get(name)]
    if (from === to) return []
    return [{ name, value: before === null ? to : `${from} → ${to}` }]
  })
}

/** The members of a state, as text. */
function membersOf(state: unknown): Map<string, string> {
  return new Map(
    Object.entries(state ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
}
