// A list, or all that is listed, as of one moment → entries in pages, for a reader as slow as it likes while writes go
// on. Called by the door; admin turns the entries into a feed.
import { backscatterKinds } from '../bounce/kinds.ts'
import { contains, type Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { comparePrefixes, type ListEntry } from '../store/generations.ts'
import { Snapshot } from '../store/snapshot.ts'
import { joined } from './entry-attributes.ts'
import { kindsMask } from './kinds.ts'

const allKinds = kindsMask(backscatterKinds)

export interface Export {
  /** For a reader that does not come to the end of the pages, or never begins. Idempotent. */
  close(): void
  /** Each prefix once. Closes itself at the end. */
  readonly pages: Iterable<readonly ListEntry[]>
  /** Of a whole export: prefixes that are holes in what is listed around them. */
  readonly holes: readonly Prefix[]
  /** Mask of the kinds that a zone made of it answers with: of a whole export, those that ours does. */
  readonly zoneKinds: number
}

/** Of a named list, which must exist (undefined otherwise), or of everything that is listed and not exempt. */
export function exportEntries(
  store: Store,
  list: string | undefined,
  publishedKinds: number,
): Export | undefined {
  const snapshot = new Snapshot(store.path)
  const close = () => snapshot.close()
  if (list !== undefined) {
    if (snapshot.hasList(list)) {
      const pages = closing(snapshot, snapshot.ofList(list))
      return { close, pages, holes: [], zoneKinds: allKinds }
    }
    snapshot.close()
    return undefined
  }
  const exempt = snapshot.exceptions('exemptions')
  const holes = snapshot.exceptions('exclusions')
  const pages = closing(snapshot, united(snapshot.all(), exempt, holes))
  return { close, pages, holes, zoneKinds: publishedKinds }
}

function* closing(
  snapshot: Snapshot,
  pages: Generator<readonly ListEntry[]>,
): Generator<readonly ListEntry[]> {
  try {
    yield* pages
  } finally {
    snapshot.close()
  }
}

/** Rows of one prefix as one entry, without what an exception of exactly it, or an exemption around it, undoes. */
function* united(
  pages: Iterable<readonly ListEntry[]>,
  exempt: readonly Prefix[],
  holes: readonly Prefix[],
): Generator<readonly ListEntry[]> {
  const isAnswered = ({ prefix }: ListEntry): boolean =>
    !exempt.some((each) => contains(each, prefix)) &&
    !holes.some((each) => comparePrefixes(each, prefix) === 0)
  let open: ListEntry | undefined
  for (const page of pages) {
    const entries: ListEntry[] = []
    for (const row of page) {
      if (open && comparePrefixes(open.prefix, row.prefix) === 0) {
        open = { prefix: open.prefix, attributes: joined(open.attributes, row.attributes) }
        continue
      }
      if (open && isAnswered(open)) entries.push(open)
      open = row
    }
    yield entries
  }
  if (open && isAnswered(open)) yield [open]
}
