// Titles and sentences of automatic replies in many languages: tables of folded phrases (see `fold` in body-text.ts).
import { phraseTable } from './phrases.ts'

/**
 * Titles that mail programs write by themselves (Exchange, Notes, GroupWise, vacation, Zimbra, Yahoo, Gmail). They begin the
 * subject, and most of them end in a colon.
 */
export const programTitles = phraseTable(`
  out of office autoreply | out of office auto-reply | out-of-office autoreply | out of the office autoreply |
  out of office reply | out of office: | out-of-office: | automatic reply | automatic response | auto reply |
  auto-reply | autoreply | auto response | auto-response | autoresponse | autoresponder | auto responder |
  auto-responder | auto: | automated reply | automated response | automated out of office | vacation reply |
  vacation message | vacation response | away from my mail | away message | abwesenheitsnotiz |
  abwesenheitsassistent | abwesenheitsmeldung | abwesenheit: | automatische antwort | autoantwort | abwesend: |
  automatische rückantwort | automatisch antwoord | afwezigheidsbericht | afwezig: | réponse automatique |
  message d'absence | notification d'absence | absence du bureau | respuesta automática | fuera de la oficina |
  fuera de oficina | autorrespuesta | risposta automatica | fuori sede | fuori ufficio | messaggio automatico |
  autorisposta | resposta automática | fora do escritório | ausência temporária | mensagem automática |
  ausência do escritório | aviso de ausência | avviso di assenza | aviso de ausencia | autoodpowiedź |
  automatyczna odpowiedź | odpowiedź automatyczna | nieobecność: | poza biurem | нет на рабочем месте | вне офиса |
  уведомление об отсутствии | автоответ | автоматический ответ | автоматическое уведомление об отсутствии |
  отсутствие на рабочем месте | 自動返信 | 自動応答 | 不在通知 | 自動回答 | 自动回复 | 自動回覆 | 自动答复 | 外出时的自动 | 不在办公室 | 자동 회신 | 부재 중 |
  autosvar | automatiskt svar | automatisk svar | frånvaro: | fraværsmelding | fravær | automaattinen vastaus |
  poissaoloviesti | automatická odpověď | automatikus válasz | frånvaromeddelande | fraværsbesked |
  fraværsassistent | autosvar: | poissa: | auto-reply: | autoreply: | yahoo! auto response | automatic vacation |
  automated message: | automatic out of office | abwesenheitsbenachrichtigung | abwesenheitsnachricht |
  abwesenheitsagent | automatische e-mail-antwort | urlaubsbenachrichtigung | réponse d'absence | avis d'absence |
  message automatique d'absence | respuesta de ausencia | respuesta automatizada | mensaje automático |
  risponditore | risposta automat | resposta de ausência | respuesta de vacaciones | resposta automat |
  automatische reactie | automatisch bericht | auto-antwoord | wiadomość automatyczna | odpowiedź autom |
  автоматична | автоматическ | нет на месте | отсутствие: | 自動応答 | 【自動 | [自動 | (自動 | 不在: | 不在: | 自动回覆 | 自動答复 |
  [自动回复 | [부재 | 부재중 | 자동응답 | 자동 응답 | [자동 | fraværs | frånvaro | automaattivastaus | poissaolo | automatická |
  automatikus | távolléti | nepřítomnost | otomatik | mesaj automat | răspuns auto | αυτόματ | автоматичн |
  відсутн | otomatik yanıt | otomatik cevap | ofis dışında | răspuns automat | αυτόματη απάντηση | εκτός γραφείου |
  mimo kancelář | házon kívül | رد تلقائي | الرد التلقائي | خارج المكتب | automatinis atsakymas |
  automātiska atbilde | automaatvastus | samodejni odgovor | automatski odgovor | автоматичен отговор |
  автоматична відповідь | automatická odpoveď | resposta automàtica | תשובה אוטומטית | trả lời tự động |
  ตอบกลับอัตโนมัติ | balasan otomatis
`)

/** A title of Notes: its user's name stands before it, and at most a full stop follows. Folding turns です into てす. */
export const absenceTitle =
  /(^|\S )(is out of the office|ist ausser haus|ist nicht im haus|est absent\(e\)|est absente?( du bureau)?|est[ae] ausente( de la oficina)?|e fuori (ufficio|sede)|esta ausente( do escritorio)?|esta fora do escritorio|is niet (aanwezig|op kantoor)|is afwezig|jest (nieobecn[ya]|poza biurem)|отсутствует( на рабочем месте)?|ar inte pa kontoret|er ikke (pa kontoret|til stede)|on poissa|neni pritomen|nincs az irodaban)( \(.{1,60}\))?\.?$|は不在てす[。.]?$|不在办公室[。.]?$|不在辦公室[。.]?$/

/** Titles of programs that have nothing behind them. */
export const bareTitles = phraseTable(`
  out of office | out of the office | out-of-office | auto | abwesend | absence | ausente
`)

/** Titles that people choose; they may stand anywhere in the subject. */
export const personalTitles = phraseTable(`
  out of the office | out of office | out-of-office | on vacation | on holiday | annual leave | on leave |
  away from the office | away from my desk | maternity leave | i am away | i'm away | vacation | not in the office |
  i no longer work | no longer with | nicht im büro | im urlaub | abwesenheit | abwesend | außer haus | en congé |
  en vacances | absent | absence | de vacaciones | ausente | ausencia | in ferie | assenza | assente | de férias |
  ausência | op vakantie | afwezig | na urlopie | nieobecność | _urlop | в отпуске | отсутствую | 不在 | 休假 | 外出 |
  received your email | received your message | address has changed | address change | new e-mail address |
  new email address | no longer works | i have moved | has left | office closed | closed for | _urlaub |
  neue e-mail | fermé | _vacaciones | _ferie | _férias | _vakantie | _verlof | отпуск | отсутств | 休み | 休業 | 부재 |
  휴가 | _semester | _loma | dovolen | szabadság | _izin | concediu | άδεια | απουσ | відпуст | відсутн |
  received your mail | thank you for your e | thanks for your e | thank you for contacting |
  thank you for your message | thank you for your enquiry | thank you for your inquiry | thanks for writing |
  thank you for writing | thanks for your | adreswijziging | смена адреса | mudança de e-mail | cambio de correo |
  cambio de dirección | cambio indirizzo | changement d'adresse | adressänderung | アドレス変更 | 邮箱变更 | 更换邮箱 |
  cuenta desactivada | elternzeit | mutterschutz | congés | poissa | gone fishing
`)

/** What people say when they are away. */
export const awayPhrases = phraseTable(`
  out of the office | out of office | out-of-office | away from the office | away from my desk |
  away from my office | away from my email | not in the office | not at my desk | on annual leave | on leave |
  on vacation | on holiday | on maternity | on paternity | on parental | sick leave | on sabbatical |
  on a business trip | i am away | i will be away | i'm away | i am currently away | i am currently out |
  i am out of | i will be out | i will be returning | i will return | i shall return | limited access to |
  no access to | not have access to | not be checking | not be reading my mail | not be reading my e-mail |
  not be reading my email | will be read when i'm back | will be read when i return | upon my return |
  on my return | when i return | when i get back | until i return | in my absence | during my absence |
  i no longer work | no longer employed | has left the company | has left the organisation | office is closed |
  address has changed | have a new email address | have a new e-mail address | mailbox is no longer |
  address is no longer | nicht im büro | nicht im hause | im urlaub | abwesend | außer haus | nicht erreichbar |
  wieder erreichbar | wieder im büro | meine abwesenheit | meiner abwesenheit | elternzeit | nicht weitergeleitet |
  absent | en congé | en vacances | de retour | mon absence | mon retour | en cas d'urgence | fuera de la oficina |
  de vacaciones | ausente | mi ausencia | mi regreso | mi vuelta | me encuentro fuera | fuori ufficio | fuori sede |
  in ferie | assente | mio rientro | mia assenza | al rientro | fora do escritório | de férias | meu retorno |
  minha ausência | estarei ausente | estou ausente | niet aanwezig | afwezig | op vakantie | mijn afwezigheid |
  niet op kantoor | weer aanwezig | nieobecn | na urlopie | poza biurem | powrocie | zwolnieniu | в отпуске |
  отсутству | вне офиса | командировке | по возвращении | 不在 | 休暇 | 出張 | 外出 | 留守 | 休假 | 出差 | 不在办公室 | 부재 |
  inte på kontoret | på semester | frånvaro | åter på kontoret | ikke på kontoret | på ferie | tilbage på kontoret |
  poissa | lomalla | dovolené | szabadságon | izinde | izindeyim | mimo kancelář | nepřítom |
  nem vagyok az irodában | házon kívül | ofis dışında | ofiste değil | εκτός γραφείου | απουσιάζω | σε άδεια |
  خارج المكتب | في إجازة | 휴가 | 출장 | 자리를 비 | не буду в офисе | не будет в офисе | нет на рабочем месте | 不在办公 |
  不在辦公 | 休暇中 | 外出中
`)

/**
 * Stems of what people say when they are away. They count only in a short text, below a title, or in an answer. A stem with a
 * blank before it begins a word.
 */
export const awayStems = phraseTable(`
  out until | out from | out of town | out this week | offline until | _away until | _away from | _away for |
  _be away | _be out | _am out | _back on | _be back | jury duty | on furlough | travelling | traveling |
  currently unavailable | office will be closed | offices are closed | offices will be closed | we are closed |
  we will be closed | no longer with | no longer works | no longer at | no longer an employee | no longer in use |
  no longer using | no longer monitored | no longer valid | no longer active | has left | have left | i have moved |
  has retired | retired from | now using | new address is | new email is | new e-mail is | my new email |
  my new e-mail | address book | has been changed to | changed my email | changed my e-mail | passed away |
  _urlaub | nicht am arbeitsplatz | nicht im haus | dienstreise | mutterschutz | unterwegs bis | geschlossen |
  betriebsferien | betriebsurlaub | ich bin bis | bin ich nicht | nicht mehr für | nicht mehr bei | ausgeschieden |
  neue e-mail | neue mailadresse | wieder da | zurück am | im büro zurück | congés | congé_ | _vacances |
  en déplacement | je serai de | sera fermé | seront fermé | est fermé | ne travaille plus | plus dans la société |
  ne fais plus partie | nouvelle adresse | arrêt maladie | indisponible | _vacaciones | estaré fuera | estoy fuera |
  fuera del país | de viaje | baja por | baja de maternidad | ya no trabaj | ya no forma parte | nueva dirección |
  permanecerá cerrad | cerrado por | regreso el | vuelvo el | estaré de vuelta | _ferie | _chiuso | _chiusi |
  _chiusa | non sono in ufficio | sono fuori | sarò fuori | rientrerò | _rientro | in maternità | non lavor |
  nuovo indirizzo | _férias | _fora do | estarei fora | estou fora | de licença | já não trabalh | não trabalh |
  não faz mais parte | novo endereço | _regresso | _retorno | voltarei | encerrad | _vakantie | met verlof |
  ouderschapsverlof | zwangerschapsverlof | afwezigheid | niet werkzaam | gesloten | ben ik niet |
  nieuw e-mailadres | weer bereikbaar | niet bereikbaar | niet meer werkzaam | _urlop | nieczynne | nie pracuj |
  delegacj | macierzyńs | wracam | zmienił | zmianie adresu | отпуск | больнич | не работа | буду доступ | вернусь |
  декрет | новый адрес | адрес изменил | сменил | выходны | お休み | 休業 | 休み | 産休 | 育休 | 退職 | 退社 | 異動 | 出張 | 移動中 |
  席を外 | アドレスが変 | アドレスを変 | 年假 | 产假 | 產假 | 请假 | 請假 | 度假 | 放假 | 离职 | 離職 | 已离开 | 更换邮箱 | 부재중 | 연차 | 퇴사 | 육아휴직 | 자리에 없 |
  _semester | föräldraledig | tjänsteresa | _slutat | inte på plats | åter den | tillbaka den | _ferie | _barsel |
  bortreist | på rejse | ikke til stede | ude af huset | er tilbage | _tilbake | _permisjon | fratrådt | _sluttet |
  _loma | _poissa | matkoilla | tavoitettavissa | äitiysloma | en ole paikalla | dovolen | mimo kancelář |
  služební cest | nejsem v kancelář | nepracuj | mateřsk | szabadság | nem vagyok | elérhető | _gyes | táppénz |
  _izin | tatilde | iş seyahat | ofiste olmayaca | doğum izni | concediu | nu sunt în birou | _lipsesc | _plecat |
  θα λείπ | λείπω | άδεια | απουσ | відпуст | відсутн | відрядж | лікарнян | повернуся | отпуска | отсъств |
  на одмору | godišnj | odsutan | odsutna | _dopust | odsoten | atostog | komandiruot | atvaļinājum | puhkus |
  إجازة | חופש | מחוץ למשרד | _cuti | nghỉ phép | _vacances | absent del | research leave | study leave |
  family leave | medical leave | leave of absence | нет в офисе | нет на месте | tillbaka på | frånvar |
  eingangsbestätigung | accusé de réception | acuse de recibo | avviso di ricezione | confirmação de recebimento |
  potwierdzenie otrzymania | ontvangstbevestiging | お問い合わせありがとう | 受付 | mottagningskvittens | kvittering |
  sabbatical | illness | krank | malade | malattia | enferm | doente | ziek | chory | chiusura | riaprir | retired |
  taken over | nimmt jetzt | hat übernommen | reprend | fermeture | cierre | encerramento | sluiting | ziekte |
  nemocensk | på nytt den | syg. | sjuk | sairaana | хвор | will reopen | shut for | shut until | maternity |
  paternity | mammaledig | pappaledig | no estaré disponible | nicht verfügbar | not available | unavailable |
  non disponibile | niet beschikbaar | niedostępn | недоступ | medarbetare är ledig | ich arbeite nur |
  in trasferta | em viagem | acesso limitado | acceso limitado | accesso limitato | accès limité | eingeschränkt |
  beperkt | ограничен | account closes | from now on | te contestar | le contestar | contestaré | responderé |
  antworte ihnen | ich antworte | je vous répondr | je répondr | ti risponder | risponderò | responderei | отвечу |
  返信が遅れ | 稍后回复 | 답변드리 | out sick | congedo | en arrêt | nie ma mnie | på kurs | sjukskriven | arbejder ikke |
  jobber ikke | arbetar inte | we reopen | reopens on
`)

/** Phrases for "nobody reads mail to this address". They prove nothing alone, since programs put them below notices too. */
export const unreadPhrases = phraseTable(`
  not monitored | unmonitored | unattended | not attended | nobody reads | no one reads | not read |
  is not checked | do not reply | don't reply | cannot reply | send-only | no-reply | noreply | wird nicht gelesen |
  nicht überwacht | n'est pas consultée | n'est pas lue | no es atendid | no se lee | non è presidiat |
  não é monitorad | wordt niet gelezen | nie jest monitorowan | не читает | не обрабатыва | 送信専用 | 无人 |
  övervakas inte | læses ikke
`)

/** The message says that no person wrote it. */
export const automaticPhrases = phraseTable(`
  automatic reply | automatic response | automated reply | automated response | automatically generated reply |
  automatically generated response | automatic acknowledgement | automated acknowledgement | auto-reply |
  autoreply | autoresponder | this is an automated | this is an automatic | automatische antwort |
  réponse automatique | respuesta automática | risposta automatica | resposta automática | automatisch antwoord |
  automatyczna odpowiedź | автоматический ответ | автоответ | 自動返信 | 自動応答 | 自动回复 | 自動回覆 | automatiskt svar |
  automatisk svar
`)

/** What an automatic reply tells everybody; tickets and forms say it too. */
export const receiptPhrases = phraseTable(`
  automatically generated | automatic message | auto-generated | get back to you | as soon as possible |
  will be dealt with | thank you for your e | thank you for your m | thank you for contacting | thanks for your e |
  has been received | received your e | received your m | i will respond | i will reply | vacation | automatisch |
  in dringenden fällen | automatique | automátic | automatic | automatyczn | автоматическ | автоответ | 自動 | 自动 |
  回复您 | 回覆您 | automatisk | 자동 | thanks for writing | thank you for writing | for your interest | answer everyone |
  answer all | volume of mail | volume of e | has reached | we read every | danke für ihre | vielen dank für ihre |
  merci de votre | merci pour votre | gracias por su | gracias por tu | grazie per | obrigado pel | obrigada pel |
  agradecemos o | bedankt voor | dziękujemy za | dziękuję za | спасибо за | благодарим | ありがとうございま | 感谢您 | 感謝您 |
  감사합니다 | tack för | tak for | takk for | kiitos | děkujeme | köszönjük | teşekkür | mulțumim | ευχαριστούμε |
  дякуємо | gracias por escrib | merci de m'avoir | grazie per avermi | obrigado por escrever | danke fürs
`)

/** The person has left, or has another address. */
export const goneStems = phraseTable(`
  no longer works | no longer work | no longer with | no longer employed | no longer at | no longer in use |
  no longer used | no longer active | no longer valid | has left the | have left the | has been deactivated |
  has been closed | is being closed | has been discontinued | was discontinued | has changed to | has been changed |
  now using | new address is | my new e | arbeitet nicht mehr | nicht mehr bei | nicht mehr für |
  nicht mehr gültig | nicht mehr aktiv | nicht mehr verwendet | ausgeschieden | neue e-mail-adresse |
  neue mailadresse | ne travaille plus | a quitté | plus dans la société | ne fait plus partie | n'est plus valide |
  n'est plus utilisé | n'est plus actif | nouvelle adresse | ya no trabaja | ya no forma parte | ha dejado de |
  desactivad | ya no está | ya no se utiliza | nueva dirección | non è più | non lavora più | disattivat |
  nuovo indirizzo | não trabalha mais | já não trabalha | desativad | não faz mais parte | novo endereço |
  niet meer werkzaam | niet meer in gebruik | opgeheven | gewijzigd in | nieuw e-mailadres | nie pracuje |
  nieaktywn | nowy adres | больше не работает | не используется | уволил | новый адрес | адрес изменил | 使われておりません |
  使用されておりません | 使用しておりません | 退職 | 新しいアドレス | アドレスが変 | アドレスを変 | 已离职 | 離職 | 已停用 | 不再使用 | 퇴사 | 더 이상 사용 | har slutat |
  inte längre | ny e-postadress | ikke længere | ikke lenger | ny e-mailadresse | ny e-postadresse | ei ole enää |
  uusi sähköposti | již nepracuje | nová adresa | již není | már nem | új e-mail | artık çalışm | kullanılmamakta |
  yeni e-posta | nu mai lucr | nu mai este | noua adresă | δεν εργάζεται πλέον | νέα διεύθυνση | більше не працює |
  нова адреса | has been shut down | has taken over | non appartengo | no pertenezco | ya no pertenece |
  retired from | i have retired | i've retired
`)

/** The message says that the reader's mail has arrived. */
export const acknowledgementPhrases = phraseTable(`
  received your e | received your m | your message has been received | your email has been received |
  your e-mail has been received | your mail has been received | your message has reached | your email has reached |
  got your message | got your mail | got your email | ihre nachricht erhalten | ihre e-mail erhalten |
  ihre mail erhalten | ihre e-mail ist bei uns | ihre nachricht ist bei uns | dank für ihre nachricht |
  dank für ihre e-mail | dank für ihre mail | bien reçu votre | votre message a bien été reçu |
  merci de votre message | merci pour votre message | recibido su mensaje | recibido su correo | recibido tu |
  su mensaje ha sido recibido | ricevuto la sua | ricevuto il suo | ricevuto la tua | recebemos a sua |
  recebemos sua | recebemos o seu | recebemos seu | sua mensagem foi recebida | uw e-mail ontvangen |
  uw bericht ontvangen | uw mail ontvangen | otrzymaliśmy | twoja wiadomość dotarła | письмо получено |
  получили ваше | ваше сообщение получено | メールを受け | メールありがとう | お問い合わせありがとう | お問い合わせいただき | 收到您的邮件 | 收到您的来信 |
  收到您的郵件 | 来信收到 | 邮件已收到 | 来信已收到 | 메일 잘 받 | 메일을 받았 | 문의해 주셔서 | tack för ditt mejl | tack för ditt meddelande |
  tack för din e-post | tak for din mail | takk for din e-post | takk for henvendelsen | kiitos viestistä |
  kiitos sähköposti | děkujeme za vaši | děkujeme za váš | köszönjük levelét | köszönöm levelét |
  e-postanızı aldık | mesajınızı aldık | am primit mesajul | λάβαμε το μήνυμα | отримали ваш | ваш лист отримано |
  受信しました | 受け取りました | 受領しました | 拝受
`)
