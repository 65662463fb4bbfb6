// Starts real servers as child processes for end-to-end tests: a temporary folder with a configuration, `serve` in
// its own process, and the commands beside it. Every process is ended by its own id, every folder removed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'

export const main = resolve(import.meta.dirname, '../../src/main.ts')
export const origin = 'bl.test.example'

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Server {
  readonly pid: number
  /** host:port of the first DNS address. */
  readonly dns: string
  /** host:port of the first SMTP address; '' without a listener. */
  readonly smtp: string
  /** host:port of the HTTP interface; '' without one. */
  readonly admin: string
  readonly stderr: () => string
  /** Sends the signal and resolves with how the process ended, when all that it logged has been read. */
  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: string | null }>
}

/** A folder with a configuration, the servers started from it and the commands run in it. */
export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  readonly configFile = join(this.folder, 'backscatterd.toml')
  readonly #servers = new Set<Server>()

  constructor(t: { after(cleanup: () => unknown): void }, configuration = '') {
    for (const each of ['new', 'cur', 'tmp']) {
      mkdirSync(join(this.folder, 'maildir', each), { recursive: true })
    }
    writeFileSync(this.configFile, configuration || this.configuration())
    t.after(async () => {
      for (const server of this.#servers) await server.kill('SIGKILL')
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** A configuration on free ports: trap `@trap.example.org`, threshold 1, documentation ranges allowed. */
  configuration(more = ''): string {
    return `
[zone]
origin = "${origin}"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
[dns]
listen = ["127.0.0.1:0"]
workers = 1
[store]
path = "list.db"
minFree = "0 B"
[policy]
allowSpecial = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
threshold.dsn = { messages = 1 }
threshold.auto-reply = { messages = 1, traps = 1 }
[[trap]]
address = "@trap.example.org"
[trapSmtp]
listen = ["127.0.0.1:0"]
hostname = "mx.trap.example.org"
proxies = ["127.0.0.1"]
[[mailbox]]
name = "box"
type = "maildir"
path = "maildir"
schedule = "* * * * * *"
allTraps = true
${more}`
  }

  /**
   * Starts `serve`, with more in its environment, and resolves once it has printed its ready line. `before`: the words of a
   * program that executes it, such as `setpriv`.
   */
  async start(
    environment: NodeJS.ProcessEnv = {},
    before: readonly string[] = [],
  ): Promise<Server> {
    const words = [...before, process.execPath, main, '--config', this.configFile, 'serve']
    const child = spawn(words[0] ?? '', words.slice(1), {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      output.stderr += chunk
    })
    const { promise: ready, resolve: isReady, reject } = Promise.withResolvers<string>()
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output.stdout += chunk
      const line = /^backscatterd ready .*(?=\n)/m.exec(output.stdout)
      if (line !== null) isReady(line[0])
    })
    // Not 'exit': its last lines may still be unread then.
    const exited = once(child, 'close')
    exited.then(([code]) => reject(new Error(`serve ended with ${code}: ${output.stderr}`)))
    const line = await ready
    // What it logged before its ready line has come too, but on another pipe, which is perhaps read only now.
    await setImmediate()
    const server: Server = {
      pid: child.pid ?? 0,
      dns: /dns=([^ ,]+)/.exec(line)?.[1] ?? '',
      admin: /admin=([^ ,]+)/.exec(line)?.[1] ?? '',
      smtp: /smtp=([^ ,]+)/.exec(line)?.[1] ?? '',
      stderr: () => output.stderr,
      kill: async (signal) => {
        this.#servers.delete(server)
        if (child.exitCode === null && child.signalCode === null) child.kill(signal)
        const [code, endSignal] = await exited
        return { code, signal: endSignal }
      },
    }
    this.#servers.add(server)
    return server
  }

  /** Runs one command to its end. */
  async run(...args: string[]): Promise<Finished> {
    return await runCommand(['--config', this.configFile, ...args], this.folder)
  }
}

/** Runs `backscatterd ARGS` in a folder, with nothing of the tests' own environment that names a configuration. */
export async function runCommand(args: readonly string[], cwd: string): Promise<Finished> {
  const env = { ...process.env, BACKSCATTERD_CONFIG: undefined }
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    output.stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, ...output }
}

/** Asks again until `test` holds of the answer or the time is over; resolves with the last answer. */
export async function until<T>(
  ask: () => Promise<T>,
  test: (answer: T) => boolean,
  withinMs: number,
): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (test(answer) || performance.now() >= end) return answer
    await new Promise((next) => setTimeout(next, 50))
  }
}
