// Recognises notices that virus and content scanners send to the sender of a stopped message; usually that sender is forged. A
// rule needs a scanner's own title, or words that tell a sender about his mail.

import { isPlausible } from '../mail/delivery-status.ts'
import { speaksOfMail } from './body-text.ts'
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
import { phraseIn } from './phrases.ts'
import { saysAway } from './reply-words.ts'
import { scanners } from './scanner-titles.ts'
import type { Seen } from './seen.ts'
import { addressesOf } from './sender.ts'
import { isWatcher } from './system-notices.ts'

/** Words about an infection or forbidden content, so the notice is more than a refusal. */
const infection =
  /virus|vire?n\b|worm|malware|infect|infiz|banned|prohibited|disallowed|forbidden|вирус|ウイルス|病毒/

/**
 * The rule by which a scanner's own title makes the message a notice to the sender, or null. If the message is also a complete
 * delivery report, it must tell of an infection or a banned file: mail refused as spam is only refused mail.
 */
export function titledNoticeRule(seen: Seen): string | null {
  if (seen.subject.isAnswer || seen.isLetter || hasPayload(seen)) return null
  const scanner = scanners.find(({ title }) => title.test(seen.subject.folded))
  if (scanner === undefined || !isUnattended(seen, scanner.name)) return null
  if (seen.status !== null && isPlausible(seen.status) && !infection.test(seen.subject.folded))
    return null
  if (isCommonTitle(scanner.name) && (!tellsWhatWasStopped(seen) || isNewsletter(seen))) return null
  return saysFinding(seen) && isToSender(seen) ? `content-notice-${scanner.name}` : null
}

/** Whether the title is one that newsletters use too, without any vendor's words. */
function isCommonTitle(name: string): boolean {
  return ['clamav', 'scanner', 'antivirus'].includes(name)
}

/** Whether it is a newsletter: scanner makers also write about viruses, to everybody and with a link. */
function isNewsletter({ isAutomatic, hasLink, hasReturned, status }: Seen): boolean {
  return !isAutomatic && hasLink && !hasReturned && status === null
}

/** Whether the message says what happened to the mail, or returns it. */
function tellsWhatWasStopped(seen: Seen): boolean {
  return seen.hasReturned || seen.status !== null || hasStoppedWords(seen) || seen.saysFailure
}

/**
 * The rule for a notice that names a scanner in its words, or null. Run it before the rules for bounces: such a notice also says
 * who did not get the mail.
 */
export function signedNoticeRule(seen: Seen): string | null {
  if (seen.status !== null || !(seen.isAutomatic || isScannerName(seen))) return null
  const isScanner =
    scannerName.test(seen.from) || /\b(detector|our (virus )?scanner)\b/.test(seen.body.words)
  const isDetection =
    seen.isFromMailSystem && saysInfection(seen) && !seen.body.lines.some(hasReplyCode)
  if ((!isScanner && !isDetection) || bounceFormat(seen) !== null) return null
  return wordedNoticeRule(seen)
}

/**
 * The rule for a notice recognised by its words, or null. It must tell the sender what was found and stopped, must clearly not be
 * written by a person, and must sell nothing. A notice about an infection need only say that it was in the reader's mail.
 */
export function wordedNoticeRule(seen: Seen): string | null {
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
 * Whether the message comes from the null sender, is about mail, and names a scanner or an infection. Some such notices do not
 * say whose mail it was.
 */
function isUnaddressed(seen: Seen): boolean {
  const said = `${seen.subject.folded} ${seen.body.words}`
  if (seen.hasSender || seen.hasLink || isWatcher(seen) || !speaksOfMail(said)) return false
  if (!hasStoppedWords(seen) || isToSelf(seen) || ofReader.test(seen.subject.own)) return false
  if (!seen.hasReturned && !tellsWhich.test(seen.body.lines.join('\n'))) return false
  const isNamed = seen.hasNullSender && !seen.isFromMailSystem && virusName.test(said)
  return isNamed || scannerName.test(seen.from)
}

/** The message says which mail it means, by a header field or an address. */
const tellsWhich =
  /@|\b(subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|message-id|date|file ?name|attachment)\b|тема|件名|主题/i

/** Whether a scanner writes to itself, that is, to its operator. */
function isToSelf({ message }: Seen): boolean {
  const to = addressesOf(message.header, 'to')
  return addressesOf(message.header, 'from').some((address) => to.includes(address))
}

/** Names of infections as scanners write them: `W32/Netsky.B@mm`, `Worm.Bagle`, `Virus: …`. */
const virusName =
  /\b(w32|win32|w97m|worm|trojan|i-worm|email-worm|exploit|troj|js|html|vbs|pe)[./_][a-z]|\b(virus|infected with|infected by|worm|virus name|infection) ?["':]|\binfected (with|by)\b/

function isToRecipient(seen: Seen): boolean {
  const said = `${seen.subject.folded} ${seen.body.words}`
  if (phraseIn(said, toRecipientPhrases) !== undefined || toRecipient.test(said)) return true
  return standsBehind(seen, recipientLabel)
}

const recipientLabel =
  /(?<!\p{L})(for|to|recipients?|empfanger|an|fur|destinataire|pour|destinatario|para|per|voor|ontvanger|odbiorca|dla|получатель|для|宛先|收件人)[^\p{L}]{0,12}$/u

/** Whether the address that the message was sent to stands in its words behind this label. */
function standsBehind({ body, message }: Seen, label: RegExp): boolean {
  return addressesOf(message.header, 'to').some((address) => {
    const at = body.words.indexOf(address)
    return at > 0 && label.test(body.words.slice(Math.max(0, at - 40), at))
  })
}

function saysFinding(seen: Seen): boolean {
  return saysInfection(seen) || (saysUnwanted(seen) && !isModeration.test(seen.body.words))
}

function saysInfection(seen: Seen): boolean {
  return phraseIn(seen.said, infectionStems) !== undefined
}

function saysUnwanted(seen: Seen): boolean {
  return phraseIn(seen.said, unwantedStems) !== undefined || blockedFile.test(seen.said)
}

/** A file name with an extension that scanners block. */
const blockedFile = /\w\.(exe|scr|pif|bat|com|cmd|vbs|cpl|hta|js)\b(?!\.)/

/** Words of a list or forum that rejects a post; a scanner does not say this. */
const isModeration =
  /\b(moderat|forum|mailing list|your (post|posting|comment|ad|listing|account)\b)/

/**
 * Whether no person wrote it: it comes from a scanner, a mail system or a program, or has a vendor's title and never says "I".
 */
function isUnattended(seen: Seen, name: string): boolean {
  if (seen.isAutomatic || isScannerName(seen) || seen.hasReturned) return true
  const isBare = seen.message.parts.length === 0 && !seen.body.words.includes('http')
  return (
    name !== 'scanner' &&
    isBare &&
    !seen.isHandWritten &&
    !/\b(i|i'm|my|me)\b/.test(seen.body.words)
  )
}

function isToSender(seen: Seen): boolean {
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

/** Words that tell the recipient of mail that it was kept from him. */
const toRecipient =
  /\b(in|an?|the|by an?) (e-?mail|mail|message) (sent |addressed |that was sent )?to you\b|\bintended for you\b|\b(e-?mail|mail|message) for you\b/

function saysSentByReader(seen: Seen): boolean {
  return phraseIn(seen.body.words, sentByReaderPhrases) !== undefined || namesReaderAsSender(seen)
}

/** A provider or seller writes about something that the reader owns. */
const ofReader =
  /\byour (computer|pc|device|phone|mailbox|inbox|web ?site|site|server|system|network)\b|\bihr(en)? (computer|pc|postfach|rechner)\b|\bvotre (ordinateur|boite)\b|\bsu (ordenador|equipo|buzon)\b/

/** The message is about all of the reader's mail, not one stopped message. */
const manyMails = /(?<!\bof )\byour (messages|e-?mails|mails|attachments)\b/g

const senderLabel =
  /(?<!\p{L})(sent from|sent by|originated from|from|sender|author|authored by|absender|von|expediteur|envoye par|de la part de|remitente|enviado por|mittente|inviato da|remetente|enviada por|afzender|nadawca|отправитель|от|差出人|送信者|发件人|寄件人|보낸 ?사람)[^\p{L}]{0,12}$/u

/** Whether the message names its reader as the sender: his address follows "sender" or the like, or stands before "sent". */
function namesReaderAsSender(seen: Seen): boolean {
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

/** Names by which scanners sign. */
const scannerName =
  /anti-?vir|virus|clam|amavis|mailscanner|scanner|mimedefang|scanmail|interscan|imss|mailmarshal|mailsweeper|mimesweeper|sophos|puremessage|symantec|norton|mcafee|groupshield|webshield|antigen|forefront|barracuda|content[-_ .]?(filter|security|check)|spam[-_ .]?(filter|firewall|admin|block)|mail[-_ .]?(security|gateway|filter|shield|guard)|gfi|kaspersky|\bkav\b|bitdefender|panda|\brav\b|fortimail|drweb|avast|f-secure|quarantine|wirus|ウイルス|ウィルス|病毒|вирус|virensch|e-?safe\b|declude|proofpoint|ironport|norman|smsgateway|\bnav\b|inflex|xwall|exchange secure|spam ?titan|fortigate|ironmail|elron|surfcontrol|mx ?logic|postini|inspector|spamkiller|mail ?wall|gateway|防毒|바이러스|virustor|virusfilter|xamime|anomy|messagelabs/

function isScannerName({ from }: Seen): boolean {
  return scannerName.test(from) || /\bpostmaster\b/.test(from)
}

function hasStoppedWords({ body, subject }: Seen): boolean {
  return (
    phraseIn(body.words, stoppedStems) !== undefined ||
    phraseIn(subject.folded, stoppedStems) !== undefined
  )
}
