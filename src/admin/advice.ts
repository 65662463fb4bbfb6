// What a postmaster should change: data/advice.json, and which of its items fit the kinds and the software of a host. Titles and
// texts are in data/texts.
import rows from '../../data/advice.json' with { type: 'json' }
import { generators } from '../classify/classify.ts'
import { type BackscatterKind, backscatterKinds } from '../classify/kinds.ts'
import { type Language, type TextKey, translator } from './pages/texts.ts'

export interface Advice {
  readonly kinds: BackscatterKind[]
  /** The software that the item is for, by the classifier's name; null: for any. */
  readonly generator: string | null
  readonly title: string
  readonly text: string
  /** Lines to set, as that software's configuration has them. */
  readonly settings: string[]
  /** What the message looks like in the sending host's log, and a command that finds it. */
  readonly log: { readonly line: string; readonly command: string }
  readonly links: string[]
}

/** All items: first those that fit every host, then those of each kind, the general ones first. */
const items = rows.map((row) => {
  const { id, kinds, generator } = row
  const known = backscatterKinds.filter((kind) => kinds.includes(kind))
  if (known.length !== kinds.length) throw new Error(`data/advice.json: ${id}: unknown kind`)
  if (generator !== null && !generators.has(generator)) {
    throw new Error(`data/advice.json: ${id}: unknown generator`)
  }
  return { ...row, kinds: known }
})

type Item = (typeof items)[number]

function inLanguage({ id, command, ...item }: Item, language: Language): Advice {
  const t = translator(language)
  // A test holds that each item has its texts.
  const text = (part: string): string => t(`advice.${id}.${part}` as TextKey)
  return { ...item, title: text('title'), text: text('text'), log: { line: text('log'), command } }
}

export const allAdvice: readonly Advice[] = items.map((item) => inLanguage(item, 'en'))

/** What is known of the messages: the kind of each, and perhaps the software that wrote it. */
export interface Written {
  readonly kind: BackscatterKind | null
  readonly generator?: string | undefined
}

/**
 * The items for a host that is listed for these kinds. Where the software of a kind is known, its items come first, and those of
 * other software are left out; where it is not, the items of all software are there.
 */
export function adviceFor(
  kinds: readonly BackscatterKind[],
  messages: readonly Written[],
  language: Language = 'en',
): Advice[] {
  const written = kinds.map((kind) => ({
    kind,
    by: messages
      .filter((each) => each.kind === kind)
      .flatMap(({ generator }) => (generator === undefined ? [] : [generator])),
  }))
  const named: Item[] = []
  const others: Item[] = []
  for (const item of items) {
    const { generator } = item
    const fitting = written.filter(({ kind }) => item.kinds.includes(kind))
    if (fitting.length === 0) continue
    if (generator === null || fitting.some(({ by }) => by.length === 0)) others.push(item)
    else if (fitting.some(({ by }) => by.includes(generator))) named.push(item)
  }
  return [...named, ...others].map((item) => inLanguage(item, language))
}
