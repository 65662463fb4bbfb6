// A message's text → the part in which somebody speaks, apart from the message that is given back below it, in lines
// and folded for comparing with phrases. Bounded: what is looked at is a few hundred lines of a few hundred
// characters, whatever was sent. Called by the recognisers that go by wording.
import { returnedTextStart } from './returned-text.ts'

export interface BodyText {
  /** The speaker's own lines, each at most `maxLineLength` characters. */
  readonly lines: readonly string[]
  /** The same as one folded line: see `fold`. */
  readonly words: string
  /** Where the returned message, or its header section, begins in the text; -1 when none was found. */
  readonly returnedAt: number
  /** A line announces a returned message; what follows need not be one. */
  readonly announcesReturned: boolean
}

const maxLines = 300
export const maxLineLength = 500
const maxWords = 12_000

/** Cuts a text into the speaker's part and what is returned. Never throws. */
export function readBodyText(text: string): BodyText {
  const { at, announcedAt } = returnedTextStart(text)
  // The line that announces it is still the speaker's.
  const announcedEnd = announcedAt < 0 ? -1 : text.indexOf('\n', announcedAt)
  const ends = [at, announcedEnd].filter((end) => end >= 0)
  const own = ends.length === 0 ? text : text.slice(0, Math.min(...ends))
  const lines = cutLines(own)
  return {
    lines,
    words: fold(lines.join(' ').slice(0, maxWords)),
    returnedAt: at,
    announcesReturned: announcedAt >= 0,
  }
}

/** At most `maxLines` lines of at most `maxLineLength` characters. */
function cutLines(text: string): string[] {
  const lines: string[] = []
  let position = 0
  while (position < text.length && lines.length < maxLines) {
    const newline = text.indexOf('\n', position)
    const end = newline < 0 ? text.length : newline
    lines.push(text.slice(position, Math.min(end, position + maxLineLength)).trimEnd())
    position = end + 1
  }
  return lines
}

/** Letters that have no decomposition, and the quotation marks that word processors write. */
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

/** Lower case, without accents, white space as one blank: `N’a  pas été` and `n'a pas ete` are the same. */
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

/** Folds a list of phrases once, when a table is loaded. */
export function foldAll(...lists: (readonly string[])[]): readonly string[] {
  return lists.flat().map(fold)
}

/** Phrases with bars between them, folded; `_` is the blank at which a word begins or ends. */
export function phraseTable(table: string): readonly string[] {
  return table.split('|').map((phrase) => fold(phrase).replaceAll('_', ' '))
}

/** That it was looked at and is clean, for whom it is meant, and that nobody answers for it. */
const disclaimer =
  /\b(scanned|checked|screened|swept|virus-?free|free (of|from)|liab\w+|responsib\w+|confidential\w*|privileged|disclos\w+|intended (only|solely|for|recipient)|the intended|copyright|authori[sz]ation|unauthori[sz]ed (use|copy\w*|review|access|distribution)|disclaimer|warrant\w*|gepruft|gescannt|keine viren|vertraulich\w*|confidentiel\w*|confidencial\w*|riservat\w+|vertrouwelijk\w*|poufn\w+|exempt|libre de|verificado|controllat[oa]|gecontroleerd|sprawdzon\w+)\b|проверен|конфиденциал/
const isFinding =
  /\b(found|detected|infected|gefunden|trouve|encontrado|trovato|wykryt\w*)\b|обнаружен/

/** Folded words without such sentences, unless something was found. */
export function withoutDisclaimers(words: string): string {
  return words
    .split(/(?<=[.!?]) /)
    .filter((sentence) => !disclaimer.test(sentence) || isFinding.test(sentence))
    .join(' ')
}

/** Words for mail, in the languages that mail systems speak. */
const mailStems = phraseTable(`
  mail | message | attachment | courriel | mensaje | correo | mensagem | messaggio | posta | nachricht | bericht | wiadomo | poczt | list do |
  письм | сообщен | почт | メール | メッセージ | 邮件 | 郵件 | 信件 | 메일 | meddelande | mejl | brev | besked | melding | viesti | viestin | zpráv | levél | levele |
  üzenet | ileti | mesaj | posta | μήνυμα | лист | повідомл
`)

/** Whether the folded words speak of mail at all. */
export function speaksOfMail(words: string): boolean {
  return phraseIn(words, mailStems) !== undefined
}

/** The first of the folded phrases that occurs in folded words, or undefined. */
export function phraseIn(words: string, phrases: readonly string[]): string | undefined {
  return phrases.find((phrase) => words.includes(phrase) || isAtEdge(words, phrase))
}

/** The blank before or behind a phrase is the text's edge. */
function isAtEdge(words: string, phrase: string): boolean {
  return (
    (phrase.startsWith(' ') && words.startsWith(phrase.slice(1))) ||
    (phrase.endsWith(' ') && words.endsWith(phrase.slice(0, -1)))
  )
}
