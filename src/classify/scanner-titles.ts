// Titles that virus and content scanners give to their notices to senders: patterns for folded subjects (see `fold`
// in body-text.ts).

export interface Scanner {
  readonly name: string
  /** Matches the folded subject. */
  readonly title: RegExp
}

/** The titles are from each vendor's documentation or default template. */
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
  // MailScanner: sender.virus.report.txt and similar templates
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
      /^(kaspersky|kav|avp).{0,120}(virus|infected|alert|notif|report|detected|blocked|warning|scan)/,
  },
  {
    name: 'antivirus',
    title:
      /^(drweb|dr\.? ?web|avira|antivir|avg|avast|f-secure|f-prot|bitdefender|nod32|eset|panda|ravmail|rav antivirus|command antivirus|vexira|etrust|inoculate ?it|fsecure|gfi|mailessentials|mailsecurity|vamsoft|orf).{0,120}(virus|infected|alert|notif|report|detected|blocked|warning|scan)/,
  },
  {
    name: 'scanner',
    title:
      /^(warning|alert|notice|attention|caution)?\W{0,4}(a )?(virus|worm|malware|infected|infection)\b.{0,60}\b(in|from|by) (your|you|e-?mail you|a message you|the message you|mail you)/,
  },
  {
    name: 'scanner',
    title:
      /\b(message|e-?mail|mail) you (have )?sent\b.{0,60}\b(virus|worm|infect|malware|banned|prohibited|forbidden|quarantin)/,
  },
  {
    name: 'scanner',
    title: /^vir(us|en) (in|dans|en|em|w) (ihrer?|votre|su|sua|uw|twoj|twojej) /,
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
