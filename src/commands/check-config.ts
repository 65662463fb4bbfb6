// `check-config`, and checks that go beyond single keys: whether records can be encoded, schedules understood, and the named
// files read. Needs no database and no server.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Config, type ConfigSource, loadConfig } from '../config/load.ts'
import { codeOf, fileFault, OperationalError, wrongKey, wrongKeys } from '../errors.ts'
import { isOnServer, mailServer } from '../traps/mail-server.ts'
import { exitCodes } from './command.ts'
import {
  checkedMessageIdFile,
  readBatvKey,
  readCookieSecrets,
  readTsigKeys,
  zoneOptions,
} from './options.ts'
import { findUnit, unwritablePaths } from './unit.ts'

const seenByDoctor =
  'what the service’s user may open, ports, disk, clock, the mailboxes’ messages and log-ins, delegation and MX records'

/** Prints `FILE: ok` on standard output and each warning on standard error. Throws OperationalError `config-invalid`. */
export async function checkConfig(source: ConfigSource): Promise<number> {
  const config = loadConfig(source)
  await requireSound(config)
  for (const { path, why } of config.warnings) console.error(`${config.file}: ${path}: ${why}`)
  const unit = findUnit(config.file)
  for (const path of unwritablePaths(config, unit)) {
    console.error(`${config.file}: ${unit?.name} lacks this line: ReadWritePaths=${path}`)
  }
  console.log(`${config.file}: ok`)
  console.log(`Not checked here: ${seenByDoctor}. “backscatterd doctor” checks these.`)
  return exitCodes.done
}

/** Checks all keys that would stop `serve`. Throws one OperationalError `config-invalid` that names each wrong key. */
export async function requireServable(config: Config): Promise<void> {
  refuse(config, await servingFaults(config))
}

/** Like `requireServable`, but also checks what `serve` starts without: see `soundnessFaults`. */
export async function requireSound(config: Config): Promise<void> {
  refuse(config, await soundnessFaults(config))
}

/** An error for each wrong key. Also checks the files and folders of mailboxes, and that this user may write to the folders. */
export async function soundnessFaults(config: Config): Promise<OperationalError[]> {
  const faults = await servingFaults(config)
  const found = [...folderFaults(config), ...credentialFaults(config), ...pathFaults(config)]
  return [
    ...faults,
    ...found.filter(({ keys }) => !faults.some((each) => each.keys[0] === keys[0])),
  ]
}

function refuse({ file }: Config, faults: readonly OperationalError[]): void {
  if (faults.length > 0) throw wrongKeys(faults, file)
}

/** Loads the code that only these checks need. */
export function loadChecks() {
  return Promise.all([
    import('../resolver/records.ts'),
    import('../schedule.ts'),
    import('../traps/certificate.ts'),
  ])
}

async function servingFaults(config: Config): Promise<OperationalError[]> {
  const { store, control, mailbox, trapSmtp } = config
  const [{ encodeZone }, { isSchedule }, { readCertificate }] = await loadChecks()
  const faults: OperationalError[] = []
  /** Runs one check and collects its error. `key` names the wrong key if the error does not name it. */
  const check = async (run: () => unknown, key?: string): Promise<void> => {
    try {
      await run()
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error
      faults.push(key === undefined ? error : wrongKey(key, error))
    }
  }
  await check(() => encodeZone(zoneOptions(config)), 'zone')
  await check(() => readCookieSecrets(config))
  await check(() => readTsigKeys(config))
  await check(() => requireFolder('store.path', store.path))
  if (dirname(control.socket) !== dirname(store.path)) {
    await check(() => requireFolder('control.socket', control.socket))
  }
  await check(() => readBatvKey(config))
  await check(() => checkedMessageIdFile(config))
  await check(() => readCertificate(trapSmtp ?? {}))
  for (const [index, { name, type, url, schedule }] of mailbox.entries()) {
    const key = `mailbox[${index + 1}]`
    if (!isSchedule(schedule)) {
      const why = `not a cron expression: ${JSON.stringify(schedule)}`
      faults.push(wrongKey(`${key}.schedule`, why))
    }
    if (isOnServer(type)) {
      await check(() => mailServer(type, { name, url }), `${key}.url`)
    }
  }
  return faults
}

/** Errors for files of mailboxes that cannot be read. They give only the system's error code: a path may reveal a trap. */
function credentialFaults({ mailbox }: Config): OperationalError[] {
  const faults: OperationalError[] = []
  for (const [index, { type, ...files }] of mailbox.entries()) {
    for (const key of ['passwordFile', 'caFile'] as const) {
      if (!isOnServer(type) || files[key] === '') continue
      const code = failureOf(() => readFileSync(files[key]))
      if (code === '') continue
      const why = `the file cannot be read: ${fileFault(code)}`
      faults.push(wrongKey(`mailbox[${index + 1}].${key}`, why))
    }
  }
  return faults
}

/** Errors for folders that this user may not write to. */
function folderFaults({ store, control }: Config): OperationalError[] {
  const folders = [
    ['store.path', dirname(store.path)],
    ['control.socket', dirname(control.socket)],
  ] as const
  const [first, second] = folders
  return (first[1] === second[1] ? [first] : folders).flatMap(([key, folder]) => {
    const code = failureOf(() => accessSync(folder, constants.W_OK | constants.X_OK))
    return code === ''
      ? []
      : [wrongKey(key, `this user cannot write to the folder ${folder} (${code})`)]
  })
}

/** Errors for mailboxes on this machine that are not there or cannot be opened. A path may reveal a trap, so none is shown. */
function pathFaults({ mailbox }: Config): OperationalError[] {
  return mailbox.flatMap(({ type, path }, index) => {
    const key = `mailbox[${index + 1}].path`
    if (type === 'mbox') {
      const code = failureOf(() => accessSync(path, constants.R_OK))
      return code === '' ? [] : [wrongKey(key, `the file cannot be read (${code})`)]
    }
    if (type !== 'maildir') return []
    const code = failureOf(() => accessSync(join(path, 'new'), constants.R_OK | constants.X_OK))
    return code === '' ? [] : [wrongKey(key, `its folder new cannot be read (${code})`)]
  })
}

/** The system's error code; '' if there is no error. */
function failureOf(run: () => unknown): string {
  try {
    run()
    return ''
  } catch (error) {
    return codeOf(error)
  }
}

function requireFolder(key: string, path: string): void {
  const folder = dirname(path)
  if (existsSync(folder) && statSync(folder).isDirectory()) return
  throw wrongKey(key, `there is no folder ${folder}`)
}
