// Recognises automatic replies by their wording, since many have no mark of RFC 3834. Rules use the titles that programs put
// before a subject, and what people write when they are away. The rules that use marks must run first.

import { firstValue } from '../mail/header.ts'
import { autoReplyRule, autoSubmitted } from './auto-reply.ts'
import { speaksOfMail } from './body-text.ts'
import { phraseIn } from './phrases.ts'
import {
  absenceTitle,
  acknowledgementPhrases,
  automaticPhrases,
  awayPhrases,
  awayStems,
  bareTitles,
  goneStems,
  personalTitles,
  programTitles,
  receiptPhrases,
  unreadPhrases,
} from './reply-phrases.ts'
import type { Seen } from './seen.ts'
import { addressesOf } from './sender.ts'
import { isNotifier } from './system-notices.ts'

const answerPrefix = /^(re|aw|antw|sv|odp|rif|r|ris)(\[\d+\])?\s?[:：]\s*/

/** Whether the subject begins with a program's title. A person's answer to an automatic reply begins with it too. */
export function hasProgramTitle(seen: Seen): boolean {
  const { subject } = seen
  const title = subject.folded.replace(/^[[(*"]{1,3}/, '')
  return (
    bareTitles.includes(title) ||
    programTitles.some((each) => title.startsWith(each)) ||
    isAbsenceTitle(seen)
  )
}

/** Whether the title stands alone or before the subject that it answers, and does not belong to a sentence. */
function isSetOff(seen: Seen): boolean {
  const { folded } = seen.subject
  const title = folded.replace(/^[[(*"]{1,3}/, '')
  const program = programTitles
    .filter((each) => title.startsWith(each))
    .toSorted((a, b) => b.length - a.length)[0]
  if (program === undefined) return true
  if (program === 'auto:') return phraseIn(seen.body.words, awayPhrases) !== undefined
  if (program.endsWith(':')) return true
  const rest = title.slice(program.length)
  return (
    !/^ ?[\p{Script=Latin}]/u.test(rest) ||
    /^ (re|from|to|for|by|von|auf|fur|zu|de|da|di|van|op|a|do|od|na|about|regarding|message|e-?mail|mail|text)\b/.test(
      rest,
    )
  )
}

/** Whether somebody says that he is away, by a program's title or in his own words. */
export function saysAway(seen: Seen): boolean {
  return hasProgramTitle(seen) || phraseIn(seen.body.words, awayPhrases) !== undefined
}

/** Whether the title says that its writer is absent, and the text has a date. A colleague writes so only in a letter. */
function isAbsenceTitle({ subject, body, isLetter, isHandWritten }: Seen): boolean {
  return (
    absenceTitle.test(subject.folded) &&
    /\d{1,4}[./-]\d{1,2}/.test(body.words) &&
    !isLetter &&
    !isHandWritten
  )
}

/** Whether the title says that somebody is away, and a header field says that the message is automatic. */
export function isMarkedAway(seen: Seen): boolean {
  return isMarked(seen) && phraseIn(seen.subject.folded, personalTitles) !== undefined
}

/**
 * The rule by which the wording makes the message an automatic reply, or null. A program's title needs one more sign. A person's
 * title needs words of absence, and a header field or the fact that the message answers another one. Words alone need the null
 * sender.
 */
export function replyWordsRule(seen: Seen): string | null {
  const { subject, body, hasNullSender } = seen
  // Auto-Submitted says that it is not a reply (RFC 3834 §5, RFC 5436 §2.7.1).
  if (/^(no|auto-notified)$/.test(autoSubmitted(seen.message.header))) return null
  if (isPromotion(seen) || invitationAnswer.test(subject.folded)) return null
  const mayBeReply =
    hasNullSender || isMarked(seen) || seen.isAnswer || hasProgramTitle(seen) || endsWithTitle(seen)
  if (!mayBeReply && !isFromVacationProgram(seen)) return null
  const isAbsent = phraseIn(body.words, awayPhrases) !== undefined
  const saysGone = phraseIn(body.words, goneStems) !== undefined
  const hintsAway = isAbsent || saysGone || phraseIn(body.words, awayStems) !== undefined
  const saysAutomatic = phraseIn(body.words, automaticPhrases) !== undefined
  const saysReceipt = saysAutomatic || phraseIn(body.words, receiptPhrases) !== undefined
  const hasQuotation = body.lines.some((line) => line.startsWith('>'))
  const quotes = !hasNullSender && hasQuotation
  const isSigned =
    hintsAway ||
    saysReceipt ||
    isMarked(seen) ||
    seen.isAnswer ||
    hasBareWords(seen) ||
    isOwnTitle(seen)
  const isMachine = isMarked(seen) || seen.isAnswer || isSetOff(seen)
  if (isSalesPitch(seen, { hintsAway, saysReceipt })) return null
  if (hasProgramTitle(seen) && !quotes && isSigned && isMachine) return 'reply-program-title'
  if (isFromVacationProgram(seen) && !hasQuotation) return 'reply-vacation-program'
  // Nobody reads mail to this address, so nobody can be away: the message is about somebody else.
  if (isNotifier(seen) && !seen.isAnswer && !saysNobodyReads(seen)) return null
  if (tellsOfOthers(seen)) return null
  const bare = subject.own.trim().replace(answerPrefix, '')
  const isTitled =
    phraseIn(bare, personalTitles) !== undefined ||
    phraseIn(bare, automaticPhrases) !== undefined ||
    programTitles.some((title) => bare.startsWith(title))
  const saysWhy = hintsAway || saysAutomatic
  const leavesPlainly = hasReplyPrecedence(seen) && isBareText(seen)
  if ((saysWhy || leavesPlainly) && isTitled && isMarked(seen)) return 'reply-titled-automatic'
  if (saysWhy && isTitled && seen.isAnswer && !quotes && !seen.isLetter) return 'reply-titled-away'
  if (saysAutomatic && seen.isAnswer && (hasNullSender || hasReplyPrecedence(seen)))
    return 'reply-marked-answer'
  // A person does not answer from the null sender (RFC 5321 §4.5.5), nor with the Precedence and X-Loop of formail.
  const answersAlone = seen.isAnswer && !hasQuotation && !seen.isHandWritten
  if (answersAlone && hasReplyPrecedence(seen) && hasOwnLoop(seen)) return 'reply-formail'
  if (!hasNullSender) return endsWithTitle(seen) && !quotes ? 'reply-title-behind' : null
  if (answersAlone && (!seen.hasLink || isAbsent || saysReceipt)) return 'reply-null-sender'
  if (!seen.isAnswer && isForum.test(subject.folded)) return null
  if ((hasQuotation && !isAbsent) || isTicket(seen)) return null
  const isOpen = !seen.hasLink || isTitled || subject.isAnswer || seen.isAnswer
  if ((isAbsent && isOpen) || (saysReceipt && isTitled)) return 'reply-null-sender'
  const isGone = saysGone && (speaksOfMail(body.words) || body.words.includes('@'))
  const answersSomething =
    subject.isAnswer && (hintsAway || saysReceipt || saysNobodyReads(seen) || hasPrecedence(seen))
  const hasOwnTitle = !subject.isAnswer && (isTitled || saysAwayIn(bare))
  const isPlain =
    hasOwnTitle ||
    isGone ||
    answersSomething ||
    phraseIn(body.words, acknowledgementPhrases) !== undefined
  return isPlain && isBareText(seen) ? 'reply-null-sender' : null
}

/** Whether the title says that somebody is away, although no table has it. */
function saysAwayIn(title: string): boolean {
  return phraseIn(title, awayPhrases) !== undefined || phraseIn(title, awayStems) !== undefined
}

/**
 * Whether the message is about other people: a roster, an offer, a notice. It answers nothing, and no English word in it is about
 * its writer or about mail.
 */
function tellsOfOthers(seen: Seen): boolean {
  const { subject, body } = seen
  if (seen.isAnswer || subject.isAnswer || hasReplyPrecedence(seen)) return false
  const said = `${subject.folded} ${body.words}`.replace(notOfMail, ' ')
  return english.test(said) && !ofWriterOrMail.test(said)
}

const english = /\b(the|and|will|this|has|from|until|on (leave|vacation|holiday))\b/
const notOfMail =
  /\b(automat\S* (generated )?|automated )(e-?mail|message|notification)|\be-?mail address/g
const ofWriterOrMail =
  /\b(i|i'm|i'll|i've|i'd|my|me|myself|(e-?)?mails?|messages?|letter|enquiry|inquiry|request|contact(ing)?|writing|reply|respond|response|urgent)\b/

/** Whether it has a Precedence field, whatever its value; mail from people has none. */
function hasPrecedence({ message }: Seen): boolean {
  return firstValue(message.header, 'precedence') !== undefined
}

/** Whether the subject has a case number of a help desk. */
function isTicket({ subject }: Seen): boolean {
  return /[[(#][^\])]{0,30}\d{3,}/.test(subject.folded)
}

/** Titles that calendars give to answers to invitations. */
const invitationAnswer =
  /^(accepted|declined|tentative(ly accepted)?|cancell?ed|(updated )?invitation|zugesagt|abgesagt|mit vorbehalt|accepte|refuse|provisoire|aceptad[ao]|rechazad[ao]|accettat[ao]|rifiutat[ao]|aceit[ao]|recusad[ao]|geaccepteerd|geweigerd) ?:/

/** Whether the whole title is one that only one service writes. */
function isOwnTitle({ subject }: Seen): boolean {
  return /^yahoo! auto ?response/.test(subject.folded)
}

/** Whether the title stands behind the subject that it answers: `Re: parking (Out of Office)`. */
function endsWithTitle({ subject }: Seen): boolean {
  return (
    subject.isAnswer &&
    /\((out of (the )?office|auto(matic|mated)?[- ]?(reply|response)|vacation|on (leave|holiday|vacation)|abwesend|abwesenheit|absent|ausente|afwezig)( .{0,20})?\)$/.test(
      subject.folded,
    )
  )
}

/** Whether it has no attachment, no link and no mark of a mail program, and is no longer than an absence note. */
function isBareText({ message, hasLink, isHandWritten }: Seen): boolean {
  return !hasLink && !isHandWritten && message.parts.length === 0 && message.text.length < 2000
}

/** Whether it is an answer that says only that nobody reads mail to this address. */
function saysNobodyReads(seen: Seen): boolean {
  return (
    seen.subject.isAnswer && !seen.hasLink && phraseIn(seen.body.words, unreadPhrases) !== undefined
  )
}

/**
 * Whether it is spam or phishing: a title is easy to copy, and no field says that a program wrote the message. The answered
 * message may be spam itself, so beside words of absence or receipt, its subject is not checked. Words about money or games show
 * that the text is not a receipt.
 */
function isSalesPitch(
  seen: Seen,
  { hintsAway, saysReceipt }: { readonly hintsAway: boolean; readonly saysReceipt: boolean },
): boolean {
  const { message, subject, body } = seen
  if (!hasProgramTitle(seen) || hintsAway || seen.isAnswer || hasPrecedence(seen)) return false
  const { header } = message
  if (autoSubmitted(header).startsWith('auto-') || autoReplyRule(header, false)) return false
  if (loanOrGame.test(body.words)) return true
  return !saysReceipt && (seen.hasLink || offer.test(`${subject.folded} ${body.words}`))
}

const loanOrGame =
  /\d ?%|\b(loans?|casino|jackpot|lottery|bitcoin|viagra|cialis|(apply|buy) now|kredit|darlehen|prestamo|prestito|emprestimo)\b|кредит|заработ|贷款|貸款/

const offer =
  /[$€£¥] ?\d|\d ?[$€£¥]|\b(offers?|cheap|discount|bonus|prize|winner|crypto|invest\w*|earn|angebot|oferta|telegram|whatsapp|wechat|viber)\b|\bt\.me\/|телеграм|ватсап|微信/

/** Titles such as `[Blog] …`: a forum quotes the person who is away. */
const isForum = /^\[[^\]]{1,40}\] ?\S/

/**
 * Whether a mark says that no person sent it: the null sender, Auto-Submitted (RFC 3834 §5), or the Precedence of vacation
 * programs.
 */
function isMarked(seen: Seen): boolean {
  return !seen.isFromMailSystem && (seen.isAutomatic || hasReplyPrecedence(seen))
}

/** Whether X-Loop has the author's own address, by which an autoresponder recognises its own mail (procmailex(5)). */
function hasOwnLoop({ message }: Seen): boolean {
  const loop = addressesOf(message.header, 'x-loop')
  return addressesOf(message.header, 'from').some((address) => loop.includes(address))
}

/** Whether it has the Precedence of vacation programs and formail. Bulk mail has another one, "bulk". */
export function hasReplyPrecedence({ message }: Seen): boolean {
  return /^(junk|auto)/i.test(firstValue(message.header, 'precedence') ?? '')
}

/**
 * Whether vacation(1) may have sent it. That sends its user's file as it is, from the user's address and without any mark.
 * `$SUBJECT` in the title becomes the subject that it answers. A person's mail program would set threading fields (RFC 5322
 * §3.6.4) and MIME-Version (RFC 2045 §4).
 */
function isFromVacationProgram({ subject, isAnswer, isHandWritten, message }: Seen): boolean {
  const title = /^(.+?) \((?:was|re): .+\)$/.exec(subject.folded)?.[1]
  if (title === undefined || isAnswer || isHandWritten) return false
  if (firstValue(message.header, 'mime-version') !== undefined) return false
  return title === 'away' || phraseIn(title, personalTitles) !== undefined
}

/**
 * Whether it is Exchange's reply, which has `Automatic reply: ` before the subject that it answers, and any words of its user.
 */
function hasBareWords({ subject, body, message }: Seen): boolean {
  return (
    /^\D{4,40}: \S/.test(subject.folded) &&
    message.text.length < 3000 &&
    !body.words.includes('http')
  )
}

const orderTitle =
  /\border (confirmation|received|no\.?|number|#)|\b(your|the) order \W?\d|\bbestell(ung|bestatigung|eingang)\b|\bcommande\b|\b(su|tu|seu) pedido\b|\bordine\b|\bbestelling\b|\bzamowieni|заказ|注文|订单|訂單|주문/

const isBooked =
  /\byour (booking|reservation|appointment|order|payment|registration|donation) (is|was|has been) (confirmed|received|booked|accepted)\b|\bdonation\b|\b(book|buy|order|shop) now\b/
/** Words of a school about its pupils, or of an employer about leave that somebody asked for. */
const isAdministration =
  /\b(was|were|has been|marked( as)?) absent\b|\b(your (child|son|daughter)|votre enfant|ihr kind|su hijo|seu filho|tuo figlio|uw kind)\b|\b(leave|vacation|absence|holiday) (request|approval|balance)\b|\brequest(ed|s)? (for |your )*(annual leave|vacation|leave|time off|absence)\b|\b(urlaubsantrag|abwesenheitsantrag|demande de conges?|solicitud de vacaciones|richiesta (di )?ferie|wniosek urlopowy)\b|\burlaub\b.{0,60}\bgenehmigt\b|заявлени[ея] на отпуск|休暇申請|休假申请|请假申请/
/** Words of a forwarded telephone or chat message. */
const isTranscript = /\b(voice ?mail|voice message|sms|mms|missed call|chat)\b/

/** Whether it is bulk mail about holidays or leave, or about a purchase. */
function isPromotion(seen: Seen): boolean {
  const { body, subject } = seen
  const opens =
    !seen.isAnswer &&
    !subject.isAnswer &&
    !subject.folded.includes('(was: ') &&
    !hasProgramTitle(seen)
  if (opens && orderTitle.test(subject.folded)) return true
  if (opens && (isBooked.test(body.words) || isTranscript.test(subject.own))) return true
  if (opens && isAdministration.test(`${subject.folded} ${body.words}`)) return true
  return /\bclick (now|below|http)|\b(casino|jackpot|your bonus)\b|unsubscribe|click here|se desabonner|opt[- ]out|special offer|free trial|money back/.test(
    body.words,
  )
}
