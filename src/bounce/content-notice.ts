// Notices of virus and content scanners to the sender of a stopped message; that sender is usually forged. A rule
// needs a scanner's own title, or wording that tells a sender about his mail.
import { phraseIn, speaksOfMail } from './body-text.ts'
import { isPlausible } from './dsn.ts'
import { hasReplyCode } from './failed-recipients.ts'
import { bounceFormat, hasPayload } from './non-delivery.ts'
import {
  infectionStems,
  sentByReaderPhrases,
  stoppedStems,
  toRecipientPhrases,
  toSenderPhrases,
  unwantedStems,
} from './notice-phrases.ts'
import type { Observation } from './observation.ts'
import { saysAway } from './reply-words.ts'
import { scanners } from './scanner-titles.ts'
import { addressesOf } from './sender.ts'
import { isWatcher } from './system-notices.ts'

/** It is more than a refusal: it tells the sender of an infection or of forbidden content. */
const infection =
  /virus|vire?n\b|worm|malware|infect|infiz|banned|prohibited|disallowed|forbidden|вирус|ウイルス|病毒/

/**
 * The rule by which it has a scanner's title for notices to senders. In the form of a complete delivery report it
 * must also tell of an infection or a banned file; mail refused as spam is merely refused mail.
 */
export function titledNoticeRule(seen: Observation): string | null {
  if (seen.subject.isAnswer || seen.isLetter || hasPayload(seen)) return null
  const scanner = scanners.find(({ title }) => title.test(seen.subject.folded))
  if (scanner === undefined || !isUnattended(seen, scanner.name)) return null
  if (seen.status !== null && isPlausible(seen.status) && !infection.test(seen.subject.folded))
    return null
  if (isCommonTitle(scanner.name) && (!tellsWhatWasStopped(seen) || isNewsletter(seen))) return null
  return saysFinding(seen) && isToSender(seen) ? `content-notice-${scanner.name}` : null
}

/** Titles without any vendor's wording; newsletters use them too. */
function isCommonTitle(name: string): boolean {
  return ['clamav', 'scanner', 'antivirus'].includes(name)
}

/** Scanner makers also write about viruses, to everybody and with something to read. */
function isNewsletter({ isAutomatic, hasLink, hasReturned, status }: Observation): boolean {
  return !isAutomatic && hasLink && !hasReturned && status === null
}

/** It says what happened to the mail, or returns it. */
function tellsWhatWasStopped(seen: Observation): boolean {
  return seen.hasReturned || seen.status !== null || hasStoppedWords(seen) || seen.saysFailure
}

/**
 * A notice by its words, signed with a scanner's name. It must be tried before bounces, since it also says who did
 * not get the mail.
 */
export function signedNoticeRule(seen: Observation): string | null {
  if (seen.status !== null || !(seen.isAutomatic || isScannerName(seen))) return null
  const isScanner =
    scannerName.test(seen.from) || /\b(detector|our (virus )?scanner)\b/.test(seen.body.words)
  const isDetection =
    seen.isFromMailSystem && saysInfection(seen) && !seen.body.lines.some(hasReplyCode)
  if ((!isScanner && !isDetection) || bounceFormat(seen) !== null) return null
  return wordedNoticeRule(seen)
}

/**
 * A notice by its words: it tells the sender what was found and stopped, it is clearly not written by a person, and
 * it sells nothing. About an infection, some say only that it was in what the reader sent.
 */
export function wordedNoticeRule(seen: Observation): string | null {
  if (seen.subject.isAnswer || seen.isLetter || hasPayload(seen)) return null
  if (saysAway(seen) && !scannerName.test(seen.from)) return null
  if (!seen.isAutomatic && (!isScannerName(seen) || seen.body.words.includes('http'))) return null
  if (!saysFinding(seen)) return null
  const isSentByReader = saysSentByReader(seen)
  if (!isSentByReader && isToRecipient(seen)) return null
  if (isToSender(seen)) {
    const isPlain = isSentByReader && saysInfection(seen) && !seen.hasLink
    return isPlain || hasStoppedWords(seen) ? 'content-notice-words' : null
  }
  return isUnaddressed(seen) ? 'content-notice-unaddressed' : null
}

/**
 * From the null sender, about mail, and with the name of a scanner or an infection. Some of these do not say whose
 * mail it was.
 */
function isUnaddressed(seen: Observation): boolean {
  const said = `${seen.subject.folded} ${seen.body.words}`
  if (seen.hasSender || seen.hasLink || isWatcher(seen) || !speaksOfMail(said)) return false
  if (!hasStoppedWords(seen) || isToSelf(seen) || ofReader.test(seen.subject.own)) return false
  if (!seen.hasReturned && !tellsWhich.test(seen.body.lines.join('\n'))) return false
  const isNamed = seen.hasNullSender && !seen.isFromMailSystem && virusName.test(said)
  return isNamed || scannerName.test(seen.from)
}

/** It says which message it was, by a field of it or an address. */
const tellsWhich =
  /@|\b(subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|message-id|date|file ?name|attachment)\b|тема|件名|主题/i

/** A scanner also writes to itself; its operator reads that. */
function isToSelf({ message }: Observation): boolean {
  const to = addressesOf(message.header, 'to')
  return addressesOf(message.header, 'from').some((address) => to.includes(address))
}

/** The form in which scanners name what they find: `W32/Netsky.B@mm`, `Worm.Bagle`, `Virus: …`. */
const virusName =
  /\b(w32|win32|w97m|worm|trojan|i-worm|email-worm|exploit|troj|js|html|vbs|pe)[./_][a-z]|\b(virus|infected with|infected by|worm|virus name|infection) ?["':]|\binfected (with|by)\b/

function isToRecipient(seen: Observation): boolean {
  const said = `${seen.subject.folded} ${seen.body.words}`
  if (phraseIn(said, toRecipientPhrases) !== undefined || toRecipient.test(said)) return true
  return standsBehind(seen, recipientLabel)
}

const recipientLabel =
  /(?<!\p{L})(for|to|recipients?|empfanger|an|fur|destinataire|pour|destinatario|para|per|voor|ontvanger|odbiorca|dla|получатель|для|宛先|收件人)[^\p{L}]{0,12}$/u

/** The address that it writes to follows one of these words. */
function standsBehind({ body, message }: Observation, label: RegExp): boolean {
  return addressesOf(message.header, 'to').some((address) => {
    const at = body.words.indexOf(address)
    return at > 0 && label.test(body.words.slice(Math.max(0, at - 40), at))
  })
}

function saysFinding(seen: Observation): boolean {
  return saysInfection(seen) || (saysUnwanted(seen) && !isModeration.test(seen.body.words))
}

function saysInfection(seen: Observation): boolean {
  return phraseIn(seen.said, infectionStems) !== undefined
}

function saysUnwanted(seen: Observation): boolean {
  return phraseIn(seen.said, unwantedStems) !== undefined || barredFile.test(seen.said)
}

/** A file type that scanners block. */
const barredFile = /\w\.(exe|scr|pif|bat|com|cmd|vbs|cpl|hta|js)\b(?!\.)/

/** Mail that a list or a forum objects to is not a scanner's business. */
const isModeration =
  /\b(moderat|forum|mailing list|your (post|posting|comment|ad|listing|account)\b)/

/** It comes from a scanner, a mail system or a program; or a vendor's title stands above words that never say "I". */
function isUnattended(seen: Observation, name: string): boolean {
  if (seen.isAutomatic || isScannerName(seen) || seen.hasReturned) return true
  const isBare = seen.message.parts.length === 0 && !seen.body.words.includes('http')
  return (
    name !== 'scanner' &&
    isBare &&
    !seen.isHandWritten &&
    !/\b(i|i'm|my|me)\b/.test(seen.body.words)
  )
}

function isToSender(seen: Observation): boolean {
  const { body, subject } = seen
  if (toRecipient.test(subject.folded) || toRecipient.test(body.words)) return false
  if (ofReader.test(subject.own)) return false
  return (
    phraseIn(`${subject.own} ${body.words}`.replace(manyMails, ' '), toSenderPhrases) !==
      undefined ||
    /\b(from|by) you\b|\byour (e-?mail|message|mail|attachment)|\byou (have )?sent\b|\bfrom your (e-?mail )?address|\bto (the )?sender\b/.test(
      subject.folded,
    ) ||
    namesReaderAsSender(seen) ||
    (subject.isClearBounce && seen.hasNullSender)
  )
}

/** It tells the recipient what was kept from him. */
const toRecipient =
  /\b(in|an?|the|by an?) (e-?mail|mail|message) (sent |addressed |that was sent )?to you\b|\bintended for you\b|\b(e-?mail|mail|message) for you\b/

function saysSentByReader(seen: Observation): boolean {
  return phraseIn(seen.body.words, sentByReaderPhrases) !== undefined || namesReaderAsSender(seen)
}

/** A provider or seller writes about something the reader owns. */
const ofReader =
  /\byour (computer|pc|device|phone|mailbox|inbox|web ?site|site|server|system|network)\b|\bihr(en)? (computer|pc|postfach|rechner)\b|\bvotre (ordinateur|boite)\b|\bsu (ordenador|equipo|buzon)\b/

/** It concerns all of the reader's mail, not one stopped message. */
const manyMails = /(?<!\bof )\byour (messages|e-?mails|mails|attachments)\b/g

const senderLabel =
  /(?<!\p{L})(sent from|sent by|originated from|from|sender|author|authored by|absender|von|expediteur|envoye par|de la part de|remitente|enviado por|mittente|inviato da|remetente|enviada por|afzender|nadawca|отправитель|от|差出人|送信者|发件人|寄件人|보낸 ?사람)[^\p{L}]{0,12}$/u

/** The address that it writes to follows "sender" or the like, or precedes "sent". */
function namesReaderAsSender(seen: Observation): boolean {
  const { words } = seen.body
  return (
    standsBehind(seen, senderLabel) ||
    addressesOf(seen.message.header, 'to').some((address) => {
      const at = words.indexOf(address)
      return at >= 0 && hasSent.test(words.slice(at + address.length, at + address.length + 30))
    })
  )
}

const hasSent = /^\W{0,3}(has |had )?(sent|submitted|mailed|tried to send) /

/** Names that scanners sign with. */
const scannerName =
  /anti-?vir|virus|clam|amavis|mailscanner|scanner|mimedefang|scanmail|interscan|imss|mailmarshal|mailsweeper|mimesweeper|sophos|puremessage|symantec|norton|mcafee|groupshield|webshield|antigen|forefront|barracuda|content[-_ .]?(filter|security|check)|spam[-_ .]?(filter|firewall|admin|block)|mail[-_ .]?(security|gateway|filter|shield|guard)|gfi|kaspersky|\bkav\b|bitdefender|panda|\brav\b|fortimail|drweb|avast|f-secure|quarantine|wirus|ウイルス|ウィルス|病毒|вирус|virensch|e-?safe\b|declude|proofpoint|ironport|norman|smsgateway|\bnav\b|inflex|xwall|exchange secure|spam ?titan|fortigate|ironmail|elron|surfcontrol|mx ?logic|postini|inspector|spamkiller|mail ?wall|gateway|防毒|바이러스|virustor|virusfilter|xamime|anomy|messagelabs/

function isScannerName({ from }: Observation): boolean {
  return scannerName.test(from) || /\bpostmaster\b/.test(from)
}

function hasStoppedWords({ body, subject }: Observation): boolean {
  return (
    phraseIn(body.words, stoppedStems) !== undefined ||
    phraseIn(subject.folded, stoppedStems) !== undefined
  )
}
