// The lock that mailers keep while they write an mbox: FILE.lock, made only by who finds none. Called by mbox.ts.
// Postfix, Exim, Dovecot, Sendmail's local mailers and procmail all keep it, most of them beside an fcntl lock.
import { open, stat, unlink } from 'node:fs/promises'
import { MailboxFault } from './mailbox-error.ts'

/** After so long a lock was left by a process that died (liblockfile has the same). */
const staleMs = 5 * 60_000
const waitMs = 10_000
const againMs = 100

/** A lock held; dispose of it to let go. */
export type MboxLock = AsyncDisposable

/**
 * Waits up to 10 s for the lock. null: this process may not make a lock beside the file, so there is none. Throws
 * MailboxFault `locked` when somebody holds it all the time.
 */
export async function lockMbox(path: string): Promise<MboxLock | null> {
  const file = `${path}.lock`
  const begun = performance.now()
  for (;;) {
    try {
      await using lock = await open(file, 'wx', 0o644)
      await lock.writeFile(`${process.pid}\n`)
      return { [Symbol.asyncDispose]: () => unlink(file) }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return null
      if (code !== 'EEXIST') throw error
    }
    await removeStale(file)
    if (performance.now() - begun > waitMs) {
      throw new MailboxFault('locked', `${file} is held by another program`)
    }
    await new Promise((again) => setTimeout(again, againMs))
  }
}

async function removeStale(file: string): Promise<void> {
  const made = await stat(file).catch(() => null)
  if (made !== null && Date.now() - made.mtimeMs > staleMs)
    await unlink(file).catch(() => undefined)
}
