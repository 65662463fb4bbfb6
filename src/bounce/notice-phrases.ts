// How virus and content scanners title and word what they send to the senders of what they stopped: tables of patterns
// and folded phrases (see body-text's fold). Called by content-notice.
import { foldAll } from './body-text.ts'

export interface Scanner {
  readonly name: string
  /** Matched on the folded subject. */
  readonly title: RegExp
}

/** How scanners title what they send to senders; each by its vendor's documentation or default template. */
export const scanners: readonly Scanner[] = [
  // amavisd-new: $virus_subject, "BANNED CONTENTS (…) IN MAIL FROM YOU", "Considered UNSOLICITED BULK EMAIL from you"
  {
    name: 'amavis',
    title:
      /^(virus|banned contents?|banned filename|spam|bad[- ]header|infected|considered unsolicited bulk e-?mail|unchecked).{0,200}\b(in (your )?mail from you|from you\b|in mail from <)/,
  },
  { name: 'amavis', title: /^virus (found )?in your (mail|message)|^virus in mail from you/ },
  {
    name: 'amavis',
    title: /^(undeliverable mail, )?(blocked|rejected) (by|due to) .{0,30}(virus|banned|spam)/,
  },
  // MailScanner: sender.virus.report.txt and its kin
  {
    name: 'mailscanner',
    title:
      /^warning: e-?mail viruses detected|^\{?(virus|filename|blocked content)\??\}?:? warning|^mailscanner (warning|notice)|^problem message: not delivered|^(unwanted|rejected) (content|filename)? ?in (e-?mail|message)/,
  },
  {
    name: 'mimedefang',
    title:
      /^mimedefang (notification|quarantine)|^mail sent by you was (quarantined|discarded|rejected)/,
  },
  {
    name: 'clamav',
    title:
      /^virus (intercepted|alert|detected|warning|notification)|^clamav|^\[?virus\]? (in|found in|intercepted in) /,
  },
  {
    name: 'symantec',
    title:
      /^(symantec|norton) (anti-?virus|mail security|avf|brightmail)|^norton antivirus detected|detected a virus in a message you sent|violation in an attachment detected by symantec|^content violation|^symantec mail security detected/,
  },
  {
    name: 'mcafee',
    title:
      /^mcafee |^(webshield|e500).{0,60}(alert|detected|virus|blocked)|^alert: |^network associates webshield/,
  },
  { name: 'groupshield', title: /^groupshield/ },
  {
    name: 'trend',
    title:
      /^scanmail (message|for)|^(interscan|imss|trend micro|viruswall).{0,80}(virus|content|notif|alert|blocked|violation|removed)|^\[(mail|virus|content)[ -]?(server|alert|scan).{0,20}(notification|alert)?\]|^virus (found|detected) in (a )?message .{0,120}|^\[mailserver notification\]/,
  },
  {
    name: 'sophos',
    title:
      /^(sophos|puremessage|mailmonitor).{0,80}(virus|alert|quarantine|blocked|notif|detected)|^virus detected by sophos/,
  },
  {
    name: 'antigen',
    title:
      /^(antigen|forefront|microsoft (antigen|forefront)).{0,80}(found|notification|detected|removed)/,
  },
  {
    name: 'mailmarshal',
    title:
      /^(mailmarshal|mimesweeper|mailsweeper|marshal).{0,120}(detected|virus|blocked|stopped|attachment|unacceptable|notif|content)|^mailmarshal has|^(an )?(e-?mail|message) (you sent )?(was|has been) (blocked|stopped|quarantined) by (mailmarshal|mimesweeper|mailsweeper)/,
  },
  {
    name: 'barracuda',
    title:
      /^(\*\*)?message you sent (was )?blocked|^(\*\*)?message you sent blocked by our bulk email filter/,
  },
  {
    name: 'kaspersky',
    title:
      /^(kaspersky|kav|avp|drweb|dr\.? ?web|avira|antivir|avg|avast|f-secure|f-prot|bitdefender|nod32|eset|panda|ravmail|rav antivirus|command antivirus|vexira|etrust|inoculate ?it|fsecure|gfi|mailessentials|mailsecurity|vamsoft|orf).{0,120}(virus|infected|alert|notif|report|detected|blocked|warning|scan)/,
  },
  {
    name: 'scanner',
    title:
      /^(warning|alert|notice|attention|caution)?\W{0,4}(a )?(virus|worm|malware|infected|infection)\b.{0,60}\b(in|from|by) (your|you|e-?mail you|a message you|the message you|mail you)/,
  },
  {
    name: 'scanner',
    title:
      /\byour? (e-?mail|message|mail)\b.{0,60}\b(contain|contained|had|has|was infected|is infected|infected|with)\b.{0,40}\b(virus|worm|malware|infect|banned|prohibited|forbidden|blocked (file|attachment|content))/,
  },
  {
    name: 'scanner',
    title:
      /^(blocked|banned|disallowed|prohibited|forbidden|unauthori[sz]ed|illegal|stripped|removed|quarantined) (attachment|file|content|message|e-?mail|mail)\b/,
  },
  {
    name: 'scanner',
    title:
      /(?<!\p{L})(virus ?alert|virus ?notification|virus ?warning|antivirus report|virus report|virenwarnung|viruswarnung|virusmeldung|virus gefunden|alerte virus|virus detecte|aviso de virus|alerta de virus|virus detectado|avviso virus|virus rilevato|virus encontrado|viruswaarschuwing|wykryto wirusa|ostrzezenie o wirusie|обнаружен вирус|вирус обнаружен|вирус в вашем|ウイルス(を)?検出|ウイルス検知|发现病毒|病毒警告|病毒通知|發現病毒)/u,
  },
]

/** It tells the one to whom it writes about mail that he sent. */
export const toSenderPhrases = foldAll(
  [
    'you sent',
    'you have sent',
    'you tried to send',
    'you attempted to send',
    'you just sent',
    'sent by you',
    'from you',
    'your mail',
    'your e-mail',
    'your email',
    'your message',
    'your attachment',
    'your system',
    'your computer',
    'the sender of',
    'to the sender',
    'you are the sender',
    'with your address as',
    'from your address',
    'from your e-mail',
    'from your email',
    'on your behalf',
    'originated from your',
    'appears to have been sent by you',
  ],
  [
    'von ihnen',
    'ihre nachricht',
    'ihre e-mail',
    'ihre mail',
    'ihrer e-mail',
    'ihrer nachricht',
    'sie haben',
  ],
  [
    'votre message',
    'votre e-mail',
    'votre courriel',
    'vous avez envoyé',
    'su mensaje',
    'su correo',
    'usted envió',
  ],
  [
    'il suo messaggio',
    'il tuo messaggio',
    'messaggio da lei',
    'sua mensagem',
    'seu e-mail',
    'você enviou',
  ],
  [
    'uw bericht',
    'uw e-mail',
    'twoja wiadomość',
    'twoją wiadomość',
    'państwa wiadomość',
    'ваше письмо',
    'ваше сообщение',
  ],
  [
    'вашем письме',
    'вашем сообщении',
    'отправленное вами',
    'あなたが送信',
    '送信されたメール',
    '您发送',
    '您的邮件',
    '您寄',
  ],
)

/** What it found, in words that no SMTP reply in a bounce's transcript uses. */
export const findingPhrases = foldAll(
  [
    'virus was found',
    'virus was detected',
    'virus has been detected',
    'viruses were detected',
    'virus found',
    'virus detected',
    'virus(es)',
    'contained a virus',
    'contains a virus',
    'containing a virus',
    'contained the virus',
    'contains the virus',
    'contained one or more viruses',
    'contain a virus',
    'with a virus',
    'a virus in',
    'found virus',
    'found viruses',
    'found the virus',
    'found the following virus',
    'detected a virus',
    'detected the virus',
    'detected the following virus',
    'infected with',
    'infected by',
    'infected attachment',
    'infected file',
    'was infected',
    'is infected',
    'virus name',
    'name of the virus',
    'worm',
    'malware',
    'malicious',
    'banned file',
    'banned name',
    'banned content',
    'banned attachment',
    'blocked attachment',
    'blocked file',
    'prohibited attachment',
    'prohibited file',
    'attachment was removed',
    'attachment has been removed',
    'attachment was blocked',
    'attachment was stripped',
    'attachment type',
    'attachment violated',
    'file type is not',
    'not allow attachments',
    'dangerous attachment',
    'potentially dangerous',
    'considered spam',
    'considered to be spam',
    'considered unsolicited',
    'identified as spam',
    'classified as spam',
    'appears to be spam',
    'unsolicited bulk',
    'unsolicited commercial',
    'bulk email filter',
    'content filter',
    'content policy',
    'content violation',
    'policy violation',
    'inappropriate content',
    'inappropriate language',
    'offensive',
    'violates our',
    'violated a',
    'violates the',
    'spam firewall',
    'has been quarantined',
    'was quarantined',
    'placed in quarantine',
    'moved to quarantine',
  ],
  [
    'virus gefunden',
    'virus entdeckt',
    'einen virus',
    'mit einem virus',
    'infiziert',
    'viren',
    'verbotene',
    'unerwünschte',
  ],
  [
    'un virus',
    'contient un virus',
    'infecté',
    'infectado',
    'contiene un virus',
    'infetto',
    'contém vírus',
    'um vírus',
  ],
  [
    'besmet',
    'geïnfecteerd',
    'wirusa',
    'zainfekowan',
    'вирус',
    'заражен',
    'инфицирован',
    'ウイルス',
    '病毒',
  ],
)

/** The mail did not get through, in part or at all. */
export const stoppedPhrases = foldAll(
  [
    'not been delivered',
    'not delivered',
    'not be delivered',
    'could not be delivered',
    'has been blocked',
    'was blocked',
    'been stopped',
    'was stopped',
    'has been rejected',
    'was rejected',
    'been deleted',
    'was deleted',
    'been removed',
    'was removed',
    'were removed',
    'been discarded',
    'was discarded',
    'been quarantined',
    'was quarantined',
    'were quarantined',
    'in quarantine',
    'to quarantine',
    'been held',
    'is being held',
    'been intercepted',
    'was intercepted',
    'been replaced',
    'was replaced',
    'been stripped',
    'was stripped',
    'action taken',
    'was cleaned',
    'been cleaned',
    'delivery was',
    'returned to you',
    'not accepted',
    'refused',
    'considered unsolicited',
  ],
  [
    'nicht zugestellt',
    'wurde gelöscht',
    'wurde entfernt',
    'wurde blockiert',
    'abgewiesen',
    'unter quarantäne',
  ],
  [
    "n'a pas été",
    'a été supprim',
    'a été bloqué',
    'en quarantaine',
    'no fue entregado',
    'ha sido eliminado',
    'bloqueado',
  ],
  [
    'non è stato',
    'è stato bloccato',
    'è stato eliminato',
    'não foi entregue',
    'foi removido',
    'niet afgeleverd',
    'verwijderd',
  ],
  [
    'nie została',
    'zablokowan',
    'usunięt',
    'не доставлено',
    'удален',
    'заблокирован',
    '削除',
    '隔離',
    '被删除',
    '被拦截',
    '隔离',
  ],
)
