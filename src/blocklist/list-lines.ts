// The lines of a list on their way in: each one checked by itself, what may be listed kept small and put in order at
// the end, what may not told.

import type { Family, Prefix } from '../ip/address.ts'
import { specialRanges } from '../ip/special-purpose.ts'
import { comparePrefixes, type EntryAttributes, joined } from '../store/packed-entries.ts'
import { lastWords } from '../store/prefix-columns.ts'
import type { Context } from './context.ts'
import { EntryRuns } from './external-sort.ts'
import { refusalOf } from './listings.ts'
import { type ListItem, type WantedEntry, withoutHoles } from './subtract-holes.ts'
import type { ImportDone, ImportItem, ImportOutcome, ListFault, RefusedLine } from './types.ts'

/** Wrong lines that are told one by one; the others are counted. */
export const maxRefusedLines = 1000
/** Entries of one list: what is read stays in memory until it is on disk, 25 octets each. */
export const maxListEntries = 16_777_216
/** All different reasons of a list together, in characters. */
const maxReasonCharacters = 128 * 1024 * 1024
/** Characters of a wrong line that are kept. */
const maxShownCharacters = 200

/** Tag of a hole; entries have the numbers of their attributes. */
const holeTag = 0xffff_ffff

/** The lines of a list as they come: checked one by one, kept in a small form, and put in order at the end. */
export class ListLines {
  readonly #checks: EntryChecks
  readonly #isStrict: boolean
  readonly #runs = new EntryRuns()
  readonly #attributes: EntryAttributes[] = []
  readonly #numbers = new Map<string, number>()
  #last: EntryAttributes | undefined
  #lastNumber = 0
  #reasonCharacters = 0
  #holes = 0
  readonly #refused: RefusedLine[] = []
  refusedCount = 0

  constructor(context: CheckGround, isStrict: boolean) {
    this.#checks = new EntryChecks(context)
    this.#isStrict = isStrict
  }

  /** Lines that are entries; some may be of one prefix. */
  get count(): number {
    return this.#runs.count
  }

  /** Characters of all different reasons together. */
  get reasonCharacters(): number {
    return this.#reasonCharacters
  }

  /** Takes lines in; a refusal of the whole list as soon as there is cause for one. */
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

  /** A list of nothing but wrong lines is an error page, or another format: it does not empty what was there. */
  nothing(): ImportOutcome | undefined {
    const [line] = this.#refused
    if (this.#runs.count > 0 || line === undefined) return undefined
    return { refused: 'invalid', why: `no line of it is an entry; ${lineFault(line)}`, line }
  }

  report(): Pick<ImportDone, 'refused' | 'refusedCount'> {
    return { refused: this.#refused, refusedCount: this.refusedCount }
  }

  /** Every prefix once, in address order, holes cut out. For when all lines are in. */
  entries(): Iterable<WantedEntry> {
    const items = this.#joined()
    // Without a hole every item has its attributes.
    return this.#holes === 0 ? (items as Iterable<WantedEntry>) : withoutHoles(items)
  }

  #add({ prefix, attributes }: Extract<ImportItem, { prefix: Prefix }>): string | undefined {
    if (attributes === null) {
      this.#holes += 1
      this.#runs.add(prefix, holeTag)
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

  /** Lines of one prefix are one entry; a hole of exactly that prefix beats it. */
  *#joined(): Generator<ListItem> {
    let open: ListItem | undefined
    for (const { prefix, tag } of this.#runs.sorted()) {
      const attributes = tag === holeTag ? null : (this.#attributes[tag] ?? null)
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

type CheckGround = Pick<Context, 'store' | 'policy' | 'now'>

/** Asked a million times: most networks are far from anything special, and a table of /16s says so in no time. */
class EntryChecks {
  readonly #context: CheckGround
  /** By the first 16 bits: 1 where something special-purpose, exempt or excluded may be. */
  readonly #marks: Record<Family, Uint8Array> = {
    4: new Uint8Array(65_536),
    6: new Uint8Array(65_536),
  }

  /** Looks at the exemptions and exclusions there are now. */
  constructor(context: CheckGround) {
    this.#context = context
    for (const { prefix } of specialRanges) this.#mark(prefix)
    for (const prefix of context.store.exemptions.prefixes()) this.#mark(prefix)
    for (const prefix of context.store.exclusions.prefixes()) this.#mark(prefix)
  }

  /** Why the entry may not be listed: a clause fit for "TEXT: WHY"; undefined when it may. */
  refusal(prefix: Prefix, expiresAt: number | null): string | undefined {
    const { policy, now } = this.#context
    const shortest = prefix.family === 4 ? policy.shortest4 : policy.shortest6
    const isFarOff = prefix.length >= 16 && this.#marks[prefix.family][prefix.w0 >>> 16] === 0
    if (isFarOff && prefix.length >= shortest && (expiresAt === null || expiresAt > now)) {
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

/** The beginning of it, without control characters. */
function shortened(text: string): string {
  const shown = text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text
  return ownText(shown.replaceAll(/\p{C}/gu, '?'))
}

/** A copy: a short piece keeps all that it was cut from in memory. */
function ownText(text: string): string {
  return Buffer.from(text).toString()
}
