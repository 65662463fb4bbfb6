// A configuration and the systemd unit that runs it → the folders that must be writable and are not. A Maildir is changed
// where it is, and with ProtectSystem=strict everything is read-only that the unit does not name (systemd.exec(5)).
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import type { Config } from '../config/load.ts'

/** The unit of data/, where README puts it, and what an operator adds to it. */
const unitFiles = ['backscatterd.service', 'backscatterd.service.d/*.conf'] as const

/** Folders that `ReadWritePaths=` lacks. None where no unit in `units` names this configuration. */
export function unwritablePaths(
  { file, store, mailbox }: Pick<Config, 'file' | 'store' | 'mailbox'>,
  units = '/etc/systemd/system',
): string[] {
  const text = readUnit(units)
  if (!text.includes(resolve(file)) || !/^ProtectSystem=strict$/m.test(text)) return []
  const writable = writablePaths(text)
  const maildirs = mailbox.filter(({ type }) => type === 'maildir').map(({ path }) => path)
  return [...new Set([dirname(store.path), ...maildirs].map((path) => resolve(path)))].filter(
    (path) => !writable.some((each) => path === each || path.startsWith(`${each}${sep}`)),
  )
}

/** The unit and its drop-ins as one text, each setting on a line; '' where there is none that can be read. */
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
    const words = value.split(/\s+/).filter(Boolean)
    if (key === 'StateDirectory') paths.push(...words.map((word) => join('/var/lib', word)))
    else paths.push(...words.map((word) => resolve(word.replace(/^[-+]*/, ''))))
  }
  return paths
}
