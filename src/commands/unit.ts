// Reads the systemd unit that runs a configuration, and says what its settings forbid the server (systemd.exec(5)).
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import type { Config } from '../config/load.ts'

export interface Unit {
  /** Such as `backscatterd.service`. */
  readonly name: string
  /** The unit and the drop-ins that an operator adds, each setting on one line. */
  readonly text: string
}

/** Finds the unit in the folder `units` that names this configuration file. */
export function findUnit(file: string, units = '/etc/systemd/system'): Unit | undefined {
  const path = resolve(file)
  return globSync(join(units, '*.service'))
    .sort()
    .map((each) => readUnit(each))
    .find(({ text }) => text.split(/[\s"'=]/).includes(path))
}

function readUnit(file: string): Unit {
  const files = [file, ...globSync(join(`${file}.d`, '*.conf')).sort()]
  const texts = files.map((each) => {
    try {
      return readFileSync(each, 'utf8')
    } catch {
      return ''
    }
  })
  return { name: basename(file), text: texts.join('\n').replace(/\\\n/g, ' ') }
}

/** All values of a setting, in order, without those before an empty one: that one takes them back. */
export function settings({ text }: Unit, name: string): string[] {
  const values = [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) =>
    value.trim(),
  )
  return values.slice(values.lastIndexOf('') + 1)
}

/** The words of all values of a setting. */
export function words(unit: Unit, name: string): string[] {
  return settings(unit, name).flatMap((value) => value.split(/\s+/))
}

function isOn(unit: Unit, name: string): boolean {
  return /^(yes|true|on|1|tmpfs|disconnected)$/.test(settings(unit, name).at(-1) ?? '')
}

/**
 * Folders that the server writes to (of the database and of Maildirs) but that the unit makes read-only: they are missing in
 * `ReadWritePaths=`.
 */
export function unwritablePaths(
  { store, mailbox }: Pick<Config, 'store' | 'mailbox'>,
  unit: Unit | undefined,
): string[] {
  if (unit === undefined || settings(unit, 'ProtectSystem').at(-1) !== 'strict') return []
  const writable = [
    ...words(unit, 'ReadWritePaths').map((word) => resolve(word.replace(/^[-+]*/, ''))),
    ...words(unit, 'StateDirectory').map((word) => join('/var/lib', word)),
    ...words(unit, 'BindPaths').map(boundPath),
  ]
  const maildirs = mailbox.filter(({ type }) => type === 'maildir').map(({ path }) => path)
  const written = [dirname(store.path), ...maildirs].map((path) => resolve(path))
  return [...new Set(written)].filter((path) => !isUnder(path, writable))
}

/** The folders of `ReadWritePaths=` that must be there when the unit starts: those that a "-" does not excuse. */
export function requiredPaths(unit: Unit): string[] {
  return words(unit, 'ReadWritePaths').filter((word) => word.startsWith('/'))
}

/** Which of the paths the unit hides from the server, and the setting that does so. */
export function hiddenPaths(
  paths: readonly string[],
  unit: Unit,
): { readonly path: string; readonly setting: string }[] {
  const shown = [...words(unit, 'BindPaths'), ...words(unit, 'BindReadOnlyPaths')].map(boundPath)
  const rules = [
    { setting: 'ProtectHome', folders: ['/home', '/root', '/run/user'] },
    { setting: 'PrivateTmp', folders: ['/tmp', '/var/tmp'] },
  ].filter(({ setting }) => isOn(unit, setting))
  return [...new Set(paths)].flatMap((path) => {
    const rule = rules.find(({ folders }) => isUnder(path, folders))
    return rule === undefined || isUnder(path, shown) ? [] : [{ path, setting: rule.setting }]
  })
}

/** `SOURCE:DESTINATION:OPTIONS` → where the server sees it. */
function boundPath(word: string): string {
  const [source = '', destination = source] = word.replace(/^-/, '').split(':')
  return resolve(destination)
}

function isUnder(path: string, folders: readonly string[]): boolean {
  return folders.some((each) => path === each || path.startsWith(`${each}${sep}`))
}
