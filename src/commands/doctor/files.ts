// Checks who owns files and folders, who else may open them, and whether the server, as its user and inside its unit, can.
import { X509Certificate } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { codeOf, type OperationalError } from '../../errors.ts'
import { schemaVersion } from '../../store/migrate.ts'
import { soundnessFaults } from '../check-config.ts'
import { hiddenPaths, requiredPaths, settings, type Unit, unwritablePaths } from '../unit.ts'
import { accountOf, type Finding, groupName, type Installation, statOf } from './installation.ts'

const ownProgram = resolve(import.meta.dirname, '../../..')

/** Rights of a mode: any for everybody, and changes for the group. */
const tooOpen = 0o027

/** Checks owners and modes, the unit, and settings that are probably not meant. Root sees all of it. */
export function checkOwners(installation: Installation): Finding[] {
  const { config, user, server } = installation
  const { file, store, control } = config
  const database = ['', '-wal', '-shm', '-journal', '.lock', '-zone'].map((end) => store.path + end)
  const foreign = [...database, control.socket].filter((path) => {
    const owner = ownerOf(path)
    return owner !== undefined && owner !== user.uid && user.uid !== 0
  })
  const owners = [...new Set(foreign.map((path) => nameOf(ownerOf(path) ?? 0)))].join(', ')
  const adminKey = join(dirname(store.path), 'admin.key')
  const findings: Finding[] = []
  if (foreign.length > 0) {
    findings.push({
      check: 'database',
      level: 'broken',
      what: `${foreign.join(', ')}: owned by ${owners}, not by ${user.name}`,
      why: `The server runs as ${user.name}, who cannot open what belongs to somebody else.`,
      mend: `chown ${user.name}: ${foreign.join(' ')}`,
    })
  }
  if (server !== undefined && ownerOf(adminKey) !== undefined) {
    findings.push({
      check: 'admin key',
      level: 'note',
      what: `the first admin key still lies in ${adminKey}`,
      why: 'Whoever reads it can change everything.',
      mend: `keep the key in a safe place, then: rm ${adminKey}`,
    })
  }
  const warnings = config.warnings.map(({ path, why }) => ({
    check: 'configuration',
    level: 'warning' as const,
    what: `${path}: ${why}`,
    why: 'The setting reveals a trap, or does not do what it says.',
    mend: path === 'trap' ? `chmod o-r ${file}` : `edit ${file}`,
  }))
  const open = openFiles(config, [...database.slice(0, 2), adminKey])
  return [...findings, ...open, ...warnings, ...checkSandbox(installation)]
}

/** Warnings for secrets that others may read, or that the group may change. */
function openFiles(config: Installation['config'], stored: readonly string[]): Finding[] {
  const { dns, trace, trapSmtp, mailbox } = config
  const keys = dns.key.map(({ secretFile }) => secretFile)
  const named = [dns.cookieSecretFile, ...keys, trace.batvKeyFile, trapSmtp?.keyFile ?? '']
  const passwords = mailbox.map(({ passwordFile }) => passwordFile)
  const secrets = [...stored, ...named, ...passwords].filter((path) => path !== '')
  const open = (path: string, rights: number): boolean => (modeOf(path) & rights) !== 0
  const findings: Finding[] = [...new Set(secrets)]
    .filter((path) => open(path, tooOpen))
    .map((path) => ({
      check: 'secrets',
      level: 'warning',
      what: `${path}: others may read or change it (mode ${modeOf(path).toString(8)})`,
      why: 'It holds secrets: trap addresses, a password or a key.',
      mend: `chmod g-w,o= ${path}`,
    }))
  for (const folder of new Set([config.store.path, config.file].map((path) => dirname(path)))) {
    // With the sticky bit nobody replaces files of others.
    if (!open(folder, 0o002) || isSticky(folder)) continue
    findings.push({
      check: 'secrets',
      level: 'warning',
      what: `${folder}: others may change what lies in it (mode ${modeOf(folder).toString(8)})`,
      why: 'Whoever replaces the database or the configuration decides what the server does.',
      mend: `chmod o-w ${folder}`,
    })
  }
  const { socket } = config.control
  if (open(socket, 0o022) && open(dirname(socket), 0o011)) {
    findings.push({
      check: 'control socket',
      level: 'broken',
      what: `${socket}: others may use it (mode ${modeOf(socket).toString(8)})`,
      why: 'Whoever uses it can change everything.',
      mend: `chmod 600 ${socket}`,
    })
  }
  if (open(config.file, 0o022)) {
    findings.push({
      check: 'configuration',
      level: 'warning',
      what: `${config.file}: others may change it (mode ${modeOf(config.file).toString(8)})`,
      why: 'Whoever changes it decides what the server does.',
      mend: `chmod go-w ${config.file}`,
    })
  }
  return findings
}

/** Checks what the service's user can open. Run it as that user. */
export async function checkAccess(installation: Installation): Promise<Finding[]> {
  const { config, unit, user } = installation
  const { file, store } = config
  const program = programOf(unit)
  const findings: Finding[] = []
  if (!can(file, constants.R_OK)) {
    findings.push({
      check: 'configuration',
      level: 'broken',
      what: `${file}: ${user.name} cannot read it`,
      why: 'The server does not start, or keeps its old settings.',
      mend: `chown root:${user.name} ${file} && chmod 640 ${file}; its folders need the x permission`,
    })
  }
  const unreadable = ['src/main.ts', 'node_modules', 'node_modules/.bin/node', 'data'].filter(
    (each) => !can(join(program, each), constants.R_OK),
  )
  if (unreadable.length > 0) {
    findings.push({
      check: 'program',
      level: 'broken',
      what: `${program}: ${user.name} cannot read ${unreadable.join(', ')} in it`,
      why: 'The server does not start.',
      mend: `chmod -R a+rX ${program}; every folder above it needs the x permission`,
    })
  }
  const needed = constants.R_OK | constants.W_OK
  if (statOf(store.path) && !can(store.path, needed)) {
    findings.push({
      check: 'database',
      level: 'broken',
      what: `${store.path}: ${user.name} cannot read and change it`,
      why: 'The server does not start.',
      mend: `chown ${user.name}: ${store.path} && chmod 600 ${store.path}`,
    })
  }
  findings.push(...checkFormat(store.path), ...checkCertificate(config))
  const faults = await soundnessFaults(config)
  return [...findings, ...faults.map((fault) => ofFault(fault, installation))]
}

/** Looks at the header of the database alone (https://sqlite.org/fileformat.html#the_database_header): to open it would change files. */
function checkFormat(path: string): Finding[] {
  const header = headerOf(path)
  if (header.length === 0) return []
  const broken = { check: 'database', level: 'broken', why: 'The server does not start.' } as const
  if (header.length < headerBytes || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    return [
      {
        ...broken,
        what: `${path}: is not a database`,
        mend: `restore a copy that "backscatterd backup" made, or move the file away to begin with an empty list`,
      },
    ]
  }
  const version = header.readUInt32BE(60)
  if (version <= schemaVersion) return []
  return [
    {
      ...broken,
      what: `${path}: its schema is version ${version}, and this program knows no later than ${schemaVersion}`,
      mend: 'install the version of backscatterd that it was made with, or restore an older copy of it',
    },
  ]
}

const headerBytes = 100

/** Whether the certificate of the SMTP listener is valid now. Whether it can be read is checked with the configuration. */
function checkCertificate({ trapSmtp }: Installation['config']): Finding[] {
  const file = trapSmtp?.certificateFile ?? ''
  if (file === '' || !can(file, constants.R_OK)) return []
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(readFileSync(file))
  } catch {
    return []
  }
  const { validFromDate, validToDate } = certificate
  if (validFromDate.getTime() <= Date.now() && Date.now() < validToDate.getTime()) return []
  return [
    {
      check: 'certificate',
      level: 'warning',
      what: `${file}: valid only from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`,
      why: 'Mail servers that check certificates do not deliver to the traps.',
      mend: 'renew it, then: backscatterd reload',
    },
  ]
}

/** Empty if the file is empty, is not there, or cannot be read. */
function headerOf(path: string): Buffer {
  try {
    const file = openSync(path, 'r')
    try {
      const header = Buffer.alloc(headerBytes)
      return header.subarray(0, readSync(file, header))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (codeOf(error) === '') throw error
    return Buffer.alloc(0)
  }
}

function ofFault({ message, keys }: OperationalError, installation: Installation): Finding {
  const [key = ''] = keys
  const isMailbox = key.startsWith('mailbox')
  return {
    check: isMailbox ? 'mailbox' : 'configuration',
    level: 'broken',
    what: `${message}, as ${installation.user.name}`,
    why: isMailbox ? 'The mailbox is not read.' : 'The server does not start.',
    mend: mendOf(key, installation),
  }
}

/** The command that makes folders for the service's user. */
function making({ user }: Installation, ...folders: readonly string[]): string {
  return `install -d -o ${user.name} -g ${groupName(user.gid)} -m 750 ${folders.join(' ')}`
}

/** The command that makes a Maildir for the service's user. */
function makingMaildir(installation: Installation, path: string): string {
  return making(installation, ...['', 'new', 'cur', 'tmp'].map((each) => join(path, each)))
}

function mendOf(key: string, installation: Installation): string {
  const { config, user } = installation
  const paths: Readonly<Record<string, string>> = {
    'store.path': config.store.path,
    'control.socket': config.control.socket,
  }
  const path = paths[key]
  if (path !== undefined) {
    const folder = dirname(path)
    // A folder that others use too must not be given away.
    return statOf(folder) === undefined
      ? making(installation, folder)
      : `if nothing else lies in it: chown ${user.name}: ${folder}; else name another folder in ${key} of ${config.file}`
  }
  const mailbox = config.mailbox.find((_, index) => key === `mailbox[${index + 1}].path`)
  if (mailbox?.type === 'maildir' && statOf(mailbox.path) === undefined) {
    return makingMaildir(installation, mailbox.path)
  }
  return `edit ${key} in ${config.file}, or let ${user.name} open the file (chown, chmod)`
}

/** What the unit's sandbox forbids. */
function checkSandbox(installation: Installation): Finding[] {
  const { config, unit } = installation
  if (unit === undefined) return []
  const { file, store, mailbox } = config
  const apply = `systemctl daemon-reload && systemctl restart ${unit.name}`
  const edit = `systemctl edit ${unit.name}, add under [Service]:`
  const found = { check: 'sandbox', level: 'broken' } as const
  const files = mailbox.flatMap(({ path, passwordFile, caFile }) => [path, passwordFile, caFile])
  const used = [file, programOf(unit), dirname(store.path), ...files.filter((path) => path !== '')]
  const hidden = hiddenPaths(used, unit)
  // A unit that names a folder that is not there does not start. So a folder has to be made before the unit names it.
  const readOnly = unwritablePaths(config, unit).filter(
    (path) => !hidden.some((each) => each.path === path) && !isMissing(path),
  )
  const isMaildir = (path: string): boolean =>
    mailbox.some((each) => each.type === 'maildir' && resolve(each.path) === resolve(path))
  return [
    ...requiredPaths(unit)
      .filter(isMissing)
      .map((path) => ({
        ...found,
        what: `${path}: is not there, but ReadWritePaths= in ${unit.name} names it`,
        why: 'systemd cannot start the server (status 226/NAMESPACE).',
        mend: `${isMaildir(path) ? makingMaildir(installation, path) : making(installation, path)}; or take it out of the unit`,
      })),
    ...readOnly.map((path) => ({
      ...found,
      what: `${path}: read-only for the server, by ProtectSystem=strict in ${unit.name}`,
      why: 'The server cannot move messages or write its database there.',
      mend: `${edit} ReadWritePaths=${path}; then ${apply}`,
    })),
    ...hidden.map(({ path, setting }) => ({
      ...found,
      what: `${path}: hidden from the server, by ${setting}=${settings(unit, setting).at(-1)} in ${unit.name}`,
      why: 'The server does not see it at all.',
      mend:
        setting === 'ProtectHome'
          ? `move it elsewhere, or ${edit} ProtectHome=read-only and, for a Maildir, ReadWritePaths=${path}; then ${apply}`
          : `move it elsewhere, and edit ${file}`,
    })),
  ]
}

/** The folder of the program that the unit runs; without a unit, of this program. */
function programOf(unit: Unit | undefined): string {
  const end = '/src/main.ts'
  const main = unit?.text.split(/\s+/).find((word) => word.startsWith('/') && word.endsWith(end))
  return main?.slice(0, -end.length) ?? ownProgram
}

function can(path: string, rights: number): boolean {
  try {
    accessSync(path, rights)
    return true
  } catch (error) {
    if (codeOf(error) === '') throw error
    return false
  }
}

/** Whether there is certainly no such file. */
function isMissing(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

function modeOf(path: string): number {
  return (statOf(path)?.mode ?? 0) & 0o777
}

function isSticky(path: string): boolean {
  return ((statOf(path)?.mode ?? 0) & 0o1000) !== 0
}

function ownerOf(path: string): number | undefined {
  return statOf(path)?.uid
}

function nameOf(uid: number): string {
  return accountOf(String(uid))?.name ?? String(uid)
}
