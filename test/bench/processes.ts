// Programs that the benchmarks start as processes of their own, each with a name: what one printed is kept, and whoever
// needs one that has ended is told which, how, and what it printed last.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Characters of what was printed that are kept: the last ones. */
const keptCharacters = 100_000
const toldCharacters = 2000
/** From SIGTERM to SIGKILL. */
const stopMs = 6000

export class BenchProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  #printed = ''
  #heard = Promise.withResolvers<void>()
  #stdout = ''

  /** `processor`: the one it stays on, with two of them. */
  constructor(
    name: string,
    command: readonly string[],
    { processor, cwd }: { readonly processor?: number | undefined; readonly cwd?: string } = {},
  ) {
    this.name = name
    const [program = '', ...args] = processor === undefined ? command : pinned(processor, command)
    this.#child = spawn(program, args, {
      ...(cwd !== undefined && { cwd }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // Read to the end, whoever waits for it: a program that prints into a closed pipe is killed by it.
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#keep(text)
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#child.once('close', resolve).once('error', (error) => {
      this.#keep(error.message)
      resolve(undefined)
    })
    this.#closed = promise
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The last of what it printed, on stdout and stderr. */
  get printed(): string {
    return this.#printed
  }

  get isRunning(): boolean {
    return this.pid > 0 && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Throws when it has ended. */
  requireRunning(): void {
    if (!this.isRunning) throw this.#endError()
  }

  /** Resolves once it has printed this. Rejects when it ends before. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const isOver = !this.isRunning
      if (isOver) await this.#closed
      const found = pattern.exec(this.#printed)
      if (found) return found
      if (isOver) throw this.#endError()
      await Promise.race([this.#heard.promise, this.#closed])
    }
  }

  /** Resolves with its standard output when it has ended well. Rejects otherwise. */
  async output(): Promise<string> {
    await this.#closed
    if (this.#child.exitCode !== 0) throw this.#endError()
    return this.#stdout
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), stopMs)
    await this.#closed
    clearTimeout(force)
  }

  #keep(text: string): void {
    this.#printed = (this.#printed + text).slice(-keptCharacters)
    this.#heard.resolve()
    this.#heard = Promise.withResolvers()
  }

  #endError(): Error {
    const { exitCode, signalCode } = this.#child
    const how = signalCode ?? (exitCode === null ? 'did not start' : `exit code ${exitCode}`)
    const printed = this.#printed.slice(-toldCharacters).trim()
    return new Error(`${this.name} ended (${how}); it printed: ${printed || 'nothing'}`)
  }
}

export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

function pinned(processor: number, command: readonly string[]): readonly string[] {
  const isPinned = availableParallelism() > 1 && hasCommand('taskset')
  return isPinned ? ['taskset', '-c', String(processor), ...command] : command
}
