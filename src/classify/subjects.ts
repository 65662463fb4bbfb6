// A Subject → what kind of title it is: a bounce's, an automatic reply's and so on. A subject alone decides nothing: spam and
// people use these words too.
import { fold, foldAll, phraseIn } from './phrases.ts'

/** Folded titles of bounces and delay notices. They may stand anywhere in the subject, if a mail system wrote the message. */
const bounceTitles = foldAll(
  [
    'undeliver',
    'nondeliver',
    'non-deliver',
    'non deliver',
    'not deliver',
    'could not be delivered',
    "couldn't be delivered",
    'cannot be delivered',
    "can't be delivered",
    'unable to deliver',
    "can't deliver",
    'could not deliver',
    'cannot deliver',
    'was not delivered',
    'delivery fail',
    'delivery has failed',
    'delivery status',
    'delivery notification',
    'delivery report',
    'delivery delay',
    'delivery incomplete',
    'delivery is delayed',
    'delivery unsuccessful',
    'delayed mail',
    'failure delivery',
    'failure notice',
    'failure notification',
    'failed delivery',
    'failed mail',
    'failed message',
    'mail fail',
    'mail system error',
    'mail status report',
    'message rejected',
    'mail rejected',
    'rejected mail',
    'automatically rejected',
    'returned mail',
    'returned message',
    'returned email',
    'returned to sender',
    'returning to sender',
    'returning message',
    'mail returned',
    'permanent delivery',
    'warning: could not send',
    'bounced mail',
    'bounced message',
    'nameserver error report',
    'ndn:',
    'ndr:',
  ],
  ['unzustellbar', 'nicht zugestellt', 'unzugestellt'],
  ['non remis', 'échec de la remise', 'non délivré', 'non distribu', 'non recensé'],
  ['no se puede entregar', 'no entregado', 'no entregable'],
  ['non recapitabile', 'mancato recapito', 'mancata consegna'],
  ['non consegnato', 'impossibile recapitare', 'não entregue'],
  ['falha na entrega', 'não é possível entregar', 'não entregável'],
  ['onbestelbaar', 'niet bezorgd', 'niet afgeleverd'],
  ['niedostarcz', 'nie można dostarczyć', 'niedoręcz', 'nie dostarczono'],
  ['не доставлено', 'недоставленн', 'ошибка доставки', 'не удается доставить'],
  ['невозможно доставить', '配信不能', '配信できません', '送信エラー', '配信エラー', '宛先不明'],
  ['エラーメール', '配達できません', '无法送达', '無法送達', '無法傳遞', '未送达'],
  [
    '投递失败',
    '无法投递',
    '系统退信',
    '邮件发送失败',
    '郵件無法',
    '无法传递',
    '배달되지',
    '전송 실패',
  ],
  ['발송 실패', '발송실패', '전송실패', '반송', 'недоставен', 'не доставлен', 'вернулось'],
  ['غير قابل للتسليم', 'تعذر تسليم', 'فشل التسليم', 'αποτυχία παράδοσης', 'ανεπίδοτο'],
  ['δεν είναι δυνατή η παράδοση', 'ei onnistu', 'toimitus epäonnistui', 'toimittamaton'],
  ['sikertelen kézbesítés', 'kézbesítési hiba', 'iletilemedi', 'teslim edilemeyen', 'nedoruč'],
  ['olevererbar', 'går inte att leverera', 'gick inte att leverera'],
  ['kan ikke leveres', 'kunne ikke leveres', 'ikke leveret', 'ei voi toimittaa'],
  ['помилка доставки', 'nepodařilo doručit', 'ei voitu toimittaa', 'mensaje devuelto'],
  ['mensagem devolvida', 'zwrot wiadomości', 'kon niet worden bezorgd', '郵件退回', '发送失败通知'],
  ['nedoručitelné', 'nelze doručit', 'nedoručeno', 'kézbesíthetetlen', 'teslim edilemedi'],
)

/** Titles in words that others use too; they count only if a mail system wrote the message. */
const vagueTitles = foldAll([
  'zustellung',
  'échec',
  'bezorging',
  'zwrot',
  'возврат',
  'address change',
  'message status',
  'processing error',
  'over quota',
  'quota exceeded',
  'mailbox full',
  'mailbox is full',
  'user unknown',
  'unknown user',
  'not listed in',
  'permanent error',
  'warning: message',
  '[postmaster]',
  'afleveren',
  'fehlgeschlagen',
  'kunde inte',
  'delivery notice',
  'delivery attempt',
  'delivery error',
  'delivery problem',
  'delivery warning',
  'error de entrega',
  'devuelto',
  'notificación de entrega',
  'notificação de entrega',
  'notifica sullo stato',
  'mail error',
  'mail delivery',
  'message delivery',
  'delayed delivery',
  'message delay',
  'email delayed',
  '退信',
  '发送失败',
])

/** The prefix of a person's answer or forward: `Re:`, `Fwd:`, `AW:`, `WG:`, `Rif:`, `Odp:`, `Vs:`, `答复:` … */
const answerPrefix =
  /^\s*(\[[^\]]{0,60}\]\s*)?(re|r|fwd?|fw|aw|wg|antw|tr|rv|res|enc|rif|odp|pd|vs|vb|sv|ynt|ilt|отв|на|отправлено|答复|回复|回覆|转发|轉寄)(\[\d+\])?\s?[:：]/i

export interface SubjectFamilies {
  readonly folded: string
  /** The folded title without text in quotation marks. */
  readonly own: string
  readonly isBounce: boolean
  /** The title has words that are seldom used for anything but mail. */
  readonly isClearBounce: boolean
  /** The title is that of an answer or a forward. */
  readonly isAnswer: boolean
}

/** Removes text in quotation marks: that is another title, such as the topic that a forum names. */
function withoutQuotations(folded: string): string {
  return folded.replace(/"[^"]{0,500}"|“[^“”]{0,500}”|«[^«»]{0,500}»|„[^„“”]{0,500}[“”]/g, ' ')
}

export function subjectFamilies(subject: string): SubjectFamilies {
  const text = subject.slice(0, 500)
  const folded = fold(text)
  const own = withoutQuotations(folded)
  const isClearBounce = phraseIn(own, bounceTitles) !== undefined
  return {
    folded,
    own,
    isBounce: isClearBounce || phraseIn(own, vagueTitles) !== undefined,
    isClearBounce,
    isAnswer: answerPrefix.test(text),
  }
}
