// `check-config`: validates the file as `serve` would read it, without a database, a socket or a running server.
import { type Config, type ConfigSource, loadConfig } from '../config.ts'
import { OperationalError } from '../errors.ts'
import { cookieSecretsOf, zoneOptions } from './room-options.ts'

/** Prints what is wrong (stderr, by loadConfig's error) or `FILE: ok` (stdout) with a line for each warning (stderr). */
export async function checkConfig(source: ConfigSource): Promise<number> {
  const config = loadConfig(source)
  cookieSecretsOf(config)
  await checkRooms(config)
  for (const { path, why } of config.warnings) console.error(`${config.file}: ${path}: ${why}`)
  console.log(`${config.file}: ok`)
  return 0
}

/**
 * The checks that only a room can make: records that encode, schedules that node-cron takes. Throws
 * OperationalError `config-invalid` naming each key.
 */
async function checkRooms(config: Config): Promise<void> {
  const problems: string[] = []
  const { encodeZone } = await import('../resolver/records.ts')
  try {
    encodeZone(zoneOptions(config))
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error
    problems.push(`zone: ${error.message}`)
  }
  const { isSchedule } = await import('../traps/schedule.ts')
  for (const { name, schedule } of config.mailbox) {
    if (isSchedule(schedule)) continue
    problems.push(`mailbox ${name}: schedule: not a cron expression: ${JSON.stringify(schedule)}`)
  }
  const { mailServer } = await import('../traps/mailbox-url.ts')
  for (const { type, name, url } of config.mailbox) {
    if (type !== 'imap' && type !== 'pop3') continue
    try {
      mailServer(type, { name, url })
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error
      problems.push(error.message)
    }
  }
  if (problems.length > 0) {
    const lines = problems.map((problem) => `${config.file}: ${problem}`)
    throw new OperationalError('config-invalid', lines.join('\n'))
  }
}
