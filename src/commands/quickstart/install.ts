// Makes the files and folders of a layout, all or none, and never overwrites one. Makes the server's user where it is missing.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { codeOf, messageOf, OperationalError } from '../../errors.ts'
import { type Layout, type Piece, serviceHome, serviceUser } from './layout.ts'
import type { Plan } from './plan.ts'

interface Owner {
  readonly uid: number
  readonly gid: number
}

export const isRoot = process.getuid?.() === 0

/** The files of the layout that are there already. */
function existingFiles({ pieces }: Layout): string[] {
  return pieces
    .filter(({ content }) => content !== undefined)
    .map(({ path }) => path)
    .filter(isThere)
}

/** Throws if a file is there already, before anything is changed. */
export function refuseExisting(layout: Layout): void {
  const existing = existingFiles(layout)
  if (existing.length > 0)
    throw refusal(
      `${existing.join(', ')}: exists, and quickstart never overwrites a file; edit it, and see with --dry-run what a new one would hold`,
    )
}

/** Makes what the layout says and returns what was made. If something fails, it removes that again, but not the user. */
export function install({ folder, pieces }: Layout, plan: Plan): Piece[] {
  const service = folder === undefined ? addServiceUser() : ownerOf(folder)
  const made: Piece[] = []
  for (const piece of pieces) {
    try {
      if (make(piece, service, plan)) made.push(piece)
    } catch (error) {
      for (const { path, content } of made.toReversed()) {
        if (content === undefined) rmdirSync(path)
        else unlinkSync(path)
      }
      throw refusal(`${piece.path}: ${messageOf(error)}`, error)
    }
  }
  return made
}

/** Returns false for a folder that was there. */
function make({ path, mode, ownership, content }: Piece, { uid, gid }: Owner, plan: Plan): boolean {
  if (content === undefined) {
    if (isThere(path)) return false
    mkdirSync(path)
  } else {
    // With `wx` the file is not overwritten even if it was made a moment ago.
    writeFileSync(path, content(plan), { flag: 'wx', mode: 0o600 })
  }
  if (isRoot) {
    chownSync(path, ownership === 'service' ? uid : 0, ownership === 'root' ? 0 : gid)
  }
  chmodSync(path, mode)
  return true
}

/** Who owns what is made in a folder: for root the folder's owner, else whoever runs this. */
function ownerOf(folder: string): Owner {
  const found = isRoot ? statSync(folder, { throwIfNoEntry: false }) : undefined
  return found ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
}

/** The name of that owner, or the number if the system knows no name. */
export function ownerName(folder: string): string {
  const uid = String(ownerOf(folder).uid)
  return run('id', '-un', uid) ?? uid
}

export function hasServiceUser(): boolean {
  return run('id', '-u', serviceUser) !== undefined
}

/** Makes the server's user and group where they are missing. */
function addServiceUser(): Owner {
  if (!hasServiceUser()) {
    try {
      execFileSync('useradd', useraddArguments, { stdio: ['ignore', 'ignore', 'pipe'] })
    } catch (error) {
      throw refusal(`useradd ${useraddArguments.join(' ')}: ${messageOf(error)}`, error)
    }
  }
  return { uid: Number(run('id', '-u', serviceUser)), gid: Number(run('id', '-g', serviceUser)) }
}

export const useraddArguments = [
  ...['--system', '--user-group', '--home-dir', serviceHome, '--no-create-home'],
  ...['--shell', '/usr/sbin/nologin', serviceUser],
]

/** Throws if the folder can be neither used nor made. */
export function requireFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found?.isDirectory() === false) throw refusal(`${folder} is a file: name a folder`)
  const above = dirname(folder)
  if (found === undefined && statSync(above, { throwIfNoEntry: false }) === undefined) {
    throw refusal(`${above} does not exist: make it first (mkdir -p ${above})`)
  }
}

/**
 * Throws if the server's user, who has no rights of its own there, may not read the folder, or if a unit cannot name it: then
 * no server could start.
 */
export function requireReadable(folder: string): void {
  for (let path = folder; path !== '/'; path = dirname(path)) {
    const needed = path === folder ? 0o005 : 0o001
    if ((statSync(path).mode & needed) !== needed) {
      const cause = `the server’s user may not enter ${path}`
      throw refusal(`the program lies in ${folder}, but ${cause}: move it to /opt/backscatterd`)
    }
  }
  if (/^\/(var\/)?tmp\//.test(folder)) {
    throw refusal(
      `the program lies in ${folder}, which systemd hides from the server: move it to /opt/backscatterd`,
    )
  }
}

/** Throws if a path has characters that mean something else in a unit or in a shell. */
export function requirePlainPath(path: string): void {
  if (/^[\w/.,@+-]+$/.test(path)) return
  throw refusal(
    `${path}: choose a path of letters, digits and / . _ - only; other characters have a meaning in a unit`,
  )
}

function run(program: string, ...words: readonly string[]): string | undefined {
  try {
    return execFileSync(program, words, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    // A folder that we may not search may hold the file.
    return codeOf(error) === 'EACCES'
  }
}

export function refusal(message: string, cause?: unknown): OperationalError {
  return new OperationalError('installation-refused', message, { cause })
}
