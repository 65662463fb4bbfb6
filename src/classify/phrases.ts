// Phrases: text → a form in which it can be compared, and the tables of data/phrases, which hold what programs write.
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'

const folder = new URL('../../data/phrases/', import.meta.url).pathname

/** The rows of all files of data/phrases, as text: kind (the folder's name), language (the file's name), and three columns. */
interface PhraseRow {
  readonly kind: string
  readonly language: string
  /** What the phrase says, and so the table that it belongs to. */
  readonly statement: string
  /** As the software writes it. ` … ` separates pieces that may have other words between them. */
  readonly phrase: string
  /** Who wrote it: see data/guide/classifying.md. */
  readonly witness: string
}

/** Reads data/phrases/KIND/LANGUAGE.tsv. Lines that begin with # are comments. */
export function readPhraseRows(): PhraseRow[] {
  return globSync('*/*.tsv', { cwd: folder })
    .toSorted()
    .flatMap((file) =>
      readFileSync(folder + file, 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => {
          const [statement = '', phrase = '', witness = ''] = line.split('\t')
          const language = basename(file, '.tsv')
          return { kind: dirname(file), language, statement, phrase, witness }
        }),
    )
}

const tables = Map.groupBy(readPhraseRows(), ({ kind, statement }) => `${kind} ${statement}`)

/** The folded phrases of one statement of a kind, in all languages. `_` at the edge of a phrase means that a word begins or ends there. */
export function phrasesOf(kind: string, statement: string): readonly string[] {
  const rows = tables.get(`${kind} ${statement}`) ?? []
  return rows.map(({ phrase }) => fold(phrase).replaceAll('_', ' '))
}

/** The folded phrases of the statements `PREFIX…` of a kind, by the rest of the statement's name, in the files' order. */
export function phraseGroups(kind: string, prefix: string): Map<string, readonly string[]> {
  const start = `${kind} ${prefix}`
  return new Map(
    [...tables.keys()]
      .filter((key) => key.startsWith(start))
      .map((key) => [key.slice(start.length), phrasesOf(kind, key.slice(kind.length + 1))]),
  )
}

/** Letters without a Unicode decomposition, and typographic quotation marks, with their plain forms. */
const plainLetters: Readonly<Record<string, string>> = {
  ł: 'l',
  ø: 'o',
  đ: 'd',
  ß: 'ss',
  æ: 'ae',
  ı: 'i',
  '’': "'",
  '‘': "'",
  '´': "'",
  '`': "'",
}

/**
 * Makes text comparable: lower case, no accents, each run of white space one blank. `N’a  pas été` and `n'a pas ete` become the
 * same.
 */
export function fold(text: string): string {
  const lower = text.toLowerCase()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the range of ASCII.
  const plain = /^[\x00-\x7f]*$/.test(lower)
    ? lower.replaceAll('`', "'")
    : lower
        .normalize('NFD')
        .replace(/\p{M}/gu, '')
        .replace(/[łøđßæı’‘´`]/g, (letter) => plainLetters[letter] ?? letter)
  return plain.replace(/\s+/g, ' ').trim()
}

/** Whether one of the folded phrases is in the folded words. */
export function phraseIsIn(words: string, phrases: readonly string[]): boolean {
  return phrases.some((phrase) => words.includes(phrase) || isAtEdge(words, phrase))
}

/** A blank at the edge of a phrase also stands for the beginning or end of the text. */
function isAtEdge(words: string, phrase: string): boolean {
  return (
    (phrase.startsWith(' ') && words.startsWith(phrase.slice(1))) ||
    (phrase.endsWith(' ') && words.endsWith(phrase.slice(0, -1)))
  )
}
