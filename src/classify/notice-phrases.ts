// What virus and content scanners tell the senders of stopped mail: tables of folded phrases and stems (see `fold` in
// body-text.ts).
import { phraseTable } from './phrases.ts'

/** The reader sent the mail. These phrases cannot mean anything else. */
export const sentByReaderPhrases = phraseTable(`
  you sent | you have sent | you just sent | you recently sent | you tried to send | you attempted to send |
  sent by you | from you | message by you | mail by you | from your address | from your e-mail | from your email |
  from your mail | from your account | you are the sender | you as its author | you as the sender |
  with your address as | come from your address | on your behalf | originated from your | your message to |
  your mail to | your email to | your e-mail to | the author of | you were sending | von ihnen | ihrer adresse |
  ihrem absender | ihre nachricht an | ihre e-mail an | ihre mail an | vous avez envoyé | vous avez adressé |
  vous nous avez | envoyé par vous | de votre adresse | votre message à | usted envió | ha enviado |
  enviado por usted | envió usted | que envió | desde su dirección | su mensaje a | messaggio da lei |
  inviato da lei | ha inviato | hai inviato | dal suo indirizzo | você enviou | enviada por você |
  enviado por você | do seu endereço | door u_ | u verzonden | u verstuurd | vanaf uw adres | przez ciebie |
  przez państwa | z twojego adresu | wysłał | вами | от вас | с вашего адреса | вы отправили | вы послали | あなたが送信 |
  お客様が送 | 送信された | 送信いただ | お送りいただ | 您发 | 你发 | 您寄 | 您所发 | 您所寄 | 您發 | 보내신 | 발송하신 | du skickade | du har skickat |
  från dig | du sendte | du har sendt | fra dig | fra deg | lähettämäsi | vámi | jste odeslal | ön által |
  gönderdiğiniz | tarafınızdan | trimis de dvs | ați trimis | που στείλατε | від вас | надіслане вами |
  ви надіслали | ви відправили | you mailed | you figure as | as sender | of yours | with your address |
  you tried to mail | that you wrote | you originated | carries your address | ihrer absenderadresse |
  von ihnen versandt | von ihnen verschickt | hai spedito | ha spedito | que enviaste | あなたから送 | 您寄出 |
  jonka lähetit | lähetit | trimis de dumneavoastră | di dumneavoastră | enviado por ti | надіслали | e-mail you |
  mail carries | you submitted | you e-mailed | you emailed | państwa adresu | pani adresu | pana adresu |
  you uploaded to send | vous avez expédié | procedente de su | desde su cuenta | que você mandou | que mandó |
  che ha mandato
`)

/** The message is about mail that the reader sent, or may have sent. */
export const toSenderPhrases = [
  ...sentByReaderPhrases,
  ...phraseTable(`
  your mail | your e-mail | your email | your message | your attachment | your system | the sender of |
  to the sender | dear sender | sender, | ihre nachricht | ihre e-mail | ihre mail | ihrer e-mail | ihrer mail |
  ihrer nachricht | sie haben | votre message | votre e-mail | votre mail | votre courriel | votre courrier |
  su mensaje | su correo | su e-mail | suo messaggio | tuo messaggio | sua mail | sua e-mail | sua mensagem |
  seu e-mail | seu email | uw bericht | uw e-mail | uw mail | twoja wiadomość | twoją wiadomość |
  twojej wiadomości | twojej poczcie | twój list | państwa wiadomość | ваше письмо | вашем письме | вашего письма |
  вашем сообщении | ваше сообщение | вашего сообщения | あなたの | 您的邮件 | 您的電子郵件 | 您的郵件 | 귀하 | ditt meddelande |
  ditt mejl | din e-post | din besked | din mail | viestisi | vaše zpráva | vaší zpráv | vašem e-mail | levele |
  mesajınız | e-postanız | mesajul dvs | mesajul dumneavoastră | μήνυμά σας | ваш лист | вашому листі | pana/pani |
  pańsk | szanowny nadawco | sehr geehrter absender | cher expéditeur | estimado remitente | gentile mittente |
  prezado remetente | geachte afzender | уважаемый отправитель
`),
]

/** The message is about mail that was sent to the reader. */
export const toRecipientPhrases = phraseTable(`
  sent to you | addressed to you | destined for you | intended for you | mail for you | message for you |
  you received | you have received | you were sent | in your mailbox | in your inbox | your quarantine |
  release this | release them | release the message | quarantine summary | quarantine digest | quarantine report |
  spam digest | spam report | an sie gesendet | an sie gerichtet | vous a été | vous avez reçu | ha recibido |
  vous était destiné | vous est destiné | vous était adressé | aan u gericht | destinato a lei | destinada a você |
  dirigido a usted | ha ricevuto | a lei indirizzat | você recebeu | u hebt ontvangen | адресованное вам |
  на ваш адрес | 您收到 | 受信した | quarantined for you | blocked for you | held for you
`)

/** The mail contains an infection. Stems are enough here, since a notice needs phrases of two other tables as well. */
export const infectionStems = phraseTable(`
  virus | worm | malware | malicious | trojan | infect | hostile content | spyware | harmful | w32/ | w32. | win32 |
  w97m | i-worm | netsky | mydoom | sobig | klez | bagle | beagle | sober. | phishing | eicar | viren | infiz |
  schädling | schadsoftware | schadcode | schadprogramm | infekt | le ver_ | un ver_ | gusano | besmet |
  geïnfecteerd | wirus | zainfek | вирус | заражен | зараж | инфицир | червь | вредонос | ウイルス | ウィルス | 病毒 | 木马 |
  바이러스 | haittaohjelma | nakaž | zavirov | vírus | fertőz | kötü amaçlı | вірус | ιός | ιό_ | μολυσμέν | فيروس |
  exploit- | wurm | löytyi virus | опасный объект | troj_ | worm_ | security risk | security threat | threat was |
  threats were | infett | contamin | smitten | smittet
`)

/** The mail contains something unwanted. */
export const unwantedStems = phraseTable(`
  banned | prohibit | forbid | disallow | unallowed | not permitted | not allow | not accepted here | unacceptable |
  unauthorized | unauthorised | suspicious | dangerous | attachment type | attachment violated | attachment was |
  attachment has been | attachment in | attachments were | attachments have been | attachment filter |
  blocked attachment | blocked file | file type | file extension | files of this kind | executable |
  sensitive content | sensitive e-mail | sensitive information | content filter | content check | content scan |
  content violation | content control | content rule | mail policy | email policy | message policy |
  security policy | content policy | policy violation | access policy | use policy | usage policy | violat |
  breach | inappropriate | offensive | profan | considered spam | to be spam | as spam | identified as |
  spam firewall | spam filter | bulk email | bulk e-mail | bulk mail | unsolicited | verboten | unerwünscht |
  nicht erlaubt | nicht zulässig | unzulässig | pièce jointe | non autoris | interdit | no permitido | prohibid |
  archivo adjunto | allegato | non consentit | não permitid | proibid | anexo | niet toegestaan | bijlage |
  niedozwolon | załącznik | запрещен | запрещён | недопустим | вложени | 添付ファイル | 禁止 | 不允许 | 附件 | 첨부 | otillåten |
  bifogad | tilladt | tillatt | liite | příloh | melléklet | eklent | fișier | συνημμέν | заборонен | exploit |
  not let into | blocked names | programs | must not carry | keyword | rule " | rule: | confidential | not let |
  treated as spam | the spam area | large | size limit | not admit | no admite | fichero | arquivo | filtro |
  denied | policy | anhäng | file filter | matching file | contained the attachment | spam detected |
  detected as spam | scored your | anhang | pourriel | indésirable | indesejad | como spam | comme spam | als spam |
  spamem | спамом | jako spam | come spam | 敏感 | 违规 | 垃圾邮件 | 迷惑メール | skräppost | søppelpost | uønsket | gesperrt |
  nevyžádan | kéretlen | 스팸
`)

/** The mail was stopped, in part or as a whole. */
export const stoppedStems = phraseTable(`
  block | stopp | reject | refus | dropped | deleted | removed | quarantin | discard | intercept | stripped |
  replaced | suppress | held | destroyed | cleaned | disinfect | returned to you | caught | isolated |
  action taken | action:_ | not deliver | not been deliver | not be deliver | not have been deliver | not accept |
  be accepted | not let through | not passed | not been passed | not been forward | not forward | not been sent |
  not reach | never reach | never got | not transmit | delivery was | considered unsolicited | nicht zugestellt |
  gelöscht | entfernt | blockiert | abgewiesen | abgelehnt | quarantäne | verworfen | zurückgewiesen | gestoppt |
  angehalten | vernichtet | nicht weiter | zurückgehalten | nicht angenommen | supprim | bloqu | quarantaine |
  n'a pas | détrui | rejet | écarté | arrêté | éliminé | eliminad | cuarentena | no ha sido | no fue | rechazad |
  borrad | retenid | descartad | eliminat | bloccat | quarantena | fermat | rifiutat | cancellat | respint |
  rimoss | non è stat | scartat | removid | apagad | quarentena | rejeitad | recusad | excluíd | não foi | retid |
  deletad | barrad | verwijderd | geblokkeerd | tegengehouden | geweigerd | niet afgeleverd | niet bezorgd |
  zatrzyman | usunięt | zablokowan | odrzucon | kwarantann | nie został | skasowan | удален | удалён | заблокир |
  карантин | не доставл | не было доставл | отклонен | отклонён | остановл | задержан | уничтож | 削除 | 隔離 | 破棄 |
  拒否 | 配信され | 配送され | 駆除 | ブロック | 遮断 | 停止 | 删除 | 刪除 | 拦截 | 攔截 | 隔离 | 阻止 | 拒收 | 拒绝 | 拒絕 | 清除 | 삭제 | 차단 | 격리 | 거부 |
  치료 | stoppat | raderat | blockerat | tagits bort | avvisat | karantän | stoppet | slettet | blokeret | fjernet |
  afvist | avvist | karantæne | karantene | poistettu | estetty | karanteeni | hylätty | odstraněn | zablokován |
  smazán | karantén | zadržen | odmítnut | törölt | törlés | eltávolít | blokkol | visszautasít | engellen | silin |
  karantina | reddedil | blocat | șters | carantin | respins | διαγράφ | αποκλείσ | απορρίφθ | καραντίν | видален |
  заблокован | thrown | not let into | not allowed through | turned away | bounced | not let | erased | taken out |
  put in the | denied delivery | nothing has been passed | not be read | nicht ausgeliefert | ausgeliefert |
  no admite | foi removido | verrà recapitat | non verrà | 中止 | 移除 | ei välitetty | välitetty | a fost șters |
  διαγράφη | не передан | was returned | not go on | delivrees | délivrées | not hand | cancelled | canceled |
  wstrzyman | suspended | aborted | abgebrochen | annulé | interrotta | cancelad | nicht annehmen | gesperrt |
  non accept | no aceptamos | não aceit | took action | action: | replaced with | replace with | distrutt | effac |
  не приня | не прин | destruid | vernietigd | zniszczon | taken off | went to the bin | binned
`)
