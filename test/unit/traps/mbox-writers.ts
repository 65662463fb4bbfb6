// Programs that write to an mbox as mailers do, each under the locks it is told, for the tests of our own.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { MboxMailbox } from '../../../src/traps/mbox.ts'
import { needs } from '../../support/debian.ts'

/** An mbox that keeps its position itself, as its poller does. */
export class KeptMbox extends MboxMailbox {
  position: string | undefined

  override messages() {
    return super.messages(this.position)
  }

  override async finish() {
    const position = await super.finish()
    this.position = position ?? this.position
    return position
  }
}

/** Holds its locks from `held` on, appends what it is told, and lets go when it is told no more. */
export interface Writer {
  append(text: string): void
  /** Resolves when nothing is held. */
  end(): Promise<void>
}

const separator = 'From MAILER-DAEMON Tue Nov 24 11:24:44 2026\n'

/** A message as it stands in an mbox; `content` is what a reader makes of it. */
export function entry(number: number): { readonly text: string; readonly content: string } {
  const content = `N: ${number}\n\nfirst\n\nlast ${number}\n`
  return { text: `${separator}${content}\n`, content }
}

/** Takes locks in the order given, and writes in pieces, stopping where a torn message looks like a whole one. */
const python = `
import fcntl, os, sys, time
mode, kinds, path = sys.argv[1], sys.argv[2].split(','), sys.argv[3]
box = open(path, 'ab', buffering=0)
def take(kind):
    if kind == 'fcntl': fcntl.lockf(box, fcntl.LOCK_EX)
    if kind == 'flock': fcntl.flock(box, fcntl.LOCK_EX)
    while kind == 'dotlock':
        try: return os.close(os.open(path + '.lock', os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError: time.sleep(0.003)
def give(kind):
    if kind == 'fcntl': fcntl.lockf(box, fcntl.LOCK_UN)
    if kind == 'flock': fcntl.flock(box, fcntl.LOCK_UN)
    if kind == 'dotlock': os.unlink(path + '.lock')
if mode == 'hold':
    for kind in kinds: take(kind)
    print('held', flush=True)
    while piece := os.read(0, 65536): box.write(piece)
    for kind in reversed(kinds): give(kind)
else:
    print('held', flush=True)
    first, count = int(sys.argv[4]), int(sys.argv[5])
    for number in range(first, first + count):
        for kind in kinds: take(kind)
        for piece in ('${separator.trimEnd()}\\nN: %d\\n\\n' % number, 'first\\n\\n', 'last %d\\n' % number, '\\n'):
            box.write(piece.encode())
            time.sleep(0.002)
        for kind in reversed(kinds): give(kind)
        time.sleep(0.004)
`

const shell = `set -C
until : 2>/dev/null >"$1.lock"; do sleep 0.02; done
echo held
cat >>"$1"
rm "$1.lock"`

type Start = (t: TestContext, path: string) => Promise<Writer>

/** One program for each lock; tests with it need what `options` names. */
export const lockers = {
  fcntl: {
    options: needs('python3', 'python3'),
    hold: (t, path) => start(t, 'python3', ['-c', python, 'hold', 'fcntl', path]),
  },
  flock: {
    options: needs('flock', 'util-linux'),
    hold: (t, path) =>
      start(t, 'flock', [path, 'sh', '-c', 'echo held; cat >>"$1"', 'writer', path]),
  },
  'no lock': {
    options: { skip: false },
    hold: (t, path) => start(t, 'sh', ['-c', 'echo held; cat >>"$1"', 'writer', path]),
  },
  'FILE.lock': {
    options: { skip: false },
    hold: (t, path) => start(t, 'sh', ['-c', shell, 'writer', path]),
  },
} satisfies Record<string, { readonly options: ReturnType<typeof needs>; readonly hold: Start }>

export type Lock = 'fcntl' | 'flock' | 'dotlock'

/** Appends entries `first` … under the locks named, each taken when the one before is held. */
export async function appendUnder(
  t: TestContext,
  locks: readonly Lock[],
  path: string,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<Writer> {
  const numbers = [String(first), String(count)]
  return await start(t, 'python3', ['-c', python, 'append', locks.join(','), path, ...numbers])
}

async function start(t: TestContext, program: string, args: readonly string[]): Promise<Writer> {
  const child: ChildProcessWithoutNullStreams = spawn(program, args)
  const exited = once(child, 'exit')
  t.after(() => child.kill('SIGKILL'))
  child.stderr.pipe(process.stderr)
  await Promise.race([once(child.stdout, 'data'), exited])
  return {
    append: (text) => void child.stdin.write(text),
    async end() {
      child.stdin.end()
      const [code] = await exited
      if (code !== 0) throw new Error(`${program} ended with ${code}`)
    },
  }
}
