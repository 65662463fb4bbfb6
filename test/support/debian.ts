// Is a program of a Debian package installed? Tests that need it skip otherwise, and name the package.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** `{ skip: … }` for a test's options: false when the program is on the PATH (or in the sbin folders). */
export function needs(program: string, debianPackage: string): { skip: string | false } {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const isThere = folders.some((folder) => existsSync(join(folder, program)))
  return { skip: isThere ? false : `needs ${program}: apt-get install ${debianPackage}` }
}
