// Where an installation lies: the files and folders to make, with their modes, owners and contents. On the system itself, or all
// in one folder. Reads only the program's own data folder, and writes nothing.
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { formatConfiguration } from './configuration.ts'
import type { Plan } from './plan.ts'

/** The folder that holds src, data and node_modules. */
export const programFolder = resolve(import.meta.dirname, '../../..')

/** The user of a system installation, and the folder of its database. */
export const serviceUser = 'backscatterd'
export const serviceHome = '/var/lib/backscatterd'

/** `root`: all of it is root's. `service`: all of it is the server's. `shared`: root's, with the server's group. */
export type Ownership = 'root' | 'service' | 'shared'

/** A file to make or, without `content`, a folder. A folder that is there already is left as it is. */
export interface Piece {
  readonly path: string
  readonly mode: number
  readonly ownership: Ownership
  readonly content?: Content
}

/** The configuration depends on the plan; the other texts do not. */
type Content = (plan: Plan) => string

export interface Layout {
  /** The folder of an installation in one folder; undefined for one on the system itself. */
  readonly folder?: string
  /** Name of the user that runs the server. */
  readonly user: string
  readonly configFile: string
  readonly pieces: readonly Piece[]
}

const unitName = 'backscatterd.service'
const manual = 'backscatterd.8'
/** The paths in the unit and the starter that data/ holds. */
const shipped = {
  program: '/opt/backscatterd',
  configFile: '/etc/backscatterd/backscatterd.toml',
} as const

/** An installation for systemd: configuration, database folder, program, man page and unit. */
export function systemLayout(): Layout {
  const { configFile } = shipped
  const [units, manuals] = ['/etc/systemd/system', '/usr/local/share/man/man8']
  const configuration: Content = (plan) => formatConfiguration(plan, `${serviceHome}/list.db`)
  const starter: Content = () =>
    shippedText('backscatterd.sh').replaceAll(shipped.program, programFolder)
  return {
    user: serviceUser,
    configFile,
    pieces: [
      piece(dirname(configFile), 0o750, 'shared'),
      piece(configFile, 0o640, 'shared', configuration),
      piece(serviceHome, 0o750, 'service'),
      piece('/usr/local/bin/backscatterd', 0o755, 'root', starter),
      piece(manuals, 0o755, 'root'),
      piece(join(manuals, manual), 0o644, 'root', () => shippedText(manual)),
      piece(units, 0o755, 'root'),
      piece(join(units, unitName), 0o644, 'root', systemUnit),
    ],
  }
}

/** An installation in one folder, to look at or to try. `user`: name of the folder's owner. */
export function folderLayout(folder: string, user: string): Layout {
  const configFile = join(folder, 'backscatterd.toml')
  const data = join(folder, 'data')
  const configuration: Content = (plan) => formatConfiguration(plan, 'data/list.db')
  const unit: Content = () => folderUnit(configFile, data, user)
  return {
    folder,
    user,
    configFile,
    pieces: [
      piece(folder, 0o750, 'service'),
      piece(configFile, 0o640, 'service', configuration),
      piece(data, 0o750, 'service'),
      piece(join(folder, unitName), 0o644, 'service', unit),
    ],
  }
}

function piece(path: string, mode: number, ownership: Ownership, content?: Content): Piece {
  return { path, mode, ownership, ...(content !== undefined && { content }) }
}

function systemUnit(): string {
  return showHome(shippedText(unitName).replaceAll(shipped.program, programFolder), [programFolder])
}

function folderUnit(configFile: string, data: string, user: string): string {
  const unit = shippedText(unitName)
    .replaceAll(shipped.program, programFolder)
    .replaceAll(shipped.configFile, configFile)
    .replace(/^User=.*$/m, `User=${user}`)
    .replace(/^StateDirectory=.*\nStateDirectoryMode=.*$/m, `ReadWritePaths=${data}`)
  return showHome(unit, [programFolder, configFile])
}

/** The unit hides home folders. What lies in one has to be seen, so they are only made read-only (systemd.exec(5)). */
function showHome(unit: string, paths: readonly string[]): string {
  const isInHome = paths.some((path) => /^\/(home|root|run\/user)\//.test(path))
  return isInHome ? unit.replace(/^ProtectHome=yes$/m, 'ProtectHome=read-only') : unit
}

function shippedText(name: string): string {
  return readFileSync(join(programFolder, 'data', name), 'utf8')
}
