// Facts about scanners' notices: a scanner tells the sender of a message what it found in it.
import { addressesNamed } from '../../mail/addresses.ts'
import { firstValue } from '../../mail/header.ts'
import { knownSystem, scanners } from '../known-systems.ts'
import { fold, hasPhrase } from '../phrases.ts'
import type { FactTable, Seen } from '../seen.ts'
import { domainOf } from '../sender.ts'

export const noticeFacts = {
  /** The scanner whose own fields or addresses the message has. */
  scanner: (seen) => knownSystem(seen, scanners),
  /** The title is one that a scanner gives to its notices to senders. */
  noticeTitle: ({ subject }) => hasPhrase(subject.folded, 'content-notice', 'title'),
  /** A scanner says its name. */
  namesScanner: ({ from, said }) => hasPhrase(`${from} ${said}`, 'content-notice', 'scanner'),
  /** Something unwanted was found: an infection, a forbidden file, forbidden content. */
  saysFound: ({ said }) => hasPhrase(said, 'content-notice', 'found'),
  /** It was found in mail that the reader sent. */
  saysReaderSent: ({ subject, words }) =>
    hasPhrase(`${subject.folded} ${words}`, 'content-notice', 'sent'),
  /** It was found in mail that the reader was to get. */
  saysReaderReceives: ({ said }) => hasPhrase(said, 'content-notice', 'received'),
  /** A threat is named in the form that scanners use, or a program file. */
  namesThreat: ({ said }) => threatName.test(said) || programFile.test(said),
  /** It says which mail it means: by an address in the words, or by returning the mail. */
  namesMail: ({ words, hasReturned }) => hasReturned || words.includes('@'),
  /** The author is at the reader's own site, so his server bounced nothing back to a forged sender. */
  fromReadersSite: ({ message: { header }, readers }) => {
    const sites = [...readers].map(domainOf)
    return addressesNamed(header, 'from').some((address) => sites.includes(domainOf(address)))
  },
  /** A program sent it: nobody typed it, mail is returned with it, or a scanner is its author or in its title. */
  programSent: (seen) => seen.isAutomatic || seen.hasReturned || isFromScanner(seen),
  /** It answers or quotes a message, or asks the reader something. */
  letter: ({ isLetter }) => isLetter,
  /** It brings a file or a link to a file that could be run, and returns no message. */
  payload: hasPayload,
  /** A line holds an SMTP reply code of refusal. */
  replyCode: ({ quotesReply }) => quotesReply,
} satisfies FactTable

function isFromScanner({ from, subject, message }: Seen): boolean {
  const mailer = fold((firstValue(message.header, 'x-mailer') ?? '').slice(0, 200))
  return hasPhrase(`${from} ${subject.folded} ${mailer}`, 'content-notice', 'scanner')
}

/** `W32/Netsky.B@mm`, `Win.Trojan.Agent-1`, `HEUR:Trojan.Win32.X`, `Troj/Doc`, `X97M_POWLOAD` (the CARO naming scheme). */
const threatName =
  /\b(w32|win32|win\.trojan|w97m|x97m|o97m|worm|trojan|troj|heur|exploit|email-worm|i-worm)[./_:][a-z]|\beicar/

/** A file name with an extension that scanners block. */
const programFile = /\w\.(exe|scr|pif|bat|cmd|vbs|cpl|hta|jse?|wsf|docm|xlsm)\b(?![./@-])/

/** Whether it is a worm's mail: worms write whole bounces, also in Sendmail's words, around an attachment to open. */
function hasPayload(seen: Seen): boolean {
  if (seen.hasReturned || seen.status !== null) return false
  return (
    seen.message.parts.some(({ filename }) => payloadFile.test(filename)) ||
    payloadLink.test(seen.words)
  )
}

const payloadFile =
  /\.(zip|rar|7z|gz|ace|arj|cab|exe|pif|scr|com|bat|cmd|cpl|hta|js|jse|vbs|vbe|wsf|lnk|iso|img|docm|xlsm|jar)\s*$/i

const payloadLink = /\bhttps?:\/\/\S{1,200}\.(zip|rar|7z|exe|scr|pif|msi|iso|vbs|hta)\b/
