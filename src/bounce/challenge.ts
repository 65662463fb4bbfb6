// Challenge/response systems: they hold a message and ask its sender, who is forged as a rule, to prove himself. Rules
// go by the systems' own marks and by wording that says both halves: it is held, and what to do. Called by classify.
import { phraseIn, speaksOfMail, withoutDisclaimers } from './body-text.ts'
import {
  aboutMailPhrases,
  defencePhrases,
  demandPhrases,
  heldPhrases,
  ofSenderPhrases,
  oncePhrases,
} from './challenge-phrases.ts'
import { challengeSystems } from './challenge-systems.ts'
import type { Observation } from './observation.ts'
import { hasReplyPrecedence, saysAway } from './reply-words.ts'
import { isNotifier } from './system-notices.ts'

const demandingTitle =
  /registration request|confirm|verif|identif|authenti|challenge|permission|approv|human|authori|bestatig|conferm|confirme|potwierd|подтвер|підтвер|確認|认证|认證|验证|驗證|确认|dogrula|onay|bekraft|bekreft|vahvist|overen|potvrz|megeros|확인|인증|επιβεβ/

/**
 * The rule by which it is the challenge of a system that its address or field gives away. It holds also where the
 * challenge wears a delivery report, as Boxbe's do.
 */
export function knownChallengeRule(seen: Observation): string | null {
  const system = challengeSystems.find(({ isSure, isMarked }) => isSure && isMarked(seen))
  return system === undefined ? null : `challenge-${system.name}`
}

const demandBehind =
  /(\(|-- ?|- )(please )?(verif\w*|confirm\w*|authenti\w*|conferma\w*|confirma\w*|action required) ?\w*\)?$/

/** It need not speak of a message whose title it answers, with what it wants behind it: `Re: hi (Verification)`. */
function answersWithDemand({ body, subject }: Observation): boolean {
  return (
    subject.isAnswer &&
    demandBehind.test(subject.folded) &&
    phraseIn(body.words, defencePhrases) !== undefined
  )
}

/** A system's maker speaks of it to everybody: nothing is answered, and nothing waits. */
function isAdvertised({ isAnswer, isAutomatic, subject, body }: Observation): boolean {
  return (
    !isAnswer &&
    !isAutomatic &&
    !subject.isAnswer &&
    !demandingTitle.test(subject.folded) &&
    phraseIn(body.words, heldPhrases) === undefined
  )
}

/**
 * The rule by which its words, or a system's name in them, make it a challenge, or null. It asks for something about the
 * reader's mail; of the other statements that challenges make it needs the more, the less it looks like one from outside.
 */
export function challengeRule(seen: Observation): string | null {
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
  // Those who confirm addresses and accounts speak from where nobody reads.
  if (isNotifier(seen) && !seen.isAnswer && !subject.isAnswer && !defends) return null
  const statements = [isOfSender, asksOnce, isHeld, defends, isTitled].filter(Boolean).length
  const needed = seen.hasNullSender
    ? 2
    : isAutomatic || isTitled || hasReplyPrecedence(seen)
      ? 3
      : 4
  if (isHeld && defends && statements >= needed) return 'challenge-words'
  // Lures in the name of one's own mail system say that mail is held, too: of mail that comes in.
  const isSystem = isAutomatic ? !seen.isFromMailSystem : demandBehind.test(subject.folded)
  return isSystem && (isOfSender || (isHeld && (asksOnce || isTitled))) && statements >= 2
    ? 'challenge-held'
    : null
}

/** A person quotes what he answers, or has introduced it; a challenge at most answers a subject. */
function isAnswerByHand({ body, isLetter, isAnswer, subject }: Observation): boolean {
  if (body.lines.some((line) => line.startsWith('>'))) return true
  return isLetter && !isAnswer && !subject.folded.startsWith('re: ')
}

const isOfSubscriptions =
  /unsubscribe|newsletter|subscription|complete your registration|sign(ing|ed)? up|new device|verification code|petition|contact form|kontaktformular|formulaire de contact|formulario de contacto|contactformulier|suscri(be|pcion|bir)|boletin\b|ofertas|nieuwsbrief|iscrizione|assinatura|rejestracj|subskryp|подписк|рассылк|регистрац|購読|订阅|訂閱|mailing list|moderat|welcome to|\b(ticket|order|invoice|account|password|sign(ed)? up|reservation|booking) (number|no\b|#|id\b|was|is|has|will|for)/

/** One mail of the reader's, and not his account. */
const yourMail =
  /(?<!\b(confirm|verify|validate|activate|check|enter|update|change) )\byour (\w+ )?(e-?mail|mail|message|letter)\b(?! (address|account|box|client|program|settings|provider|preferences))/

/** Where a reader is told to look for what has not come. */
const spamFolder = /(spam|junk|bulk)( e?-?mail)?[- ]?(folder|box)/g
