// Challenge/response systems: they hold a message and ask its sender, who is forged as a rule, to prove himself. Rules
// go by the systems' own marks and by wording that says both halves: it is held, and what to do. Called by classify.
import { foldAll, phraseIn } from './body-text.ts'
import { firstValue } from './header-section.ts'
import type { Observation } from './observation.ts'

interface System {
  readonly name: string
  /** The mark is its own address or field: nothing else needs to be said. */
  readonly isSure?: true
  readonly isMarked: (seen: Observation) => boolean
}

function header(seen: Observation, name: string): string {
  return (firstValue(seen.message.header, name) ?? '').slice(0, 500)
}

function words(...phrases: string[]): (seen: Observation) => boolean {
  const folded = foldAll(phrases)
  return ({ body }) => phraseIn(body.words, folded) !== undefined
}

/** Each by the marks that its documentation or its default template shows. */
const systems: readonly System[] = [
  // TMDA: X-Delivery-Agent: TMDA/1.1.12, and Reply-To user-confirm+1058400000.12345.abcdef@
  {
    name: 'tmda',
    isSure: true,
    isMarked: (seen) =>
      /^tmda\//i.test(header(seen, 'x-delivery-agent')) &&
      (/[-+]confirm[-+]/i.test(header(seen, 'reply-to') + header(seen, 'from')) ||
        /confirm/.test(seen.subject.folded)),
  },
  {
    name: 'tmda',
    isSure: true,
    isMarked: (seen) =>
      /[-+]confirm\+?[-+](accept|done)?[-.+]?\d{8,}\.\d+\.[0-9a-f]{6}/i.test(
        header(seen, 'reply-to'),
      ),
  },
  // Active Spam Killer: "Please confirm (conf#0123…)"
  {
    name: 'ask',
    isMarked: (seen) =>
      /\(conf[#: ]\s?[0-9a-f]{8,}/.test(seen.subject.folded) || header(seen, 'x-askversion') !== '',
  },
  {
    name: 'boxbe',
    isSure: true,
    isMarked: (seen) =>
      /@([\w-]+\.)*boxbe\.com\b/.test(seen.from) || /^boxbe/i.test(header(seen, 'x-mailer')),
  },
  {
    name: 'spamarrest',
    isMarked: (seen) =>
      /spam ?arrest/.test(seen.from) || words('protected by spam arrest', 'spamarrest.com')(seen),
  },
  {
    name: 'earthlink',
    isMarked: words('spamblocker', 'i apologize for this automatic reply to your email'),
  },
  {
    name: 'uol',
    isMarked: (seen) =>
      /anti-?spam ?uol/.test(`${seen.from} ${seen.subject.folded}`) ||
      words('antispam uol', 'anti-spam uol')(seen),
  },
  {
    name: 'mailinblack',
    isMarked: (seen) => /mail ?in ?black/.test(seen.from) || words('mailinblack')(seen),
  },
  { name: '0spam', isMarked: words('0spam.com', '0spam ') },
  { name: 'qurb', isMarked: words('qurb') },
  { name: 'choicemail', isMarked: words('choicemail', 'digiportal') },
  { name: 'sendio', isMarked: words('sendio', 'sender address verification') },
  { name: 'bluebottle', isMarked: words('bluebottle') },
  { name: 'mailfrontier', isMarked: words('mailfrontier', 'matador') },
  { name: 'qconfirm', isMarked: words('qconfirm') },
  {
    name: 'service',
    isMarked: words(
      'knowspam',
      'spamcease',
      'mailblocks',
      'vanquish',
      'spamlion',
      'spamx',
      'usermail.com',
      'cleanmymailbox',
      'spamfence',
      'zaep',
      'spam interceptor',
    ),
  },
]

/** The message waits. */
const held = foldAll(
  [
    'being held',
    'been held',
    'is held',
    'was held',
    'on hold',
    'holding your message',
    'held your message',
    'has not been delivered',
    'has not yet been delivered',
    'not been delivered yet',
    'will be delivered once',
    'will be delivered as soon as',
    'before your message',
    'before your email',
    'before your e-mail',
    'before i can receive',
    'before i receive',
    'until you',
    'waiting for your confirmation',
    'pending your confirmation',
    'in a queue',
    'been queued',
    'been quarantined',
    'in quarantine',
    'to be delivered',
    'release your message',
    'releases your message',
    'allow your message',
    'allow your email',
    'deliver your message',
    'deliver your e-mail',
    'deliver your email',
    'get your message through',
    'reach me',
    'reach my inbox',
    'requires verification',
    'requires that you verify',
    'requires you to verify',
    'to complete this verification',
    'awaiting verification',
    'approved senders',
    'guest list',
    'allowed senders',
    'list of senders',
    'whitelist',
    'not on my list',
    'unknown sender',
    "don't recognize",
    'do not recognize',
    'so i can receive',
    'so that i can receive',
    'not yet delivered',
    'not yet been delivered',
    'pending message',
    'messages are held',
    'first time you have sent',
    'first message',
  ],
  [
    'zurückgehalten',
    'zugestellt, sobald',
    'erst zugestellt',
    'noch nicht zugestellt',
    'en attente',
    'sera délivré',
    'sera remis',
  ],
  [
    'retenido',
    'en espera',
    'será entregado',
    'in attesa',
    'sarà consegnato',
    'aguardando',
    'será entregue',
    'retida',
  ],
  [
    'wordt vastgehouden',
    'oczekuje',
    'wstrzyman',
    'задержано',
    'будет доставлено',
    '保留',
    '保留されて',
    '等待',
  ],
)

/** What the sender is to do. */
const demand = foldAll(
  [
    'please confirm',
    'to confirm your message',
    'to confirm that',
    'confirm that you are',
    'confirm your message',
    'confirm this message',
    'confirm delivery',
    'confirm you are',
    'confirm that your',
    'confirmation process',
    'please verify',
    'verify that you',
    'verify you are',
    'verify your address',
    'verify your message',
    'verify your identity',
    'verify yourself',
    'prove that you',
    'prove you are',
    'prove you',
    'a human',
    'a real person',
    'type the',
    'enter the code',
    'enter the characters',
    'enter the word',
    'authenticate',
    'authentification',
    'authorize yourself',
    'click the link below',
    'click on the link below',
    'click the button below',
    'click this link',
    'to have it delivered',
    'your confirmation',
    'answer the challenge',
    'answer the question',
    'answer the following question',
    'click here to',
    'follow the link',
    'click on the following link',
    'clicking on the link',
    'clicking the link',
    'reply to this request',
    'reply to this challenge',
    'reply to this confirmation',
    'just reply to this',
    'simply reply to this',
    'simply hit reply',
    'reply to this message',
    'reply to this email',
    'reply to this e-mail',
    'replying to this',
    'request to be added',
    'one-time',
    'one time',
    'captcha',
  ],
  [
    'bestätigen sie',
    'bitte bestätigen',
    'bestätigung',
    'antworten sie',
    'klicken sie',
    'link anklicken',
    'confirmer',
    'cliquez',
    'vous identifier',
    'vous authentifier',
  ],
  [
    'confirme',
    'confirmar',
    'haga clic',
    'confermare',
    'clicca',
    'clique',
    'bevestig',
    'potwierdź',
    'kliknij',
  ],
  ['подтвердите', 'подтвердить', '確認', '认证', '确认', '验证', '驗證'],
)

/** It is about mail that came from the one who is asked. */
const aboutMail = foldAll(
  [
    'your message',
    'your email to',
    'your e-mail to',
    'your mail to',
    'your email has',
    'your e-mail has',
    'your mail has',
    'your email was',
    'your e-mail was',
    'your mail was',
    'your email will',
    'your e-mail will',
    'your email is',
    'your e-mail is',
    'reply to your email',
    'reply to your e-mail',
    'receive your email',
    'delivery of your email',
    'your original message',
    'the message you sent',
    'message you sent',
    'message from you',
    'messages from you',
    'receive your message',
    'receive your mail',
    'you sent',
    'you have sent',
    'you recently sent',
    'mail from people',
  ],
  [
    'ihre nachricht',
    'ihre e-mail',
    'ihre mail',
    'deine nachricht',
    'deine e-mail',
    'votre message',
    'votre e-mail',
    'votre courriel',
    'su mensaje',
    'su correo',
  ],
  [
    'il tuo messaggio',
    'il suo messaggio',
    'sua mensagem',
    'seu e-mail',
    'uw bericht',
    'twoja wiadomość',
    'ваше письмо',
  ],
  ['ваше сообщение', 'メール', 'メッセージ', '您的邮件', '您的郵件'],
)

/** It is held because of who sent it. */
const ofSender = foldAll(
  ['message from you', 'messages from you', 'mail from you', 'email from you', 'you are a person'],
  ['address was not recogni', 'address is not recogni', 'address has not been', 'unknown sender'],
  ['your address is not', 'do not know you', 'not in my address book', 'not on my list', 'a human'],
  [
    'first time you',
    'absender unbekannt',
    'adresse noch unbekannt',
    'adresse noch nicht bekannt',
    'expéditeur inconnu',
  ],
  ['remitente desconocido', 'mittente sconosciuto', 'remetente desconhecido', 'nieznany nadawca'],
)

/** Who writes to defend a mailbox says so. */
const defence = foldAll(
  [
    'spam',
    'junk',
    'unsolicited',
    'unwanted',
    'bulk email',
    'challenge',
    'sender verification',
    'virus',
    'automated program',
  ],
  ['indésirable', 'pourriel', 'no deseado', 'indesejad', 'спам', '迷惑', '垃圾'],
)

const demandingTitle =
  /confirm|verif|identif|authenti|challenge|bestatig|conferm|confirme|potwierd|подтвер|確認|认证|验证/

/**
 * The rule by which it is the challenge of a system that its address or field gives away. It holds also where the
 * challenge wears a delivery report, as Boxbe's do.
 */
export function knownChallengeRule(seen: Observation): string | null {
  const system = systems.find(({ isSure, isMarked }) => isSure && isMarked(seen))
  return system === undefined ? null : `challenge-${system.name}`
}

/** It need not speak of a message whose title it answers, with what it wants behind it: `Re: hi (Verification)`. */
function answersWithDemand({ body, subject }: Observation): boolean {
  return (
    subject.isAnswer &&
    /\((verification|confirmation)\)$/.test(subject.folded) &&
    phraseIn(body.words, defence) !== undefined
  )
}

/** The rule by which its words, or a system's name in them, make it a challenge, or null. */
export function challengeRule(seen: Observation): string | null {
  const { subject, isAnswer, isAutomatic } = seen
  if (seen.isLetter && !isAutomatic && !isAnswer && !subject.folded.startsWith('re: ')) return null
  if (seen.isHandWritten && !isAutomatic) return null
  const { words: said } = seen.body
  if (phraseIn(said, demand) === undefined) return null
  const isAboutMail = phraseIn(said, aboutMail) !== undefined
  if (!isAboutMail && !answersWithDemand(seen)) return null
  const system = systems.find(({ isMarked }) => isMarked(seen))
  if (system !== undefined) return `challenge-${system.name}`
  if (!isAboutMail) return null
  if (!isAnswer && !subject.isAnswer && !isAutomatic && !demandingTitle.test(subject.folded))
    return null
  if (/unsubscribe|newsletter|subscription|complete your registration|sign(ing|ed)? up/.test(said))
    return null
  if (phraseIn(said, held) === undefined) return null
  if (phraseIn(said, defence) !== undefined) return 'challenge-words'
  // Lures in the name of one's own mail system say that mail is held, too: of mail that comes in.
  return seen.hasNullSender && !seen.isFromMailSystem && phraseIn(said, ofSender) !== undefined
    ? 'challenge-held'
    : null
}
