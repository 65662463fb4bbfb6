// What `doctor` knows of an installation before it checks anything: the configuration, its systemd unit, the user whom the
// server runs as, and the running server, if there is one. Also the form of what it finds.
import { execFileSync } from 'node:child_process'
import { readFileSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ServerStatus } from '../../admin/schemas/server.ts'
import type { Config } from '../../config/load.ts'
import { codeOf, messageOf, OperationalError } from '../../errors.ts'
import { type Client, expectDone, serverClient } from '../client.ts'
import { askMirror } from '../mirror-status.ts'
import { findUnit, settings, type Unit, words } from '../unit.ts'

/** `broken`: something does not work. `warning`: it works, but not as it should. `note`: good to know. */
export const levels = ['broken', 'warning', 'note'] as const

export interface Finding {
  /** What was checked, in one or two words. */
  readonly check: string
  readonly level: (typeof levels)[number]
  readonly what: string
  readonly why: string
  /** The command or the edit that mends it. */
  readonly mend: string
}

export interface ServiceUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Further groups that the unit gives it. */
  readonly groups: readonly number[]
}

export interface RunningServer {
  readonly client: Client
  readonly status: ServerStatus
}

export interface Installation {
  readonly config: Config
  readonly unit: Unit | undefined
  /** Whom the server runs as: the unit's `User=`, else the owner of the database's folder. */
  readonly user: ServiceUser
  /** This process is, or can become, that user. */
  readonly seesAsServer: boolean
  /** Undefined if none runs, or if it does not answer this process. */
  readonly server: RunningServer | undefined
  /** A server runs that is not asked: it does not answer, this process may not ask it, or it is a mirror, which only answers DNS. */
  readonly isServerSilent: boolean
  /** The process that has the database open, or had it when it was killed. Undefined if it is not known. */
  readonly serverPid: number | undefined
}

/** How long the server may take to answer. */
const answerMs = 5000

/** Finds out about the installation. `findings` has what went wrong meanwhile. */
export async function examine(
  config: Config,
): Promise<{ installation: Installation; findings: Finding[] }> {
  const findings: Finding[] = []
  const unit = findUnit(config.file)
  const user = serviceUser(config, unit, findings)
  const { server, isServerSilent } = await findServer(config, unit, findings)
  const me = process.geteuid?.()
  const seesAsServer = me === 0 || me === user.uid
  if (!seesAsServer) {
    findings.push({
      check: 'user',
      level: 'note',
      what: `the server runs as ${user.name}, and this is another user`,
      why: 'Whether the server can open its files and mailboxes was not checked.',
      mend: 'run it as root: sudo backscatterd doctor',
    })
  }
  const known = { config, unit, user, seesAsServer, server, isServerSilent }
  return { installation: { ...known, serverPid: pidOf(config) }, findings }
}

function serviceUser(config: Config, unit: Unit | undefined, findings: Finding[]): ServiceUser {
  const named = unit && (settings(unit, 'User').at(-1) ?? 'root')
  if (unit === undefined || named === undefined) return ownerOfStore(config)
  const found = accountOf(named)
  if (found !== undefined) {
    const group = settings(unit, 'Group').at(-1)
    const groups = words(unit, 'SupplementaryGroups').flatMap((each) => groupOf(each) ?? [])
    return { ...found, gid: (group && groupOf(group)) || found.gid, groups }
  }
  findings.push({
    check: 'user',
    level: 'broken',
    what: `there is no user ${named}, but ${unit.name} names it`,
    why: 'systemd cannot start the server.',
    mend: `useradd --system --home-dir ${dirname(config.store.path)} ${named}`,
  })
  return ownerOfStore(config)
}

function ownerOfStore({ store }: Config): ServiceUser {
  const found = statOf(dirname(store.path))
  const uid = found?.uid ?? process.geteuid?.() ?? 0
  const gid = found?.gid ?? process.getegid?.() ?? 0
  return { ...(accountOf(String(uid)) ?? { name: String(uid), uid, groups: [] }), gid }
}

/** Undefined if there is no such file, or this process may not look. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** Asks the system's user database. `user`: a name or a number. */
export function accountOf(user: string): ServiceUser | undefined {
  const [name = '', , uid, gid] = entryOf('passwd', user)
  return uid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid), groups: [] }
}

function groupOf(group: string): number | undefined {
  const [, , gid] = entryOf('group', group)
  return gid === undefined ? undefined : Number(gid)
}

/** The group's name, or its number if the system does not know it. */
export function groupName(gid: number): string {
  const [name = ''] = entryOf('group', String(gid))
  return name || String(gid)
}

/** The fields of an entry; none if there is no such entry. */
function entryOf(database: 'passwd' | 'group', key: string): string[] {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    const text = execFileSync('getent', [database, key], { encoding: 'utf8', stdio: [...stdio] })
    return text.trim().split(':')
  } catch {
    return []
  }
}

async function findServer(
  config: Config,
  unit: Unit | undefined,
  findings: Finding[],
): Promise<Pick<Installation, 'server' | 'isServerSilent'>> {
  const start = unit === undefined ? 'backscatterd serve' : `systemctl start ${unit.name}`
  if (config.zone.primary !== '') {
    const isRunning = (await askMirror(config)) !== undefined
    if (!isRunning) findings.push(notRunning(unit, start))
    return { server: undefined, isServerSilent: isRunning }
  }
  try {
    const client = await serverClient(config, answerMs)
    if (client !== undefined) {
      const status = expectDone<ServerStatus>(await client.request('GET', '/v1/stats'))
      return { server: { client, status }, isServerSilent: false }
    }
    findings.push(notRunning(unit, start))
    return { server: undefined, isServerSilent: false }
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error
    const isDenied = codeOf(error.cause) === 'EACCES'
    findings.push({
      check: 'server',
      level: isDenied ? 'note' : 'broken',
      what: messageOf(error),
      why: isDenied
        ? 'Only root and the user of the server may ask it.'
        : 'The server does not answer, so no command can reach it.',
      mend: isDenied
        ? 'run it as root: sudo backscatterd doctor'
        : start.replace('start', 'restart'),
    })
    return { server: undefined, isServerSilent: true }
  }
}

/** A server that systemd was told to run, and that does not run, is a fault. Before the first start it is none. */
function notRunning(unit: Unit | undefined, start: string): Finding {
  const { ActiveState, Result, ExecMainStatus, UnitFileState } = unitState(unit)
  const hasFailed = Result !== undefined && Result !== 'success'
  const what = 'no server is running'
  if (hasFailed) {
    return {
      check: 'server',
      level: 'broken',
      what: `${what}: ${unit?.name} has failed (${Result}, status ${ExecMainStatus})`,
      why: 'DNS does not answer about the list, and no mail is taken.',
      mend: `see why: journalctl -n 20 -u ${unit?.name}; fix that, then: ${start}`,
    }
  }
  const isWanted = UnitFileState === 'enabled' || ActiveState === 'activating'
  return {
    check: 'server',
    level: isWanted ? 'broken' : 'note',
    what,
    why: isWanted
      ? 'DNS does not answer about the list, and no mail is taken.'
      : 'What only a running server knows was not checked.',
    mend: start,
  }
}

/** What systemd says of the unit; nothing if it does not run, or does not know the unit. */
function unitState(unit: Unit | undefined): Partial<Record<string, string>> {
  if (unit === undefined) return {}
  const properties = 'LoadState,ActiveState,Result,ExecMainStatus,UnitFileState'
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    const text = execFileSync('systemctl', ['show', `--property=${properties}`, unit.name], {
      encoding: 'utf8',
      stdio: [...stdio],
    })
    const state = Object.fromEntries(text.split('\n').map((line) => line.split('=')))
    return state.LoadState === 'loaded' ? state : {}
  } catch {
    return {}
  }
}

/** The process that has the database open, as it wrote itself. */
function pidOf({ store }: Config): number | undefined {
  try {
    return Number(readFileSync(`${store.path}-pid`, 'utf8')) || undefined
  } catch {
    return undefined
  }
}

/** If this process is root, makes it the service's user for good. Whatever is checked from now on, it sees as the server does. */
export function becomeServiceUser({ name, uid, gid, groups }: ServiceUser): void {
  if (process.geteuid?.() !== 0 || uid === 0) return
  process.setgroups?.([...groupsOf(name), gid, ...groups])
  process.setgid?.(gid)
  process.setuid?.(uid)
}

/** All groups of a user; none if the system does not know the user. */
function groupsOf(name: string): number[] {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    return execFileSync('id', ['-G', name], { encoding: 'utf8', stdio: [...stdio] })
      .trim()
      .split(' ')
      .map(Number)
  } catch {
    return []
  }
}
