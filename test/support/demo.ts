// The demonstration (data/demo.toml), served on free ports in a folder of its own, and the commands of a page of the
// documentation, run against it as they stand there.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { freePorts } from './ports.ts'
import { main, Site } from './server.ts'

export interface Demo {
  readonly site: Site
  readonly ports: Readonly<Record<5300 | 2525 | 8053, number>>
  /** Puts the demonstration's free ports, and its configuration, in place of the usual ones in a text. */
  onFreePorts(text: string): string
}

/** Serves the demonstration until the test ends. */
export async function startDemo(t: { after(cleanup: () => unknown): void }): Promise<Demo> {
  const [dns = 0, smtp = 0, admin = 0] = await freePorts(3)
  const ports = { 5300: dns, 2525: smtp, 8053: admin }
  const site = new Site(t)
  const onFreePorts = (text: string): string =>
    text
      .replace(/5300|2525|8053/g, (port) => String(ports[Number(port) as keyof typeof ports]))
      .replaceAll('$PWD/data/demo.toml', site.configFile)
  const demo = readFileSync('data/demo.toml', 'utf8').replace('demo-maildir', 'maildir')
  writeFileSync(site.configFile, onFreePorts(demo))
  await site.start()
  return { site, ports, onFreePorts }
}

/**
 * The commands of a page: the text of its fenced blocks. What follows `sh` on the fence's line, such as `root`, says what a
 * command needs that a test does not have; '' if it needs nothing.
 */
export function commandsOf(page: string): { readonly needs: string; readonly text: string }[] {
  return [...page.matchAll(/^ *```sh ?([^\n]*)\n(.*?)^ *```$/gms)].map(
    ([, needs = '', text = '']) => ({
      needs,
      text,
    }),
  )
}

/** Runs commands in one bash that stops at the first one that fails. `backscatterd` is this program. */
export function runCommands(
  commands: string,
  { cwd, configFile }: { readonly cwd: string; readonly configFile: string },
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const program = `set -e; backscatterd() { "${process.execPath}" "${main}" "$@"; }\n`
  return spawnSync('bash', ['-c', program + commands], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, BACKSCATTERD_CONFIG: configFile },
  })
}
