// What is wrong with a configuration whose keys are right by themselves: records that do not encode, expressions that are
// no schedule, and files that are missing or hold something else. Called by check-config, and by serve before it takes a
// new configuration, or to name every key when it cannot start with one.
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '../config/load.ts'
import { OperationalError, wrongKey, wrongKeys } from '../errors.ts'
import { batvKeyOf, messageIdFileOf } from './authenticity-sources.ts'
import { cookieSecretsOf, zoneOptions } from './options.ts'

/** Throws OperationalError `config-invalid` that names each key that keeps `serve` from going by this configuration. */
export async function requireServable(config: Config): Promise<void> {
  refuse(config, await servingFaults(config))
}

/** The same, and what keeps a mailbox from being read, though everything else goes on without it. */
export async function requireSound(config: Config): Promise<void> {
  refuse(config, [...(await servingFaults(config)), ...credentialFaults(config)])
}

function refuse({ file }: Config, faults: readonly OperationalError[]): void {
  if (faults.length > 0) throw wrongKeys(faults, file)
}

async function servingFaults(config: Config): Promise<OperationalError[]> {
  const { store, control, mailbox, trapSmtp } = config
  const [{ encodeZone }, { isSchedule }, { mailServer }, { readCertificate }] = await Promise.all([
    import('../resolver/records.ts'),
    import('../schedule.ts'),
    import('../traps/mailbox-url.ts'),
    import('../traps/certificate.ts'),
  ])
  const checks: (() => unknown)[] = [
    () => named('zone', () => encodeZone(zoneOptions(config))),
    () => cookieSecretsOf(config),
    () => requireFolder('store.path', store.path),
    () => {
      if (dirname(control.socket) !== dirname(store.path))
        requireFolder('control.socket', control.socket)
    },
    () => batvKeyOf(config),
    () => messageIdFileOf(config),
    () => readCertificate(trapSmtp ?? {}),
    ...mailbox.flatMap(({ name, type, url, schedule }, index) => [
      () => {
        if (isSchedule(schedule)) return
        const why = `not a cron expression: ${JSON.stringify(schedule)}`
        throw wrongKey(`mailbox[${index + 1}].schedule`, why)
      },
      () => {
        if (type !== 'imap' && type !== 'pop3') return
        named(`mailbox[${index + 1}].url`, () => mailServer(type, { name, url }))
      },
    ]),
  ]
  const faults: OperationalError[] = []
  for (const check of checks) {
    try {
      await check()
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error
      faults.push(error)
    }
  }
  return faults
}

/** A path may tell the trap, so the system's code alone is said. */
function credentialFaults({ mailbox }: Config): OperationalError[] {
  return mailbox.flatMap(({ type, ...files }, index) => {
    if (type !== 'imap' && type !== 'pop3') return []
    return (['passwordFile', 'caFile'] as const).flatMap((key) => {
      if (files[key] === '') return []
      try {
        readFileSync(files[key])
        return []
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        return [wrongKey(`mailbox[${index + 1}].${key}`, `the file cannot be read (${code})`)]
      }
    })
  })
}

/** A room's error under the key that it comes from. */
function named(key: string, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    throw error instanceof OperationalError ? wrongKey(key, error) : error
  }
}

function requireFolder(key: string, path: string): void {
  const folder = dirname(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return
  throw wrongKey(key, `there is no folder ${folder}`)
}
