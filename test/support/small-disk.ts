// A disk that is really full, or read-only: a file system of its own in memory, which only root may mount.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface SmallDisk {
  readonly folder: string
  /** Leaves no octet free. */
  fill(): void
  /** Takes back what fill() took. */
  free(): void
  setReadOnly(): void
}

/** Mounted until the test ends; undefined where this process may not mount, and the test is skipped with the reason. */
export function mountSmallDisk(t: TestContext, size = '4m'): SmallDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'tmpfs', folder], {
      stdio: 'pipe',
    })
  } catch {
    rmdirSync(folder)
    t.skip('only root may mount a file system')
    return undefined
  }
  t.after(() => {
    // Lazily: a server that is only just ending may still have files there.
    execFileSync('umount', ['-l', folder])
    rmdirSync(folder)
  })
  const filling = join(folder, 'filling')
  return {
    folder,
    fill() {
      const file = openSync(filling, 'a')
      const octets = Buffer.alloc(4096)
      try {
        while (writeSync(file, octets) > 0);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(filling),
    setReadOnly: () => execFileSync('mount', ['-o', 'remount,ro', folder]),
  }
}
