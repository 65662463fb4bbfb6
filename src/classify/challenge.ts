// Recognises challenges. A challenge/response system holds a message and asks its sender to prove that he sent it; usually that
// sender is forged. A rule needs the system's own marks, or words for both statements: mail is held, and the sender must do
// something.

import { speaksOfMail, withoutDisclaimers } from './body-text.ts'
import {
  aboutMailPhrases,
  defencePhrases,
  demandPhrases,
  heldPhrases,
  ofSenderPhrases,
  oncePhrases,
} from './challenge-phrases.ts'
import { challengeSystems } from './challenge-systems.ts'
import { phraseIn } from './phrases.ts'
import { hasReplyPrecedence, saysAway } from './reply-words.ts'
import type { Seen } from './seen.ts'
import { isNotifier } from './system-notices.ts'

const demandingTitle =
  /registration request|confirm|verif|identif|authenti|challenge|permission|approv|human|authori|bestatig|conferm|confirme|potwierd|подтвер|підтвер|確認|认证|认證|验证|驗證|确认|dogrula|onay|bekraft|bekreft|vahvist|overen|potvrz|megeros|확인|인증|επιβεβ/

/**
 * The rule by which an address or field of a known system marks the message as a challenge, or null. The challenge may have the
 * form of a delivery report, as Boxbe's have.
 */
export function knownChallengeRule(seen: Seen): string | null {
  const system = challengeSystems.find(({ isSure, isMarked }) => isSure && isMarked(seen))
  return system === undefined ? null : `challenge-${system.name}`
}

const demandBehind =
  /(\(|-- ?|- )(please )?(verif\w*|confirm\w*|authenti\w*|conferma\w*|confirma\w*|action required) ?\w*\)?$/

/**
 * Whether the title has the request behind the subject that it answers, such as `Re: hi (Verification)`. The text then need not
 * mention a message.
 */
function answersWithDemand({ body, subject }: Seen): boolean {
  return (
    subject.isAnswer &&
    demandBehind.test(subject.folded) &&
    phraseIn(body.words, defencePhrases) !== undefined
  )
}

/** Whether the message advertises a challenge/response system: it answers nothing, and no mail is held. */
function isAdvertised({ isAnswer, isAutomatic, subject, body }: Seen): boolean {
  return (
    !isAnswer &&
    !isAutomatic &&
    !subject.isAnswer &&
    !demandingTitle.test(subject.folded) &&
    phraseIn(body.words, heldPhrases) === undefined
  )
}

/**
 * The rule by which the words, or a system's name in them, make the message a challenge, or null. The message must ask for
 * something about the reader's mail. The less it looks like mail from another site's program, the more statements of a challenge
 * it needs.
 */
export function challengeRule(seen: Seen): string | null {
  const { subject, isAutomatic } = seen
  const isTitled = demandingTitle.test(subject.folded)
  if (!isAutomatic && !seen.isAnswer && !subject.isAnswer && !isTitled) return null
  if (!isAutomatic && (seen.isHandWritten || isAnswerByHand(seen))) return null
  const said = withoutDisclaimers(seen.body.words)
  if (phraseIn(said, demandPhrases) === undefined) return null
  const isAboutMail =
    phraseIn(said, aboutMailPhrases) !== undefined ||
    (isAutomatic && yourMail.test(said)) ||
    (seen.hasNullSender && subject.isAnswer && speaksOfMail(said))
  if (!isAboutMail && !answersWithDemand(seen)) return null
  const system = challengeSystems.find(({ isMarked }) => isMarked(seen))
  if (system !== undefined && !isAdvertised(seen)) return `challenge-${system.name}`
  if (!isAboutMail || isOfSubscriptions.test(said) || subject.folded.startsWith('welcome'))
    return null
  if (saysAway(seen) && !isTitled) return null
  const titledSaid = `${subject.folded} ${said}`
  const isOfSender = phraseIn(titledSaid, ofSenderPhrases) !== undefined
  const asksOnce = phraseIn(said, oncePhrases) !== undefined
  const isHeld = phraseIn(titledSaid, heldPhrases) !== undefined
  const defends =
    phraseIn(`${seen.from} ${titledSaid}`.replace(spamFolder, ' '), defencePhrases) !== undefined
  // Services that confirm addresses and accounts also write from addresses that nobody reads.
  if (isNotifier(seen) && !seen.isAnswer && !subject.isAnswer && !defends) return null
  const statements = [isOfSender, asksOnce, isHeld, defends, isTitled].filter(Boolean).length
  const needed = seen.hasNullSender
    ? 2
    : isAutomatic || isTitled || hasReplyPrecedence(seen)
      ? 3
      : 4
  if (isHeld && defends && statements >= needed) return 'challenge-words'
  // Phishing in the name of the reader's own mail system also says that mail is held, but incoming mail.
  const isSystem = isAutomatic ? !seen.isFromMailSystem : demandBehind.test(subject.folded)
  return isSystem && (isOfSender || (isHeld && (asksOnce || isTitled))) && statements >= 2
    ? 'challenge-held'
    : null
}

/** Whether a person answers: he quotes what he answers, or introduces the quotation. A challenge repeats a subject at most. */
function isAnswerByHand({ body, isLetter, isAnswer, subject }: Seen): boolean {
  if (body.lines.some((line) => line.startsWith('>'))) return true
  return isLetter && !isAnswer && !subject.folded.startsWith('re: ')
}

const isOfSubscriptions =
  /unsubscribe|newsletter|subscription|complete your registration|sign(ing|ed)? up|new device|verification code|petition|contact form|kontaktformular|formulaire de contact|formulario de contacto|contactformulier|suscri(be|pcion|bir)|boletin\b|ofertas|nieuwsbrief|iscrizione|assinatura|rejestracj|subskryp|подписк|рассылк|регистрац|購読|订阅|訂閱|mailing list|moderat|welcome to|\b(ticket|order|invoice|account|password|sign(ed)? up|reservation|booking) (number|no\b|#|id\b|was|is|has|will|for)/

/** Words about one message that the reader sent, not about his account. */
const yourMail =
  /(?<!\b(confirm|verify|validate|activate|check|enter|update|change) )\byour (\w+ )?(e-?mail|mail|message|letter)\b(?! (address|account|box|client|program|settings|provider|preferences))/

/** Where a reader is told to look for mail that has not arrived. */
const spamFolder = /(spam|junk|bulk)( e?-?mail)?[- ]?(folder|box)/g
