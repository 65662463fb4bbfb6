// Phrases: text → a form in which it can be compared, and the tables of data/phrases, which hold what programs write.
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const folder = join(import.meta.dirname, '../../data/phrases')

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
function readPhraseRows(): PhraseRow[] {
  return globSync('*/*.tsv', { cwd: folder })
    .toSorted()
    .flatMap((file) =>
      readFileSync(join(folder, file), 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => {
          const [statement = '', phrase = '', witness = ''] = line.split('\t')
          const language = basename(file, '.tsv')
          return { kind: dirname(file), language, statement, phrase, witness }
        }),
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

/** All rows of data/phrases, in the files' order. */
export const phraseRows = readPhraseRows()

const tables = Map.groupBy(phraseRows, ({ kind, statement }) => `${kind} ${statement}`)
const foldedTables = new Map(
  [...tables].map(([table, rows]) => [
    table,
    rows.map(({ phrase }) => fold(phrase).replaceAll('_', ' ')),
  ]),
)

/** The folded phrases of one statement of a kind, in all languages. `_` at the edge of a phrase means that a word begins or ends there. */
export function phrasesOf(kind: string, statement: string): readonly string[] {
  return foldedTables.get(`${kind} ${statement}`) ?? []
}

/** Whether folded words have a phrase of one of the statements of a kind. */
export function hasPhrase(words: string, kind: string, ...statements: string[]): boolean {
  const text = ` ${words} `
  return statements.some((each) => phrasesOf(kind, each).some((phrase) => text.includes(phrase)))
}
