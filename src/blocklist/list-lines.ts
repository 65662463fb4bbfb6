// The lines of an imported list → its entries, each prefix once, in address order. Each line is checked when it comes.
// What may be listed is kept in a small form; the first wrong lines are kept for the report.
import { contains, type Family, type Prefix, subtract } from '../ip/address.ts'
import { specialRanges } from '../ip/special-purpose.ts'
import { comparePrefixes, type EntryAttributes, joined } from '../store/packed-entries.ts'
import { lastWords } from '../store/prefix-columns.ts'
import { EntryRuns } from './external-sort.ts'
import { type Context, refusalOf } from './listings.ts'
import type { ImportDone, ImportItem, ImportOutcome, ListFault, RefusedLine } from './types.ts'

/** Wrong lines that the report names; the others are only counted. */
const maxRefusedLines = 1000
/** Entries of one list. All are in memory until they are on disk, 25 octets each. */
const maxListEntries = 16_777_216
/** Characters of all different reasons of a list together. */
const maxReasonCharacters = 128 * 1024 * 1024
/** Characters of a wrong line that the report shows. */
const maxShownCharacters = 200

/** The tag of an exclusion. The tag of an entry is the number of its attributes. */
const exclusionTag = 0xffff_ffff

/** An entry as a list's file has it. */
export interface WantedEntry {
  readonly prefix: Prefix
  readonly attributes: EntryAttributes
}

interface ListItem {
  readonly prefix: Prefix
  /** null: an exclusion. */
  readonly attributes: EntryAttributes | null
}

/** Takes the lines of a list in, in any order, and gives its entries out. */
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

  /** Lines taken, wrong ones aside; several may have the same prefix. */
  get count(): number {
    return this.#runs.count
  }

  /** Characters of all different reasons together. */
  get reasonCharacters(): number {
    return this.#reasonCharacters
  }

  /** Takes lines in. Answers a refusal of the whole list as soon as there is cause for one. */
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
      return { refused: 'invalid', why: `its reasons have over ${maxReasonCharacters} characters` }
    }
    return undefined
  }

  /** Refuses a list of wrong lines only: it is an error page, or another format, and must not empty the list. */
  refusalOfNoEntries(): ImportOutcome | undefined {
    const [line] = this.#refused
    if (this.#runs.count > 0 || line === undefined) return undefined
    return { refused: 'invalid', why: `no line of it is an entry; ${lineFault(line)}`, line }
  }

  report(): Pick<ImportDone, 'refused' | 'refusedCount'> {
    return { refused: this.#refused, refusedCount: this.refusedCount }
  }

  /** Every prefix once, in address order, without what the list excludes. Call it when all lines are in. */
  entries(): Iterable<WantedEntry> {
    const items = this.#joined()
    // Without an exclusion every item has attributes.
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

  /** Lines of one prefix become one entry, or an exclusion if one of them is. */
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
 * Exclusions that a list brings along ("10.0.0.0/24, but not 10.0.0.5") → the prefixes that are left. An exclusion takes
 * nothing from other lists. The longest match decides, as in rbldnsd: what is listed inside an exclusion stays listed.
 * Items and entries: each prefix once, in address order, an enclosing prefix before what is inside it.
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
    yield* carved(group, hasExclusion)
    // An exclusion that nothing encloses has no effect.
    group = item.attributes === null ? [] : [item]
    hasExclusion = false
  }
  yield* carved(group, hasExclusion)
}

/** `group`: a listed prefix and everything inside it. */
function* carved(group: readonly ListItem[], hasExclusion: boolean): Generator<WantedEntry> {
  if (!hasExclusion) {
    for (const { prefix, attributes } of group) if (attributes) yield { prefix, attributes }
    return
  }
  const entries: WantedEntry[] = []
  carve(group, 0, entries)
  yield* entries.sort((a, b) => comparePrefixes(a.prefix, b.prefix))
}

/**
 * Adds what is left of the item at `index` and of everything inside it to `entries`. `end`: the first item that is not
 * inside it. `isCut`: it is an exclusion or has one inside, so what encloses it must leave it out.
 */
function carve(
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
    const result = carve(items, end, entries)
    if (result.isCut) cuts.push(inner.prefix)
    else whole.push(inner.prefix)
    end = result.end
  }
  if (item.attributes === null) return { end, isCut: true }
  const { attributes } = item
  // A piece that is listed by itself keeps its own attributes.
  for (const prefix of subtract(item.prefix, cuts)) {
    if (whole.some((each) => comparePrefixes(each, prefix) === 0)) continue
    entries.push({ prefix, attributes })
  }
  return { end, isCut: cuts.length > 0 }
}

type CheckContext = Pick<Context, 'store' | 'policy' | 'now'>

/** Quick checks for a million entries: a table of /16s tells that nothing special is near. The rule itself is `refusalOf`. */
class EntryChecks {
  readonly #context: CheckContext
  /** By the first 16 bits of an address: 1 if a special-purpose range, an exemption or an exclusion may be near. */
  readonly #marks: Record<Family, Uint8Array> = {
    4: new Uint8Array(65_536),
    6: new Uint8Array(65_536),
  }

  /** Later exemptions and exclusions are not seen. */
  constructor(context: CheckContext) {
    this.#context = context
    for (const { prefix } of specialRanges) this.#mark(prefix)
    for (const prefix of context.store.exemptions.prefixes()) this.#mark(prefix)
    for (const prefix of context.store.exclusions.prefixes()) this.#mark(prefix)
  }

  /** Why the entry may not be listed, as a clause for "TEXT: WHY"; undefined: it may. */
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

/** The beginning of a line, without control characters. */
function shortened(text: string): string {
  const shown = text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text
  return ownText(shown.replaceAll(/\p{C}/gu, '?'))
}

/** A copy: a slice would keep the whole text it was cut from in memory. */
function ownText(text: string): string {
  return Buffer.from(text).toString()
}
