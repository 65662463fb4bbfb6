// Recognises read receipts that lack the form of RFC 8098: Notes, Outlook and old mail programs write them in plain words, and
// some gateways leave only the words. Somebody asked for each of them.
import { foldAll, phraseIn } from './phrases.ts'
import type { Seen } from './seen.ts'

/** Titles that programs put before the subject of the message that was read. */
const titles = foldAll(
  [
    'read:',
    'not read:',
    'read receipt',
    'return receipt',
    'disposition notification',
    'displayed:',
  ],
  ['message read', 'deleted:', 'read notification', 'receipt notification'],
  [
    'gelesen:',
    'ungelesen:',
    'nicht gelesen:',
    'gelöscht:',
    'lesebestätigung',
    'empfangsbestätigung',
  ],
  ['lu:', 'lu :', 'non lu', 'accusé de réception', 'confirmation de lecture', 'accusé de lecture'],
  ['leído:', 'no leído:', 'leídos:', 'confirmación de lectura', 'acuse de recibo'],
  ['letto:', 'non letto:', 'conferma di lettura', 'ricevuta di ritorno', 'ricevuta di lettura'],
  ['lida:', 'lido:', 'não lida:', 'não lido:', 'confirmação de leitura', 'recibo de leitura'],
  ['gelezen:', 'niet gelezen:', 'leesbevestiging', 'ontvangstbevestiging'],
  ['przeczytane:', 'przeczytano:', 'nieprzeczytane:', 'potwierdzenie przeczytania'],
  ['прочтено:', 'прочитано:', 'не прочтено:', 'не прочитано:', 'уведомление о прочтении'],
  ['開封済み', '未開封', '開封確認', '已读:', '已读:', '已讀:', '未读:', '读取回执', '읽음:'],
  ['läst:', 'oläst:', 'læst:', 'ulæst:', 'lest:', 'ikke lest:', 'luettu:', 'přečteno:', 'okundu:'],
)

/** What receipts say about the message that was read. */
const phrases = foldAll(
  [
    'was read on',
    'was read by',
    'has been read',
    'without being read',
    'been displayed',
    'was displayed',
  ],
  ['was received by:', 'return receipt', 'read receipt', 'have read your message', 'was opened'],
  ['gelesen', 'angezeigt', 'lu le', 'été lu', 'avoir été lu', 'été affiché', 'été supprimé'],
  ['leído', 'leyó', 'mostrado', 'letto', 'visualizzat', 'foi lid', 'foi exibid', 'ser lid'],
  ['gelezen', 'weergegeven', 'przeczytan', 'wyświetlon', 'прочтен', 'прочитан', 'отображен'],
  [
    '開封',
    '表示され',
    '读',
    '讀',
    '읽었',
    '읽음',
    'lästes',
    'läst',
    'læst',
    'lest',
    'luettu',
    'přečten',
    'okundu',
  ],
)

/** The rule for a receipt recognised by its title and words, or null. A receipt returns no message and reports no delivery. */
export function wordedReceiptRule({ subject, body, status, message }: Seen): string | null {
  if (status !== null || !titles.some((title) => subject.folded.startsWith(title))) return null
  if (message.text.length > 4000) return null
  return phraseIn(body.words, phrases) === undefined ? null : 'mdn-words'
}
