// What challenge/response systems tell the sender of a held message: tables of folded phrases and stems (see `fold` in
// body-text.ts). Each table has one kind of statement.
import { phraseTable } from './phrases.ts'

/** What the sender must do. */
export const demandPhrases = phraseTable(`
  please confirm | to confirm | confirm your | confirm this | confirm delivery | confirm you | confirm that |
  confirmation process | please verify | verify that you | verify you | verify this | to verify | prove that you |
  prove you | type the | type in | type them | enter the code | enter the characters | enter the word |
  copy the characters | authenticate | authentification | authorize yourself | identify yourself |
  introduce yourself | click | press the | follow the link | follow this link | use the link | visit |
  please go to | go to the following | fill out | fill in | register | your confirmation | answer the challenge |
  answer the question | answer the following | reply to this | replying to this | reply to the | hit reply |
  press reply | please reply | just reply | simply reply | send an empty | respond to this | request to be added |
  captcha | add yourself | be added to | ask permission | ask my permission | bestätigen | bestätigung |
  antworten sie | beantworten sie | klicken sie | link anklicken | auf den folgenden link | auf folgenden link |
  confirmer | cliquez | cliquer | répondez | répondre à ce | vous identifier | vous authentifier | confirme |
  confirmar | haga clic | pulse | pinche | responda | responder | conteste | hacer clic | confermare | confermi |
  clicca | clicchi | cliccare | risponda | rispondi | rispondere | clique | acesse | bevestig | beantwoord | klik_ |
  antwoord op | potwierdź | potwierdzić | kliknij | kliknąć | odpowiedz | odpowiedzieć | подтверд | перейдите |
  ответьте | нажмите | пройдите | 確認 | クリック | 返信 | 认证 | 确认 | 確認 | 验证 | 驗證 | 点击 | 點擊 | 回复此 | 클릭 | 확인 | 인증 | 회신 |
  bekräfta | klicka | svara på | bekræft | klik på | bekreft | svar på | klikk | vahvista | vastaa | napsauta |
  potvrd | klikněte | odpověz | erősítse | megerősít | kattint | válaszol | onayla | tıkla | yanıtla | doğrula |
  confirmați | răspundeți | επιβεβαι | απαντήστε | κάντε κλικ | підтверд | натисніть | answer this | please answer |
  by answering | you to answer | write the number | read the picture | solve | complete the | answer a | recopiez |
  saisissez | clicar | informe o código | informar o código | digite | preencha | escriba | escribe | rellene |
  introduzca | digita | inserisca | geben sie | sich zu melden | vul de | typ de | wpisz | введите | укажите | 入力 |
  输入 | 輸入 | 回复本 | 回复该 | 입력 | skriv in | indtast | opište | írja be | girin | introduceți | authoris | authoriz |
  entering a | by entering | the right answer | om te laten zien | ответит | kattintva | answer one | tap the |
  put the answer | in your reply | a reply and | stuur dit bericht | terugsturen | renvoyez | reenvíe |
  senden sie diese | schicken sie | introduce | rufen sie | folgende seite | отправьте | cadastre | one more step |
  odblokować | suivez le lien | siga el enlace | segua il link | volg de link | följ länken | følg linket | 認証 |
  認證
`)

/** The message is about mail that its reader sent. */
export const aboutMailPhrases = phraseTable(`
  your message | your mail to | your mail has | your mail was | your mail will | receive your mail |
  deliver your mail | your email to | your e-mail to | your email has | your e-mail has | your email was |
  your e-mail was | your email will | your e-mail will | your email is | your e-mail is | your email message |
  your e-mail message | to your email | to your e-mail | receive your email | receive your e-mail |
  read your email | read your e-mail | deliver your email | deliver your e-mail | delivery of your email |
  your original message | your original mail | your original email | message you sent | mail you sent |
  you wrote to | message from you | messages from you | mail from you | mails from you | you sent | you have sent |
  you just sent | you recently sent | you tried to send | you have written | mail from people | your future mail |
  all of your future | mail from your address | ihre nachricht | ihre e-mail | ihre mail | ihrer e-mail |
  ihrer nachricht | ihrer mail | deine nachricht | deine e-mail | deine mail | eine e-mail von ihnen |
  eine nachricht von ihnen | votre message | votre e-mail | votre mail | votre email | votre courriel |
  vous avez envoyé | votre courrier | vos messages | su mensaje | su correo | tu mensaje | tu correo | su e-mail |
  mensaje suyo | correo suyo | usted ha enviado | ha enviado | que envió | que enviaste | tuo messaggio |
  suo messaggio | tua mail | sua mail | tua e-mail | sua e-mail | ha inviato | hai inviato | sua mensagem |
  seu e-mail | seu email | você enviou | uw bericht | uw e-mail | uw mail | je bericht | je mail | twoja wiadomość |
  twojej wiadomości | państwa wiadomość | twój e-mail | twój list | ваше письмо | вашего письма | ваше сообщение |
  вашего сообщения | メール | メッセージ | 您的邮件 | 您的郵件 | 您的電子郵件 | 您发 | 您發 | 您的来信 | 你的邮件 | 보내신 | 귀하의 메일 | ditt meddelande |
  ditt mejl | din e-post | din mail | din besked | meldingen din | viestisi | lähettämäsi | vaše zpráva |
  vaši zprávu | váš e-mail | levele | üzenete | mesajınız | e-postanız | iletiniz | mesajul dvs |
  mesajul dumneavoastră | μήνυμά σας | ваш лист | ваше повідомлення | your first mail | your first message |
  mail you addressed | message you addressed | mail you wrote | you wrote | received from your address |
  mail from you before | vous venez d'écrire | vous avez écrit | sie haben eine | von ihnen gesendete |
  você escreveu | usted escribió | has escrito | ha escrito | ha scritto a | gönderdiğiniz | 您的信 | vašeho e-mailu |
  wysłana przez | get your email | get your mail | get your e-mail | get your message | someone writes to me |
  writes to me | your note | u stuurde | mailtje | вы написали | the recipient of your |
  has your note | protected address | read your letter | your letter | your mail gets | un courriel à |
  un message à | ihre anfrage | wysłana przez ciebie | twoje pismo | un correo a | un mensaje a | una mail a |
  uma mensagem para | pani/pana | pana e-mail | pani e-mail | からのメール
`)

/** The reader's mail is held, and something would release it. */
export const heldPhrases = phraseTable(`
  being held | been held | is held | was held | are held | on hold | holding your | held your | held until |
  held for | held in | not been delivered | not yet been delivered | not yet delivered | will be delivered |
  be delivered to me | be delivered to my | to be delivered | have it delivered | before your message |
  before your email | before your e-mail | before your mail | before i can receive | before i receive |
  before it can | before it is | until you | waiting for | is waiting | pending | in a queue | been queued |
  waitlisted | wait list | been quarantined | in quarantine | release your | releases your | will be released |
  allow your | deliver your | get your message through | get through | be passed on | passed on | reach me |
  reach my inbox | moved to | redirected | placed in | kept in | been stopped | was stopped | stopped because |
  requires verification | requires that you verify | requires you to verify | complete this verification |
  complete the verification | awaiting | so i can receive | so that i can receive | i will receive your |
  i can receive your | will go through | deleted unread | will be deleted | will be discarded | thrown away |
  will be sent on | zurückgehalten | zugestellt | weitergeleitet | wartet | freigegeben | freigeben | freischalt |
  en attente | sera délivré | sera remis | sera transmis | sera livré | sera distribué | parvienne | soit remis |
  soit délivré | être délivré | être remis | bloqué | retenu | mis en | retenid | en espera | sea entregado |
  será entregado | ser entregado | entregar su | pendiente | in attesa | sarà consegnato | consegnar |
  sarà recapitat | trattenut | inoltrat | aguardando | será entregue | seja entregue | retida | retido | liberar |
  entrega | encaminhad | vastgehouden | te laten bezorgen | worden bezorgd | wordt bezorgd | afgeleverd | wacht op |
  oczekuje | wstrzyman | zatrzyman | dostarczona | zostanie dostarcz | задержан | доставлено | ожидает |
  было доставлено | 保留 | 配信 | お届け | 届け | 等待 | 投递 | 投遞 | 暂存 | 拦截 | 보류 | 전달 | 배달 | hålls kvar | levereras | väntar |
  tilbageholdt | leveret | venter | odottaa | toimitetaan | pozdržen | zadržen | doručen | visszatart | kézbesít |
  bekletil | iletil | teslim | reținut | livrat | παραδοθεί | затриман | доставлен | get it released | be released |
  been released | was queued | let your | let it through | through to me | put your mail aside | aside | parked |
  parking | i will see | is shown to | shown to him | unverified mail | is removed after | lui sera remis |
  liberad | libere | recapitat | czeka | dostarczyć | zostanie przekazan | släpps | släpper | 送达 | 投送 | 才能 | 受信者に |
  まだ | i'll receive | can reach | lo recibiré | bandeja de desconocidos | wird ihre | gelöscht | paused | expire |
  is put in | be put in | not shown | delivery of your message | its delivery | arrive directly | at once |
  komt uw mail | не показываются | gets your | afventer | sendt videre | durchläss | liegt beim |
  nog niet afgeleverd | waiting in line | wasn't opened | not opened | i get to read | wait at the door |
  one more step | on its way | freigeschaltet | sera détruit | sera supprimé | попало к адресату |
  попадет к адресату | chegue até | przetrzymywan | odblokow | kwarantann | geht danach | bandeja de entrada |
  in arrivo | 認証待ち | akceptacj | en attente de validation | pendiente de | handed to me | will be handed |
  handed over
`)

/** The mail is held because of its sender, or until its sender is verified. */
export const ofSenderPhrases = phraseTable(`
  address was not recogni | address is not recogni | address has not been | has not been verified | unknown sender |
  unknown to me | unrecognized sender | your address is not | do not know you | don't know you | don't recognize |
  do not recognize | not in my | not yet in | not on my | not on his | not on her | not on their | not on the list |
  approved senders | allowed senders | list of senders | allowed list | approved list | known senders |
  safe senders | guest list | whitelist | white list | white-list | senders i have approved | only from people |
  from people i know | people on his | people on her | people on my | people i know | my contacts | address book |
  first time | first message | never written | never sent | not previously | a human | human being | you are human |
  is human | he is human | real person | a person | not a robot | not a machine | automated mailer |
  automated program | automated sender | sent by a machine | by a computer | verify yourself | sender verification |
  verify that you | prove | once i approve | permission | absender unbekannt | unbekannter absender |
  noch unbekannt | noch nicht bekannt | erste mail | ersten mal | absenderadresse | ein mensch |
  expéditeur inconnu | vous authentifier | première fois | liste blanche | expéditeurs autorisés | un robot |
  être humain | remitente desconocido | primera vez | lista de remitentes | es una persona | lista blanca |
  mittente sconosciuto | prima volta | lista dei mittenti | remetente desconhecido | primeira vez |
  lista de remetentes | é uma pessoa | confirmação de remetente | bekende afzenders | eerste keer |
  nieznany nadawca | pierwszy raz | известных отправителей | не робот | впервые | первый раз | белый список |
  белом списке | ホワイトリスト | 初めて | 白名单 | 白名單 | 首次 | 第一次 | 처음 | första gången | første gang | ensimmäist | poprvé |
  első alkalom | első levél | ilk kez | prima dată | πρώτη φορά | вперше | never seen mail | never seen |
  who you are | know you yet | not know you | first to us | your first | first-time sender | first time sender |
  senders must | a program or | or a person | a person is | person at the other | if you are a person |
  does not know | accepts only | only accepts | n'accepte que | qu'il connaît | pas un robot | vous connaît |
  desconocid | unbekannte absender | unbekannten absender | absender nicht kenn | sieht ob | del mittente |
  del remitente | do remetente | nadawcy | отправителя | 发件人 | 身份 | 本人 | 差出人 | gönderen | avsändare | afsender |
  avsender | lähettäj | odesílatel | feladó | expeditorul | on file | prove that they | they are human |
  are you human | keep machines | machines out | if i approve | write to me | writes to me | requires authori |
  mensen die hij | een mens | незнакомых | отправитель не ответит | пока отправитель | auf der liste |
  not authoris | not authoriz | the senders | senders prove | ken uw adres | kent uw adres | a human sent |
  unknown correspond | ask a question | real sender | only shows mail | has accepted | correspondents | among them |
  neue absender | neuer absender | un automate | pessoas cadastradas | cadastre-se | keep spammers | new senders |
  registered senders | nadawców | une machine | ein automat | una máquina | uma máquina | bestätigten absender |
  bekannten absender | zugelassenen absender | expéditeurs connus | remitentes conocidos | mittenti noti |
  remetentes conhecidos
`)

/** The sender is asked only once. */
export const oncePhrases = phraseTable(`
  only once | just this once | just once | one-time | one time | once only | do this once | do it once |
  have to do this again | do this again | have to confirm your address once | asked again | never be asked |
  not be asked | not need to | won't have to | link once | future messages | future mail | future email |
  future e-mail | in the future | and in future | all future | without the need | without verification |
  do not need to resend | einmalig | nur einmal | nicht erneut | künftig | zukünftig | une seule fois |
  qu'une fois | una sola vez | una vez | sólo una | una sola volta | una volta | uma única vez | uma vez |
  één keer | eenmalig | jednorazow | tylko raz | один раз | единожды | однократн | 一度だけ | 一次 | 한번만 | 한 번만 |
  en gång | en enkelt gang | én gang | kerran | jednou | egyszer | bir kez | o singură dată | μία φορά | один раз |
  this mail once | one click | forever | later mails | from then on | volverá a ped | no volver | 初回 | 仅需 | 只需 |
  först gången | second time | seconds | nothing else is required
`)

/** The system says that it protects a mailbox from spam. */
export const defencePhrases = phraseTable(`
  spam | junk | unsolicited | unwanted | bulk email | bulk e-mail | challenge | virus | sender verification |
  automated program | automated mailer | mail filter | viruses | indésirable | pourriel | no deseado | indesejad |
  ongewenste | niechcian | спам | 迷惑 | 垃圾 | 스팸 | skräppost | uønsket | roskaposti | nevyžádan | kéretlen |
  istenmeyen | indesiderat | indésir | antyspam | spamfilter | anti-spam | antispam | filtered | filters | werbung |
  рассыл | publicidad | publicité | pubblicità | propaganda | reklam
`)
