// A message's lines → words to compare with phrases, and what those words speak of.
import { fold, phraseIn, phraseTable } from './phrases.ts'

export interface BodyText {
  /** The author's lines. */
  readonly lines: readonly string[]
  /** The same lines as one folded text: see `fold`. */
  readonly words: string
}

const maxWords = 12_000

export function readBodyText(lines: readonly string[]): BodyText {
  return { lines, words: fold(lines.join(' ').slice(0, maxWords)) }
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
