// Collects the lines of an imported list and returns its entries, each prefix once, in address order. Each line is checked
// as it is read. Valid entries are kept in compact form, and the first wrong lines are kept for the report.
import { contains, type Family, type Prefix, subtract } from '../ip/address.ts'
import { specialRanges } from '../ip/special-purpose.ts'
import { comparePrefixes, type EntryAttributes, joined } from '../store/packed-entries.ts'
import { lastWords } from '../store/prefix-columns.ts'
import type { Context } from './context.ts'
import { EntryRuns } from './external-sort.ts'
import { refusalOf } from './listings.ts'
import type { ImportDone, ImportItem, ImportOutcome, ListFault, RefusedLine } from './types.ts'

/** The report shows at most this many wrong lines; further ones are only counted. */
const maxRefusedLines = 1000
/** A list has at most this many entries. All are in memory during the import, 25 octets each. */
const maxListEntries = 16_777_216
/** All reasons of a list have at most this many characters. Lines with the same kinds, expiry and reason count once. */
const maxReasonCharacters = 128 * 1024 * 1024
/** The report shows at most this many characters of a wrong line. */
const maxShownCharacters = 200

/** Each prefix is kept with a tag. This one marks an exclusion; the tag of an entry is the index of its attributes. */
const exclusionTag = 0xffff_ffff

/** An entry of the new list. */
export interface WantedEntry {
  readonly prefix: Prefix
  readonly attributes: EntryAttributes
}

interface ListItem {
  readonly prefix: Prefix
  /** null for an exclusion. */
  readonly attributes: EntryAttributes | null
}

/** Collects the lines of a list, in any order, and returns its entries. */
export class ListLines {
  readonly #checks: EntryChecks
  readonly #isStrict: boolean
  readonly #runs = new EntryRuns()
  readonly #attributes: EntryAttributes[] = []
  readonly #numbers = new Map<string, number>()
  #last: EntryAttributes | undefined
  #lastNumber = 0
  #reasonCharacters = 0
  #exclusions = 0
  readonly #refused: RefusedLine[] = []
  refusedCount = 0

  constructor(context: CheckContext, isStrict: boolean) {
    this.#checks = new EntryChecks(context)
    this.#isStrict = isStrict
  }

  /** The number of valid lines. Several may have the same prefix. */
  get count(): number {
    return this.#runs.count
  }

  get reasonCharacters(): number {
    return this.#reasonCharacters
  }

  /** Adds lines. Returns a refusal if the whole list must be refused. */
  take(batch: readonly (ImportItem | ListFault)[]): ImportOutcome | undefined {
    for (const item of batch) {
      if ('fault' in item) {
        return { refused: 'invalid', why: `line ${item.line}: ${item.fault}` }
      }
      const why = 'why' in item ? item.why : this.#add(item)
      if (why !== undefined) {
        const line = { line: item.line, text: shortened(item.text), why }
        this.refusedCount += 1
        if (this.#refused.length < maxRefusedLines) this.#refused.push(line)
        if (this.#isStrict) return { refused: 'invalid', why: lineFault(line), line }
      }
    }
    if (this.#runs.count > maxListEntries) {
      return { refused: 'invalid', why: `a list has at most ${maxListEntries} entries` }
    }
    if (this.#reasonCharacters > maxReasonCharacters) {
      return {
        refused: 'invalid',
        why: `its reasons have more than ${maxReasonCharacters} characters`,
      }
    }
    return undefined
  }

  /** Refuses a file of wrong lines only. It may be an error page or another format, and must not empty the list. */
  refusalOfNoEntries(): ImportOutcome | undefined {
    const [line] = this.#refused
    if (this.#runs.count > 0 || line === undefined) return undefined
    return { refused: 'invalid', why: `${lineFault(line)}; no line is an entry`, line }
  }

  report(): Pick<ImportDone, 'refused' | 'refusedCount'> {
    return { refused: this.#refused, refusedCount: this.refusedCount }
  }

  /** All entries: each prefix once, in address order, without what the list itself excludes. Call it after the last `take`. */
  entries(): Iterable<WantedEntry> {
    const items = this.#joined()
    // If there is no exclusion, every item has attributes.
    return this.#exclusions === 0 ? (items as Iterable<WantedEntry>) : withoutExclusions(items)
  }

  #add({ prefix, attributes }: Extract<ImportItem, { prefix: Prefix }>): string | undefined {
    if (attributes === null) {
      this.#exclusions += 1
      this.#runs.add(prefix, exclusionTag)
      return undefined
    }
    const why = this.#checks.refusal(prefix, attributes.expiresAt)
    if (why === undefined) this.#runs.add(prefix, this.#numberOf(attributes))
    return why
  }

  #numberOf(attributes: EntryAttributes): number {
    if (attributes === this.#last) return this.#lastNumber
    const key = `${attributes.kinds} ${attributes.expiresAt} ${attributes.reason}`
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#attributes.length
      const { reason } = attributes
      this.#attributes.push({ ...attributes, reason: reason && ownText(reason) })
      this.#numbers.set(key, number)
      this.#reasonCharacters += attributes.reason?.length ?? 0
    }
    this.#last = attributes
    this.#lastNumber = number
    return number
  }

  /** Joins the lines of one prefix to one entry, or to an exclusion if one of them is an exclusion. */
  *#joined(): Generator<ListItem> {
    let open: ListItem | undefined
    for (const { prefix, tag } of this.#runs.sorted()) {
      const attributes = tag === exclusionTag ? null : (this.#attributes[tag] ?? null)
      if (!open || comparePrefixes(open.prefix, prefix) !== 0) {
        if (open) yield open
        open = { prefix, attributes }
      } else if (open.attributes !== attributes) {
        const [a, b] = [open.attributes, attributes]
        open = { prefix, attributes: a && b && joined(a, b) }
      }
    }
    if (open) yield open
  }
}

/**
 * Subtracts a list's own exclusions from its prefixes ("10.0.0.0/24, but not 10.0.0.5"). These do not affect other lists. The
 * longest match decides, as in rbldnsd: a prefix that is listed inside an exclusion stays listed. Input and output: each
 * prefix once, in address order, a prefix before those inside it.
 */
function* withoutExclusions(items: Iterable<ListItem>): Generator<WantedEntry> {
  let group: ListItem[] = []
  let hasExclusion = false
  for (const item of items) {
    const outer = group[0]
    if (outer && contains(outer.prefix, item.prefix)) {
      group.push(item)
      hasExclusion ||= item.attributes === null
      continue
    }
    yield* entriesOfGroup(group, hasExclusion)
    // An exclusion that lies in no listed prefix has no effect.
    group = item.attributes === null ? [] : [item]
    hasExclusion = false
  }
  yield* entriesOfGroup(group, hasExclusion)
}

/** The entries of one group: a listed prefix and everything inside it. */
function* entriesOfGroup(
  group: readonly ListItem[],
  hasExclusion: boolean,
): Generator<WantedEntry> {
  if (!hasExclusion) {
    for (const { prefix, attributes } of group) if (attributes) yield { prefix, attributes }
    return
  }
  const entries: WantedEntry[] = []
  addRemaining(group, 0, entries)
  yield* entries.sort((a, b) => comparePrefixes(a.prefix, b.prefix))
}

/**
 * Subtracts the exclusions from the item at `index` and from all items inside it, and adds the rest to `entries`. Returns
 * `end`, the index of the first item that is not inside it, and `isCut`: whether the item is an exclusion or contains one. The
 * prefix around a cut item leaves out the whole item, since what remains of the item is added as entries of its own.
 */
function addRemaining(
  items: readonly ListItem[],
  index: number,
  entries: WantedEntry[],
): { end: number; isCut: boolean } {
  const item = items[index]
  if (!item) return { end: index, isCut: false }
  const cuts: Prefix[] = []
  const whole: Prefix[] = []
  let end = index + 1
  for (let inner = items[end]; inner && contains(item.prefix, inner.prefix); inner = items[end]) {
    const result = addRemaining(items, end, entries)
    if (result.isCut) cuts.push(inner.prefix)
    else whole.push(inner.prefix)
    end = result.end
  }
  if (item.attributes === null) return { end, isCut: true }
  const { attributes } = item
  // Both are in address order. A part that is itself an item was added with its own attributes.
  let next = 0
  for (const prefix of subtract(item.prefix, cuts)) {
    let order = -1
    for (let other = whole[next]; other && order < 0; other = whole[next]) {
      order = comparePrefixes(other, prefix)
      if (order < 0) next += 1
    }
    if (order !== 0) entries.push({ prefix, attributes })
  }
  return { end, isCut: cuts.length > 0 }
}

type CheckContext = Pick<Context, 'store' | 'policy' | 'now'>

/** Checks entries fast: most entries in a /16 that no special-purpose range or exception overlaps need no `refusalOf`. */
class EntryChecks {
  readonly #context: CheckContext
  /** Index: the first 16 bits of an address. 1 if a special-purpose range, exemption or exclusion overlaps that /16. */
  readonly #marks: Record<Family, Uint8Array> = {
    4: new Uint8Array(65_536),
    6: new Uint8Array(65_536),
  }

  /** Reads the exemptions and exclusions once; later ones are not checked. */
  constructor(context: CheckContext) {
    this.#context = context
    for (const { prefix } of specialRanges) this.#mark(prefix)
    for (const prefix of context.store.exemptions.prefixes()) this.#mark(prefix)
    for (const prefix of context.store.exclusions.prefixes()) this.#mark(prefix)
  }

  /** Why the entry may not be listed, as a clause to follow the entry ("is exempt"). Undefined if it may. */
  refusal(prefix: Prefix, expiresAt: number | null): string | undefined {
    const { policy, now } = this.#context
    const shortest = prefix.family === 4 ? policy.shortest4 : policy.shortest6
    const hasNothingNear = prefix.length >= 16 && this.#marks[prefix.family][prefix.w0 >>> 16] === 0
    if (hasNothingNear && prefix.length >= shortest && (expiresAt === null || expiresAt > now)) {
      return undefined
    }
    return refusalOf(this.#context, { prefix, expiresAt })?.why
  }

  #mark(prefix: Prefix): void {
    this.#marks[prefix.family].fill(1, prefix.w0 >>> 16, (lastWords(prefix)[0] >>> 16) + 1)
  }
}

function lineFault({ line, text, why }: RefusedLine): string {
  return `line ${line}: ${text === '' ? '' : `${text}: `}${why}`
}

/** The beginning of a line, with control characters replaced. */
function shortened(text: string): string {
  const shown = text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text
  return ownText(shown.replaceAll(/\p{C}/gu, '?'))
}

/** Copies a text. A slice would keep the whole text that it was cut from in memory. */
function ownText(text: string): string {
  return Buffer.from(text).toString()
}
