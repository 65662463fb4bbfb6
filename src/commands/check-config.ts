// `check-config`, and checks that go beyond single keys: whether records can be encoded, schedules understood, and the named
// files read. Needs no database and no server.
import { globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { type Config, type ConfigSource, loadConfig } from '../config/load.ts'
import { OperationalError, wrongKey, wrongKeys } from '../errors.ts'
import { isOnServer, mailServer } from '../traps/mail-server.ts'
import { exitCodes } from './command.ts'
import { checkedMessageIdFile, readBatvKey, readCookieSecrets, zoneOptions } from './options.ts'

/** Prints `FILE: ok` on standard output and each warning on standard error. Throws OperationalError `config-invalid`. */
export async function checkConfig(source: ConfigSource): Promise<number> {
  const config = loadConfig(source)
  await requireSound(config)
  for (const { path, why } of config.warnings) console.error(`${config.file}: ${path}: ${why}`)
  for (const path of unwritablePaths(config)) {
    console.error(`${config.file}: backscatterd.service lacks this line: ReadWritePaths=${path}`)
  }
  console.log(`${config.file}: ok`)
  return exitCodes.done
}

/** Checks all keys that would stop `serve`. Throws one OperationalError `config-invalid` that names each wrong key. */
export async function requireServable(config: Config): Promise<void> {
  refuse(config, await servingFaults(config))
}

/** Like `requireServable`, but also checks the passwordFile and caFile of mailboxes. `serve` starts without these files. */
export async function requireSound(config: Config): Promise<void> {
  refuse(config, [...(await servingFaults(config)), ...credentialFaults(config)])
}

function refuse({ file }: Config, faults: readonly OperationalError[]): void {
  if (faults.length > 0) throw wrongKeys(faults, file)
}

async function servingFaults(config: Config): Promise<OperationalError[]> {
  const { store, control, mailbox, trapSmtp } = config
  const [{ encodeZone }, { isSchedule }, { readCertificate }] = await Promise.all([
    import('../resolver/records.ts'),
    import('../schedule.ts'),
    import('../traps/certificate.ts'),
  ])
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
      try {
        readFileSync(files[key])
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        faults.push(wrongKey(`mailbox[${index + 1}].${key}`, `the file cannot be read (${code})`))
      }
    }
  }
  return faults
}

function requireFolder(key: string, path: string): void {
  const folder = dirname(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return
  throw wrongKey(key, `there is no folder ${folder}`)
}

/** The systemd unit (named as in the README) and the drop-ins that an operator adds. */
const unitFiles = ['backscatterd.service', 'backscatterd.service.d/*.conf'] as const

/**
 * Folders that the server writes to (of the database and of Maildirs) but that are missing in `ReadWritePaths=` of the
 * systemd unit. With ProtectSystem=strict they are read-only (systemd.exec(5)). Returns none if no unit in `units` uses this
 * configuration.
 */
export function unwritablePaths(
  { file, store, mailbox }: Pick<Config, 'file' | 'store' | 'mailbox'>,
  units = '/etc/systemd/system',
): string[] {
  const unit = readUnit(units)
  if (!unit.includes(resolve(file)) || !/^ProtectSystem=strict$/m.test(unit)) return []
  const writable = writablePaths(unit)
  const maildirs = mailbox.filter(({ type }) => type === 'maildir').map(({ path }) => path)
  return [...new Set([dirname(store.path), ...maildirs].map((path) => resolve(path)))].filter(
    (path) => !writable.some((each) => path === each || path.startsWith(`${each}${sep}`)),
  )
}

/** Reads the unit and its drop-ins as one text, with each setting on one line. Returns '' if none can be read. */
function readUnit(folder: string): string {
  const files = unitFiles.flatMap((name) => globSync(join(folder, name)).sort())
  const texts = files.map((file) => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return ''
    }
  })
  return texts.join('\n').replace(/\\\n/g, ' ')
}

function writablePaths(unit: string): string[] {
  const paths: string[] = []
  for (const [, key, value = ''] of unit.matchAll(/^(ReadWritePaths|StateDirectory)=(.*)$/gm)) {
    for (const word of value.split(/\s+/).filter(Boolean)) {
      paths.push(
        key === 'StateDirectory' ? join('/var/lib', word) : resolve(word.replace(/^[-+]*/, '')),
      )
    }
  }
  return paths
}
