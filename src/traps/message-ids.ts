// A file of Message-IDs that our own mail servers gave → whether one of them is ours.
import { readFileSync, statSync } from 'node:fs'

/**
 * Whether a Message-ID stands in the file, with or without its angle brackets. Looks the file's time up at each question;
 * one that cannot be read leaves what was read last.
 */
export function knownMessageIds(path: string): (messageId: string) => boolean {
  let readAt = -1
  let known: ReadonlySet<string> = new Set()
  const refresh = () => {
    const { mtimeMs } = statSync(path)
    if (mtimeMs === readAt) return
    known = new Set(readFileSync(path, 'utf8').split(/\s+/).map(bare).filter(Boolean))
    readAt = mtimeMs
  }
  return (messageId) => {
    try {
      refresh()
    } catch {
      // Rotated away for the moment.
    }
    return known.has(bare(messageId))
  }
}

/** Logs write Message-IDs with and without their angle brackets. */
function bare(messageId: string): string {
  return messageId.replace(/^<|>$/g, '')
}
