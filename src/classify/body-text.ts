// A message's text → the part that its author wrote, without the returned message below it. The part is given as lines, and as
// one text folded for comparison with phrases. However long the text is, only a few hundred lines of a few hundred characters are
// read.
import { returnedTextStart } from '../mail/returned-text.ts'
import { fold, phraseIn, phraseTable } from './phrases.ts'

export interface BodyText {
  /** The author's lines, each cut to `maxLineLength` characters. */
  readonly lines: readonly string[]
  /** The same lines as one folded text: see `fold`. */
  readonly words: string
  /** Offset in the text of the returned message or its header section; -1 if there is none. */
  readonly returnedAt: number
  /** A line announces a returned message. Something else may follow it. */
  readonly announcesReturned: boolean
}

const maxLines = 300
const maxLineLength = 500
const maxWords = 12_000

/** Splits a text into the author's part and the returned part. Never throws. */
export function readBodyText(text: string): BodyText {
  const { at, announcedAt } = returnedTextStart(text)
  // The announcing line still belongs to the author.
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

/** Sentences that companies add to their mail: it was scanned and is clean, it is confidential, nobody is liable for it. */
const disclaimer =
  /\b(scanned|checked|screened|swept|virus-?free|free (of|from)|liab\w+|responsib\w+|confidential\w*|privileged|disclos\w+|intended (only|solely|for|recipient)|the intended|copyright|authori[sz]ation|unauthori[sz]ed (use|copy\w*|review|access|distribution)|disclaimer|warrant\w*|gepruft|gescannt|keine viren|vertraulich\w*|confidentiel\w*|confidencial\w*|riservat\w+|vertrouwelijk\w*|poufn\w+|exempt|libre de|verificado|controllat[oa]|gecontroleerd|sprawdzon\w+)\b|проверен|конфиденциал/
const isFinding =
  /\b(found|detected|infected|gefunden|trouve|encontrado|trovato|wykryt\w*)\b|обнаружен/

/** Removes such sentences from folded words, unless the text says that a scanner found something. */
export function withoutDisclaimers(words: string): string {
  return words
    .split(/(?<=[.!?]) /)
    .filter((sentence) => !disclaimer.test(sentence) || isFinding.test(sentence))
    .join(' ')
}

/** Words for mail in many languages. */
const mailStems = phraseTable(`
  mail | message | attachment | courriel | mensaje | correo | mensagem | messaggio | posta | nachricht | bericht | wiadomo | poczt | list do |
  письм | сообщен | почт | メール | メッセージ | 邮件 | 郵件 | 信件 | 메일 | meddelande | mejl | brev | besked | melding | viesti | viestin | zpráv | levél | levele |
  üzenet | ileti | mesaj | posta | μήνυμα | лист | повідомл
`)

/** Whether the folded words mention mail at all. */
export function speaksOfMail(words: string): boolean {
  return phraseIn(words, mailStems) !== undefined
}
