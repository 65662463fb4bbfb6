// A progress bar on standard error while long work goes on; only on a terminal, so that a pipe or a log never sees it.
import { SingleBar } from 'cli-progress'

export interface Progress {
  /** So much of the total is done, by so many pieces. */
  advance(octets: number, pieces: number): void
  /** Leaves the terminal as it was. Idempotent. */
  end(): void
}

const silent: Progress = { advance: () => undefined, end: () => undefined }

/** `what` names the pieces in the plural; `octets` is the whole of the work. */
export function startProgress(what: string, octets: number): Progress {
  if (!process.stderr.isTTY || octets === 0) return silent
  const bar = new SingleBar({
    format: `{bar} {percentage}%  {pieces} ${what}, {rate} a second  {eta_formatted} left`,
    ...{ barsize: 30, fps: 5, hideCursor: true, clearOnComplete: true, etaBuffer: 100 },
  })
  const started = performance.now()
  let done = 0
  let pieces = 0
  bar.start(octets, 0, { pieces, rate: 0 })
  return {
    advance(more, count) {
      // Unzipped mail is more than its file.
      done = Math.min(done + more, octets)
      pieces += count
      const rate = Math.round(pieces / Math.max((performance.now() - started) / 1000, 0.001))
      bar.update(done, { pieces, rate })
    },
    end: () => bar.stop(),
  }
}
