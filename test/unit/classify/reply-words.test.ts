// Automatic replies without a mark of RFC 3834, by their wording in many languages; and what people write that is like
// them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets } from '../../support/messages.ts'

async function ruleFor(subject: string, text: string, ...header: string[]): Promise<string> {
  const message = await parseMessage(
    octets(
      ...header,
      'From: Somebody <somebody@far.example>',
      'To: made@trap.example',
      `Subject: ${subject}`,
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      text,
      '',
    ),
  )
  const verdict = classify(message)
  assert.equal(verdict.kind, verdict.backscatter ? 'auto-reply' : null)
  return verdict.rule
}

const replies: Readonly<Record<string, readonly [subject: string, text: string]>> = {
  en: ['Automatic reply: your order', 'I am out of the office until Monday.'],
  de: ['Abwesenheitsnotiz: your order', 'Ich bin bis Montag nicht im Büro.'],
  fr: ['Réponse automatique : your order', 'Je suis absent jusqu’à lundi.'],
  es: ['Respuesta automática: your order', 'Estoy fuera de la oficina hasta el lunes.'],
  it: ['Risposta automatica: your order', 'Sarò fuori ufficio fino a lunedì.'],
  pt: ['Resposta automática: your order', 'Estou de férias até segunda-feira.'],
  nl: ['Automatisch antwoord: your order', 'Ik ben afwezig tot maandag.'],
  pl: ['Automatyczna odpowiedź: your order', 'Jestem na urlopie do poniedziałku.'],
  ru: ['Автоматический ответ: your order', 'Я буду отсутствовать до понедельника.'],
  ja: ['自動返信: your order', '月曜日まで不在です。'],
  zh: ['自动回复: your order', '您好，我最近正在休假中，无法亲自回复您的邮件。'],
  'zh-TW': ['自動回覆: your order', '我在星期一之前不在辦公室。'],
}

for (const title of [
  'Out of Office:',
  'AUTO:',
  'Abwesenheitsnotiz:',
  'Autosvar:',
  'Poza biurem:',
]) {
  test(`"${title}" sets itself off from the subject that it answers`, async () => {
    const rule = await ruleFor(`${title} parking`, 'I am out of the office until Monday.')
    assert.equal(rule, 'reply-program-title')
  })
}

for (const [language, [subject, text]] of Object.entries(replies)) {
  test(`an automatic reply in ${language}, by the title that a program wrote`, async () => {
    assert.equal(await ruleFor(subject, text), 'reply-program-title')
  })

  test(`words of absence in ${language} under a title of its own, from the null sender`, async () => {
    assert.equal(await ruleFor('Hello', text, 'Return-Path: <>'), 'reply-null-sender')
    assert.equal(await ruleFor('Hello', text, 'Return-Path: <a@b.example>'), 'not-recognised')
  })

  test(`an answer to an automatic reply in ${language}`, async () => {
    const quoted = `Fine.\r\n\r\n> ${text}`
    assert.equal(await ruleFor(`Re: ${subject}`, quoted), 'not-recognised')
    assert.equal(await ruleFor(`AW: ${subject}`, quoted, 'In-Reply-To: <1@x>'), 'not-recognised')
  })
}

const bareAnswers: readonly (readonly [subject: string, text: string])[] = [
  ['Re: Hi', 'Check my pics'],
  ['Re: Привет', 'Деньги за час, пиши в телеграм @abc'],
  ['Re: 你好', '加我微信 abc123'],
  ['AW: Rechnung', 'Anbei die Rechnung.'],
  ['RE: Meeting', 'Call me on +1 555 0100'],
  ['Re:', 'ok'],
  ['Re: Documents', 'Sent from my iPhone'],
  ['Re: vacation', 'Check my pics'],
]

for (const [subject, text] of bareAnswers) {
  test(`"${subject}" makes no answer of "${text}"`, async () => {
    assert.equal(await ruleFor(subject, text, 'Return-Path: <>'), 'not-recognised')
    const threaded = await ruleFor(subject, text, 'Return-Path: <>', 'In-Reply-To: <1@x>')
    assert.equal(threaded, 'reply-null-sender')
  })
}

test('words of absence or receipt make an answer of it, and so does a mark', async () => {
  const from = 'Return-Path: <>'
  assert.equal(await ruleFor('Re: Hi', 'I am away until Monday.', from), 'reply-null-sender')
  assert.equal(await ruleFor('Re: Hi', 'Thank you for your email.', from), 'reply-null-sender')
  assert.equal(await ruleFor('Re: Hi', 'Ok.', from, 'X-Autoreply: yes'), 'vendor-field-x-autoreply')
})

const lures: readonly (readonly [subject: string, text: string])[] = [
  ['Automatic reply: Loan offer', 'We lend at 3%. Reply today.'],
  ['Automatic reply: Loan offer at 3%', 'Write to us.'],
  ['Automatic reply: Loan offer', 'Loans at 3 %, please answer as soon as possible.'],
  ['Automatic reply: hello', 'See http://casino.example/'],
  ['Automatic reply: hello', 'Find me on Telegram: @abc'],
  ['Автоответ: привет', 'Пиши в телеграм @abc'],
]

for (const [subject, text] of lures) {
  test(`"${subject}" is no program's title above "${text}"`, async () => {
    for (const from of ['Return-Path: <>', 'Return-Path: <a@b.example>']) {
      assert.equal(await ruleFor(subject, text, from), 'not-recognised')
    }
  })
}

test('an automatic reply to an offer is one', async () => {
  const subject = 'Automatic reply: Loan offer at 3%'
  const [away, thanks] = ['I am out of the office.', 'Thank you for your email.']
  assert.equal(await ruleFor(subject, away), 'reply-program-title')
  assert.equal(await ruleFor(subject, thanks), 'reply-program-title')
  assert.equal(await ruleFor(subject, 'Ok.', 'In-Reply-To: <1@x>'), 'reply-program-title')
  assert.equal(await ruleFor(subject, 'Ok.', 'Precedence: junk'), 'reply-program-title')
})
